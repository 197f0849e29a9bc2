//! Types for resource names (AIP-122). A name is created from its parts or parsed from text.
//!
//! All methods of the client accept names as text, too. A value of one of these types always matches its pattern.
//!
//! ```
//! # fn main() -> Result<(), apigateway_grpc::Error> {
//! use apigateway_grpc::names::{ApiName, GatewayName};
//!
//! let api = ApiName::new("my-project", "hello")?;
//! assert_eq!(api.to_string(), "projects/my-project/locations/global/apis/hello");
//! assert_eq!(api.parent().to_string(), "projects/my-project/locations/global");
//!
//! let gateway: GatewayName = "projects/my-project/locations/us-west1/gateways/g".parse()?;
//! assert_eq!((gateway.location(), gateway.id()), ("us-west1", "g"));
//!
//! let error = "hello".parse::<ApiName>().expect_err("an id is not a name");
//! assert!(error.to_string().ends_with(ApiName::PATTERN));
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

pub(crate) mod pattern;

macro_rules! name {
    (
        $(#[$docs:meta])*
        $name:ident = $pattern:literal by $($part:ident)+ $(, below $parent:ident)?
    ) => {
        $(#[$docs])*
        ///
        #[doc = concat!("Its pattern is `", $pattern, "`. Names are ordered by their text.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("The pattern, `", $pattern, "`.")]
            pub const PATTERN: &'static str = $pattern;

            #[doc = concat!("Creates a name from its parts, by the pattern `", $pattern, "`.")]
            ///
            /// # Errors
            ///
            /// Returns an error if a part is empty, `.` or `..`, or has a `/` or a control character.
            pub fn new($($part: impl AsRef<str>),+) -> Result<Self, Error> {
                let parts = [$((stringify!($part), $part.as_ref())),+];
                Self::try_from(fill_in($pattern, &parts)?)
            }

            $(
                #[doc = concat!("Returns the part `{", stringify!($part), "}`.")]
                #[must_use]
                pub fn $part(&self) -> &str {
                    part(Self::PATTERN, &self.0, concat!("{", stringify!($part), "}"))
                }
            )+

            /// Returns the last part, which is the resource's id.
            #[must_use]
            pub fn id(&self) -> &str {
                self.0.rsplit('/').next().unwrap_or_default()
            }

            $(
                #[doc = concat!("Returns the name of its parent, a [`", stringify!($parent), "`].")]
                #[must_use]
                pub fn parent(&self) -> $parent {
                    $parent(parent_of(&self.0).to_owned())
                }
            )?

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                Self::try_from(name)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(name: &str) -> Result<Self, Error> {
                Self::try_from(name.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(name: String) -> Result<Self, Error> {
                pattern::check_pattern(Self::PATTERN, &name)?;
                Ok(Self(name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl From<&$name> for String {
            fn from(name: &$name) -> Self {
                name.0.clone()
            }
        }
    };
}

name! {
    /// The name of a project.
    ProjectName = "projects/{project}" by project
}

name! {
    /// The name of a location: `global`, a region, or `-` for lists over all locations.
    LocationName = "projects/{project}/locations/{location}" by project location, below ProjectName
}

name! {
    /// The name of an api. All apis are in the location `global`.
    ApiName = "projects/{project}/locations/global/apis/{api}" by project api, below LocationName
}

name! {
    /// The name of a config of an api.
    ApiConfigName = "projects/{project}/locations/global/apis/{api}/configs/{api_config}"
        by project api api_config, below ApiName
}

name! {
    /// The name of a gateway.
    GatewayName = "projects/{project}/locations/{location}/gateways/{gateway}"
        by project location gateway, below LocationName
}

name! {
    /// The name of an operation.
    OperationName = "projects/{project}/locations/{location}/operations/{operation}"
        by project location operation, below LocationName
}

/// Replaces the variables of a pattern by their values.
fn fill_in(pattern: &str, parts: &[(&str, &str)]) -> Result<String, Error> {
    let mut name = String::with_capacity(pattern.len() + 32);
    for segment in pattern.split('/') {
        if !name.is_empty() {
            name.push('/');
        }
        let part = segment
            .strip_prefix('{')
            .and_then(|it| it.strip_suffix('}'));
        let part = parts.iter().find(|(name, _)| Some(*name) == part);
        if let Some((part, value)) = part
            && value.contains('/')
        {
            let shown = value.escape_debug();
            return Err(Error::name(format!(
                "invalid `{part}` `{shown}`: an id must not have a `/`; the name must match {pattern}"
            )));
        }
        name.push_str(part.map_or(segment, |(_, value)| value));
    }
    Ok(name)
}

/// Returns the segment of `name` at the position of the segment `part` in `pattern`.
fn part<'a>(pattern: &str, name: &'a str, part: &str) -> &'a str {
    let mut both = pattern.split('/').zip(name.split('/'));
    let found = both.find(|(segment, _)| *segment == part);
    found.map_or("", |(_, value)| value)
}

/// Returns the name without its last collection and id.
fn parent_of(name: &str) -> &str {
    let mut slashes = name.rmatch_indices('/');
    slashes.nth(1).map_or("", |(end, _)| &name[..end])
}
