//! Which fields an update writes.
//!
//! An update always has a mask: without one, everything that the message leaves out would be erased. It is
//! given as paths, or worked out from what a resource was and what it shall be.
//!
//! ```
//! use apigateway_grpc::field_mask::Mask;
//! use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
//!
//! let old = Api { display_name: "Old".into(), ..Api::default() };
//! let new = Api { display_name: "New".into(), ..old.clone() };
//! assert_eq!(Mask::between(&old, &new).paths(), ["display_name"]);
//! assert_eq!(Mask::from(["display_name", "labels"]).paths(), ["display_name", "labels"]);
//! ```

use prost::{Message, Name};
use prost_types::FieldMask;

use crate::error::Error;

/// The fields of a resource that an update writes, by their names in the proto.
///
/// `labels.team` is one label, and `*` all fields (AIP-134). What a path leads to has to be a field of the
/// resource; whether it may be written is for the service to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    paths: Vec<String>,
    /// Whether it was worked out from two versions of a resource.
    computed: bool,
}

impl Mask {
    /// The fields in which the two differ, but for those that the server alone sets and `name`.
    ///
    /// Fields that cannot be changed once they are set, such as `managed_service`, are among them: the
    /// service refuses the update rather than that a change is lost unseen. So is what only a full view
    /// shows: compare versions that were read alike.
    #[must_use]
    pub fn between<R: Resource>(old: &R, new: &R) -> Self {
        Self {
            paths: old.changed(new).into_iter().map(str::to_owned).collect(),
            computed: true,
        }
    }

    /// The paths, in the order in which they were given.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Whether there is no path in it: for one from [`between`](Self::between), that nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The mask as a request has it.
    ///
    /// # Errors
    ///
    /// If nothing changed.
    pub(crate) fn into_field_mask(self) -> Result<FieldMask, Error> {
        if self.computed && self.paths.is_empty() {
            return Err(Error::argument(
                "nothing changed: the two versions differ in no field that can be written",
            ));
        }
        Ok(FieldMask { paths: self.paths })
    }
}

impl<P: Into<String>> FromIterator<P> for Mask {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            computed: false,
        }
    }
}

impl<P: Into<String>, const N: usize> From<[P; N]> for Mask {
    fn from(paths: [P; N]) -> Self {
        paths.into_iter().collect()
    }
}

impl From<&[&str]> for Mask {
    fn from(paths: &[&str]) -> Self {
        paths.iter().copied().collect()
    }
}

impl<P: Into<String>> From<Vec<P>> for Mask {
    fn from(paths: Vec<P>) -> Self {
        paths.into_iter().collect()
    }
}

impl From<FieldMask> for Mask {
    fn from(mask: FieldMask) -> Self {
        mask.paths.into()
    }
}

/// A resource that can be updated: an `Api`, an `ApiConfig` or a `Gateway`.
///
/// It is implemented for these, and for nothing else.
pub trait Resource: sealed::Fields + Message + Name {}

mod sealed {
    pub trait Fields {
        /// Its name in the proto, without the package.
        const KIND: &'static str;
        /// All its fields.
        const FIELDS: &'static [&'static str];
        /// Those of them that are maps.
        const MAPS: &'static [&'static str];
        /// Those of them that can be written.
        const WRITTEN: &'static [&'static str];

        /// The fields that can be written and differ.
        fn changed(&self, other: &Self) -> Vec<&'static str>;
    }
}

/// Checks the mask that a request has.
///
/// # Errors
///
/// If there is none, it is empty, or it has a path that the resource does not have.
pub(crate) fn check<R: Resource>(mask: Option<&FieldMask>) -> Result<(), Error> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(Error::argument(
            "there is no path in the mask, and an update writes only what its mask names",
        ));
    }
    let unknown = paths.iter().find(|path| match path.split_once('.') {
        None => *path != "*" && !R::FIELDS.contains(&path.as_str()),
        Some((map, key)) => !R::MAPS.contains(&map) || key.is_empty(),
    });
    match unknown {
        None => Ok(()),
        Some(path) => Err(Error::argument(format!(
            "`{}` in the mask is no field of {}; those to be written are {}",
            path.escape_debug(),
            R::KIND,
            R::WRITTEN.join(", ")
        ))),
    }
}

macro_rules! resource {
    ($resource:ty, $kind:literal, fields $fields:expr, maps $maps:expr, written [$($field:ident),*]) => {
        impl Resource for $resource {}

        impl sealed::Fields for $resource {
            const KIND: &'static str = $kind;
            const FIELDS: &'static [&'static str] = &$fields;
            const MAPS: &'static [&'static str] = &$maps;
            const WRITTEN: &'static [&'static str] = &[$(stringify!($field)),*];

            fn changed(&self, other: &Self) -> Vec<&'static str> {
                let fields = [$((stringify!($field), self.$field != other.$field)),*];
                let changed = fields.into_iter().filter(|(_, differs)| *differs);
                changed.map(|(name, _)| name).collect()
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/resources.rs"));
