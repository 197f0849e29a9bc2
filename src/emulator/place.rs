//! Projects and locations.

use tonic::Status;

use super::refusal;

/// The regions that have gateways, and how hostnames write them.
pub(super) const REGIONS: [(&str, &str); 10] = [
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

/// The ids of the locations that there are: `global`, and the regions that have gateways.
pub const LOCATIONS: [&str; 11] = {
    let mut locations = ["global"; 11];
    let mut index = 0;
    while index < REGIONS.len() {
        locations[index + 1] = REGIONS[index].0;
        index += 1;
    }
    locations
};

/// What a location is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Global,
    Region,
    /// `-`, for lists.
    All,
}

impl Place {
    /// The place of `projects/*/locations/*`, which a request has in a field.
    pub(super) fn of(field: &str, name: &str, listed: bool) -> Result<Self, Status> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["projects", project, "locations", location] if is_project(project) => match location {
                "global" => Ok(Self::Global),
                "-" if listed => Ok(Self::All),
                _ if REGIONS.iter().any(|(region, _)| *region == location) => Ok(Self::Region),
                _ => Err(refusal::unknown_location(name, &LOCATIONS)),
            },
            _ => Err(refusal::invalid(
                field,
                "must be projects/{project}/locations/{location}",
            )),
        }
    }
}

/// Whether a project can have this id or number: any such project exists. Ids of a domain's projects have
/// dots and a colon.
pub(super) fn is_project(id: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':');
    matches!(id.len(), 1..=63)
        && id.bytes().all(fits)
        && id.starts_with(|char: char| char.is_ascii_alphanumeric())
}

/// The project of a name.
pub(super) fn project(name: &str) -> &str {
    name.split('/').nth(1).unwrap_or_default()
}

/// How the region of a name is written in hostnames.
pub(super) fn region_code(name: &str) -> &'static str {
    let region = name.split('/').nth(3).unwrap_or_default();
    let found = REGIONS.iter().find(|(known, _)| *known == region);
    found.map_or("", |(_, code)| code)
}
