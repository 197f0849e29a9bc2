//! The fields that an update writes.
//!
//! An update always has a mask: without one, the service would erase every field that the message does not set. A mask is a
//! list of paths, or the difference of two versions of a resource.
//!
//! ```
//! use apigateway_grpc::field_mask::UpdateMask;
//! use apigateway_grpc::model::Api;
//!
//! let old = Api { display_name: "Old".into(), ..Api::default() };
//! let new = Api { display_name: "New".into(), ..old.clone() };
//! assert_eq!(UpdateMask::between(&old, &new).paths(), ["display_name"]);
//! assert_eq!(UpdateMask::from(["display_name", "labels"]).paths(), ["display_name", "labels"]);
//! ```

use prost::{Message, Name};
use prost_types::FieldMask;

use crate::error::Error;

/// The fields of a resource that an update writes, by their names in the proto.
///
/// `labels.team` is one label, and `*` is all fields (AIP-134). Each path must be a field of the resource. The service, not
/// this client, checks that the field can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMask {
    paths: Vec<String>,
    /// True if the mask is the difference of two versions of a resource.
    computed: bool,
}

impl UpdateMask {
    /// Returns the fields in which the two versions differ, except `name` and the fields that only the server sets.
    ///
    /// Immutable fields such as `managed_service` are included, so that the service rejects the update instead of ignoring a
    /// change. Fields that only a full view returns are included too: compare versions that were read with the same view.
    #[must_use]
    pub fn between<R: Resource>(old: &R, new: &R) -> Self {
        Self {
            paths: old.changed(new).into_iter().map(str::to_owned).collect(),
            computed: true,
        }
    }

    /// Returns the paths, in the order in which they were set.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Returns true if there is no path. A mask from [`between`](Self::between) is empty if nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Returns the mask for a request.
    ///
    /// # Errors
    ///
    /// Returns an error if the mask is the difference of two versions and nothing changed.
    pub(crate) fn into_field_mask(self) -> Result<FieldMask, Error> {
        if self.computed && self.paths.is_empty() {
            return Err(Error::argument(
                "nothing changed: no writable field differs between the two versions",
            ));
        }
        Ok(FieldMask { paths: self.paths })
    }
}

impl<P: Into<String>> FromIterator<P> for UpdateMask {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        Self {
            paths: paths.into_iter().map(Into::into).collect(),
            computed: false,
        }
    }
}

impl<P: Into<String>, const N: usize> From<[P; N]> for UpdateMask {
    fn from(paths: [P; N]) -> Self {
        paths.into_iter().collect()
    }
}

impl From<&[&str]> for UpdateMask {
    fn from(paths: &[&str]) -> Self {
        paths.iter().copied().collect()
    }
}

impl<P: Into<String>> From<Vec<P>> for UpdateMask {
    fn from(paths: Vec<P>) -> Self {
        paths.into_iter().collect()
    }
}

impl From<FieldMask> for UpdateMask {
    fn from(mask: FieldMask) -> Self {
        mask.paths.into()
    }
}

/// A resource that can be updated. Implemented by `Api`, `ApiConfig` and `Gateway`.
pub trait Resource: sealed::Fields + Message + Name {}

mod sealed {
    pub trait Fields {
        /// The name of the message, without the package.
        const KIND: &'static str;
        /// All fields.
        const FIELDS: &'static [&'static str];
        /// The fields that are maps.
        const MAPS: &'static [&'static str];
        /// The fields that a client can set, without `name`. An update cannot change the immutable ones.
        const WRITTEN: &'static [&'static str];

        /// Returns the fields of [`WRITTEN`](Self::WRITTEN) that differ.
        fn changed(&self, other: &Self) -> Vec<&'static str>;
    }
}

/// Checks the mask of a request.
///
/// # Errors
///
/// Returns an error if the mask is missing or empty, or has a path that is not a field of the resource.
pub(crate) fn check<R: Resource>(mask: Option<&FieldMask>) -> Result<(), Error> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(Error::argument("invalid `update_mask`: must not be empty"));
    }
    let unknown = paths.iter().find(|path| match path.split_once('.') {
        None => *path != "*" && !R::FIELDS.contains(&path.as_str()),
        Some((map, key)) => !R::MAPS.contains(&map) || key.is_empty(),
    });
    match unknown {
        None => Ok(()),
        Some(path) => Err(Error::argument(format!(
            "invalid path `{}` in `update_mask`: must be a field of {}; the fields that a client can set are {}",
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
