//! Conversions from and to the messages.

pub(in crate::emulator) mod call;
pub(in crate::emulator) mod clock;
pub(in crate::emulator) mod fault;
pub(in crate::emulator) mod operation;
pub(in crate::emulator) mod plan;
pub(in crate::emulator) mod resource;

use tonic::Status;

use crate::contract::Method;
use crate::emulator::error;

/// Finds a method by its name, `GetOperation`, or its full name, `google.longrunning.Operations.GetOperation`.
pub(in crate::emulator) fn method(field: &str, name: &str) -> Result<&'static Method, Status> {
    let mut all = Method::all().iter();
    let found = all.find(|method| method.name == name || full_name(method) == name);
    found.ok_or_else(|| error::invalid(field, &format!("unknown method `{name}`")))
}

pub(in crate::emulator) fn full_name(method: &Method) -> String {
    format!("{}.{}", method.service, method.name)
}

/// Returns the type URL of a message in an `Any`.
pub(in crate::emulator) fn type_url(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
