//! Projects and locations.

use tonic::Status;

use crate::emulator::error;
use crate::emulator::error::violations::{is_project_id, shortened};

/// The regions in which API Gateway offers gateways, and their codes in hostnames.
pub(crate) const REGIONS: [(&str, &str); 10] = [
    ("asia-northeast1", "an"),
    ("australia-southeast1", "ts"),
    ("europe-west1", "ew"),
    ("europe-west2", "nw"),
    ("us-central1", "uc"),
    ("us-east1", "ue"),
    ("us-east4", "uk"),
    ("us-west2", "wl"),
    ("us-west3", "wm"),
    ("us-west4", "wn"),
];

/// The ids of all locations: `global`, and the regions in which API Gateway offers gateways.
pub const LOCATIONS: [&str; 11] = {
    let mut locations = ["global"; 11];
    let mut index = 0;
    while index < REGIONS.len() {
        locations[index + 1] = REGIONS[index].0;
        index += 1;
    }
    locations
};

/// The kind of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocationKind {
    Global,
    Region,
    /// `-`, which lists accept for all locations.
    All,
}

impl LocationKind {
    /// Parses the name `projects/*/locations/*` of a request field.
    pub(crate) fn parse(field: &str, name: &str, is_list: bool) -> Result<Self, Status> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["projects", project, "locations", location] if is_project_id(project) => {
                match location {
                    "global" => Ok(Self::Global),
                    "-" if is_list => Ok(Self::All),
                    _ if REGIONS.iter().any(|(region, _)| *region == location) => Ok(Self::Region),
                    _ => Err(error::unknown_location(name, &LOCATIONS)),
                }
            }
            _ => {
                let form = "projects/{project}/locations/{location}";
                let why = match name {
                    "" => format!("must be set: {form}"),
                    _ => format!("must be {form}, not `{}`", shortened(name)),
                };
                Err(error::invalid(field, &why))
            }
        }
    }
}

/// Returns the project of a name.
pub(crate) fn project(name: &str) -> &str {
    name.split('/').nth(1).unwrap_or_default()
}

/// Returns the code that hostnames use for the region of a resource name.
pub(crate) fn region_code(name: &str) -> &'static str {
    let region = name.split('/').nth(3).unwrap_or_default();
    let found = REGIONS.iter().find(|(known, _)| *known == region);
    found.map_or("", |(_, code)| code)
}
