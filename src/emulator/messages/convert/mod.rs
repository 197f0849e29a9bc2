//! Conversions from and to the messages.

pub(in crate::emulator) mod call;
pub(in crate::emulator) mod clock;
pub(in crate::emulator) mod fault;
pub(in crate::emulator) mod operation;
pub(in crate::emulator) mod plan;
pub(in crate::emulator) mod resource;

use tonic::Status;

use crate::config_check::shape::nearest;
use crate::contract::Method;
use crate::emulator::error;
use crate::emulator::error::violations::shortened;

/// Finds a method by its name, `GetOperation`, or its full name, `google.longrunning.Operations.GetOperation`.
pub(in crate::emulator) fn method(field: &str, name: &str) -> Result<&'static Method, Status> {
    let mut all = Method::all().iter();
    let found = all.find(|method| method.name == name || full_name(method) == name);
    found.ok_or_else(|| error::invalid(field, &unknown_method(name)))
}

/// Returns the error text for an unknown method, with the names that were probably meant.
fn unknown_method(name: &str) -> String {
    if name.is_empty() {
        return "must be set to a method, such as `GetApi`".to_owned();
    }
    let shown = shortened(name);
    let own = name.rsplit('.').next().unwrap_or_default();
    let all = || Method::all().iter().map(|method| method.name());
    if let Some(near) = nearest(own, all()) {
        return format!("unknown method `{shown}`: did you mean `{near}`?");
    }
    let verb = |name: &str| {
        let end = name
            .char_indices()
            .skip(1)
            .find(|(_, char)| char.is_uppercase());
        name[..end.map_or(name.len(), |(at, _)| at)].to_owned()
    };
    let same: Vec<_> = all().filter(|known| verb(known) == verb(own)).collect();
    match same[..] {
        [] => format!(
            "unknown method `{shown}`: must be a method of the API, such as `GetApi` or `CreateGateway`"
        ),
        _ => format!(
            "unknown method `{shown}`: must be one of {}",
            same.join(", ")
        ),
    }
}

pub(in crate::emulator) fn full_name(method: &Method) -> String {
    format!("{}.{}", method.service, method.name)
}

/// Returns the type URL of a message in an `Any`.
pub(in crate::emulator) fn type_url(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
