//! The calls to which a fault can apply, by their method and the names in their requests.

use crate::contract::Method;
use crate::emulator::error::violations::shortened;
use crate::names::OperationName;
use crate::names::pattern::{check_pattern, either, pattern};

/// Number of segments of `projects/*/locations/*`. The name of a resource or operation has more.
const LOCATION_SEGMENTS: usize = 4;

/// Checks that a name can occur in the requests of a method.
///
/// # Errors
///
/// If the name does not match a pattern of the method. The error has the name and the patterns.
pub(super) fn check_name(method: &Method, name: &str) -> Result<(), String> {
    let patterns = patterns(method);
    if patterns
        .iter()
        .any(|pattern| check_pattern(pattern, name).is_ok())
    {
        return Ok(());
    }
    Err(format!(
        "must be {} for {}, not `{}`",
        either(&patterns),
        method.name,
        shortened(name)
    ))
}

/// Returns true if a method reads resources or operations. Only these have a previous state, which a stale read can return.
pub(super) fn reads_state(method: &Method) -> bool {
    let reads = ["Get", "List"]
        .iter()
        .any(|verb| method.name.starts_with(verb));
    let own = [Method::GET_API, Method::GET_OPERATION].iter();
    reads
        && own
            .map(|method| method.service())
            .any(|service| service == method.service)
}

/// Returns true if requests of a method name a resource or operation that must exist: the resource or operation to read or
/// change, or the parent of a list.
pub(super) fn names_existing(method: &Method) -> bool {
    let is_below_location = |pattern: &String| pattern.split('/').count() > LOCATION_SEGMENTS;
    !method.name.starts_with("Create") && patterns(method).iter().any(is_below_location)
}

/// Returns the patterns of the names in requests of a method. For a create they are those of the parent and of the new
/// resource.
fn patterns(method: &Method) -> Vec<String> {
    let mut patterns = Vec::new();
    for rule in method.http() {
        let Some(variable) = variable(rule.template()) else {
            continue;
        };
        let mut segments: Vec<&str> = variable.split('/').collect();
        patterns.push(pattern(&segments));
        if method.name.starts_with("Create") {
            let collection = rule.template.rsplit('/').next().unwrap_or_default();
            segments.extend([collection, "*"]);
            patterns.push(pattern(&segments));
        }
    }
    // WaitOperation has no HTTP rule.
    if method.http.is_empty() {
        patterns.push(OperationName::PATTERN.to_owned());
    }
    patterns
}

/// Returns the pattern of the variable in a path template, `projects/*/locations/*` for
/// `/v1/{parent=projects/*/locations/*}/apis`.
fn variable(template: &str) -> Option<&str> {
    let (_, rest) = template.split_once('{')?;
    let (variable, _) = rest.split_once('}')?;
    let (_, pattern) = variable.split_once('=')?;
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_pattern_of_names() {
        for method in Method::all() {
            assert!(!patterns(method).is_empty(), "{}", method.name);
        }
        let location = "projects/{project}/locations/{location}";
        for (method, expected) in [
            (
                Method::LIST_LOCATIONS,
                vec!["projects/{project}".to_owned()],
            ),
            (
                Method::WAIT_OPERATION,
                vec![format!("{location}/operations/{{operation}}")],
            ),
            (
                Method::CREATE_API_CONFIG,
                vec![
                    format!("{location}/apis/{{api}}"),
                    format!("{location}/apis/{{api}}/configs/{{config}}"),
                ],
            ),
            (
                Method::UPDATE_GATEWAY,
                vec![format!("{location}/gateways/{{gateway}}")],
            ),
        ] {
            assert_eq!(patterns(method), expected, "{}", method.name);
        }
    }

    #[test]
    fn requests_name_an_existing_resource_except_for_creates_and_methods_of_a_project_or_location()
    {
        let names = |word: &str| {
            let all = Method::all().iter().filter(|method| names_existing(method));
            let mut names = all.map(Method::name);
            names.any(|name| name == word)
        };
        for word in [
            "GetApi",
            "DeleteGateway",
            "WaitOperation",
            "ListApiConfigs",
            "GetIamPolicy",
        ] {
            assert!(names(word), "{word}");
        }
        for word in [
            "CreateApi",
            "ListApis",
            "ListOperations",
            "GetLocation",
            "ListLocations",
        ] {
            assert!(!names(word), "{word}");
        }
    }
}
