//! The list of recorded calls.

use tonic::{Code, Status};

use crate::call::status_code;
use crate::emulator::api::core::Core;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::faults::received_call::ReceivedCall;
use crate::emulator::messages::convert::{call, fault, full_name, method};
use crate::emulator::messages::{CallView, ListCallsRequest, ListCallsResponse};

/// Lists the recorded calls that match a request.
///
/// # Errors
///
/// INVALID_ARGUMENT with each invalid field.
pub(in crate::emulator) fn list(
    core: &Core,
    request: &ListCallsRequest,
) -> Result<ListCallsResponse, Status> {
    let mut violations = Violations::default();
    let method = match request.method.as_str() {
        "" => None,
        name => violations.take(method("method", name)),
    };
    let code = match request.code.as_str() {
        "" => None,
        code => violations.take(read_code(code)),
    };
    let most = match usize::try_from(request.page_size) {
        Ok(0) => usize::MAX,
        Ok(most) => most,
        Err(_) => {
            violations.add("page_size", "must not be negative");
            0
        }
    };
    let view = CallView::try_from(request.view).ok();
    let view = view.unwrap_or_else(|| {
        violations.add("view", "unknown view");
        CallView::Full
    });
    violations.check()?;
    let text = request.text.to_lowercase();
    let (calls, total) = core.calls.list(request.after, most, |call| {
        method.is_none_or(|method| method == call.method)
            && is_within(&request.resource, &call.name)
            && code.is_none_or(|code| call.code == Some(code))
            && has_text(call, &text)
    });
    let calls = calls.iter().map(|found| call::to_proto(found, view));
    Ok(ListCallsResponse {
        calls: calls.collect(),
        total: i32::try_from(total).unwrap_or(i32::MAX),
    })
}

/// Parses a code by its name or number.
fn read_code(text: &str) -> Result<Code, Status> {
    let mut codes = (0..=16).map(Code::from_i32);
    let found = codes.find(|code| {
        let number = *code as i32;
        status_code::name(*code) == text || number.to_string() == text
    });
    found.ok_or_else(|| {
        let why =
            format!("unknown code `{text}`: must be a name or number, such as NOT_FOUND or 5");
        error::invalid("code", &why)
    })
}

/// Returns true if a name is this resource, or is below it.
fn is_within(resource: &str, name: &str) -> bool {
    let rest = name.strip_prefix(resource);
    resource.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn has_text(call: &ReceivedCall, text: &str) -> bool {
    let has = |place: &str| place.to_lowercase().contains(text);
    text.is_empty()
        || has(&full_name(call.method))
        || has(&call.name)
        || call
            .error
            .as_ref()
            .is_some_and(|error| has(error.message()))
        || call.fault.is_some_and(|number| has(&fault::name(number)))
}
