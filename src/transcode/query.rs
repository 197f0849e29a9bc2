//! The query of a request: what neither path nor body carries.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value,
};

use super::json;

const TEXT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// `google.api.FieldBehavior.REQUIRED`.
const REQUIRED: i32 = 2;

/// `a=1&b.c=2` for the fields that are set, and for required scalars even if they are default.
///
/// # Errors
///
/// For what has no form in a query: a map, a repeated message.
pub(super) fn query(message: &DynamicMessage, skip: &[&str]) -> Result<String, String> {
    let mut out = String::new();
    fields(message, "", skip, &mut out)?;
    Ok(out)
}

fn fields(
    message: &DynamicMessage,
    prefix: &str,
    skip: &[&str],
    out: &mut String,
) -> Result<(), String> {
    for field in message.descriptor().fields() {
        if prefix.is_empty() && skip.contains(&field.name()) {
            continue;
        }
        let scalar = !field.is_list() && !field.is_map() && field.kind().as_message().is_none();
        let required = prefix.is_empty() && scalar && is_required(&field);
        if message.has_field(&field) || required {
            let name = format!("{prefix}{}", field.json_name());
            write(&name, &field, &message.get_field(&field), out)?;
        }
    }
    Ok(())
}

fn write(
    name: &str,
    field: &FieldDescriptor,
    value: &Value,
    out: &mut String,
) -> Result<(), String> {
    match value {
        Value::Map(_) => Err(format!("`{name}` is a map, which has no form in a query")),
        Value::List(_)
            if field
                .kind()
                .as_message()
                .is_some_and(|message| !json::is_scalar(message)) =>
        {
            Err(format!(
                "`{name}` is a repeated message, which has no form in a query"
            ))
        }
        Value::List(values) => values
            .iter()
            .try_for_each(|value| pair(name, field, value, out)),
        Value::Message(message) if !json::is_scalar(&message.descriptor()) => {
            fields(message, &format!("{name}."), &[], out)
        }
        value => pair(name, field, value, out),
    }
}

fn pair(
    name: &str,
    field: &FieldDescriptor,
    value: &Value,
    out: &mut String,
) -> Result<(), String> {
    let text = text(field, value)?;
    if !out.is_empty() {
        out.push('&');
    }
    out.extend(utf8_percent_encode(name, TEXT));
    out.push('=');
    out.extend(utf8_percent_encode(&text, TEXT));
    Ok(())
}

/// The value in its JSON form, without quotes.
fn text(field: &FieldDescriptor, value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        // Widened first: the shortest text of an f32 is not that of the same f64.
        Value::F32(value) => number(f64::from(*value)),
        Value::F64(value) => number(*value),
        Value::Bytes(bytes) => {
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE, bytes)
        }
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(values) => values
                .get_value(*number)
                .map_or_else(|| number.to_string(), |value| value.name().to_owned()),
            _ => number.to_string(),
        },
        Value::Message(message) => match json::to_json(message)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
        Value::List(_) | Value::Map(_) => {
            return Err(format!("`{}` has no form in a query", field.name()));
        }
    })
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        serde_json::Number::from_f64(value).map_or_else(String::new, |number| number.to_string())
    }
}

fn is_required(field: &FieldDescriptor) -> bool {
    let pool = field.parent_pool();
    let Some(extension) = pool.get_extension_by_name("google.api.field_behavior") else {
        return false;
    };
    debug_assert_eq!(extension.cardinality(), Cardinality::Repeated);
    let options = field.options();
    let behaviours = options.get_extension(&extension);
    behaviours
        .as_list()
        .is_some_and(|list| list.contains(&Value::EnumNumber(REQUIRED)))
}

#[cfg(test)]
mod tests {
    use super::super::descriptor;
    use super::*;

    /// The query of a message in its JSON form.
    fn of(name: &str, json: serde_json::Value) -> Result<String, String> {
        let descriptor = descriptor(name).expect("of the contract");
        query(&json::from_json(descriptor, json).expect(name), &[])
    }

    #[test]
    fn each_kind_of_field_has_its_form() {
        use serde_json::json;
        let option = "google.protobuf.UninterpretedOption";
        let cases = [
            (
                "google.longrunning.ListOperationsRequest",
                json!({"returnPartialSuccess": true, "pageSize": -3, "filter": "a b"}),
                "filter=a%20b&pageSize=-3&returnPartialSuccess=true",
            ),
            (
                "google.iam.v1.TestIamPermissionsRequest",
                json!({"resource": "r", "permissions": ["a", "", "c"]}),
                "resource=r&permissions=a&permissions=&permissions=c",
            ),
            (
                "google.iam.v1.SetIamPolicyRequest",
                json!({"resource": "r", "policy": {"version": 3, "etag": "+/8="}, "updateMask": "aB,c"}),
                "resource=r&policy.version=3&policy.etag=-_8%3D&updateMask=aB%2Cc",
            ),
            (
                "google.longrunning.WaitOperationRequest",
                json!({"timeout": "1.500s"}),
                "timeout=1.500s",
            ),
            (
                "google.cloud.apigateway.v1.OperationMetadata",
                json!({"createTime": "2026-01-02T03:04:05Z"}),
                "createTime=2026-01-02T03%3A04%3A05Z",
            ),
            (
                "google.cloud.apigateway.v1.GetApiConfigRequest",
                json!({"name": "n", "view": "FULL"}),
                "name=n&view=FULL",
            ),
            (
                option,
                json!({"positiveIntValue": u64::MAX}),
                "positiveIntValue=18446744073709551615",
            ),
            (
                option,
                json!({"negativeIntValue": i64::MIN}),
                "negativeIntValue=-9223372036854775808",
            ),
            (option, json!({"doubleValue": 1e300}), "doubleValue=1e%2B300"),
            (
                option,
                json!({"doubleValue": "-Infinity"}),
                "doubleValue=-Infinity",
            ),
            // Presence that is told apart from the default is kept.
            (
                option,
                json!({"doubleValue": 0.0, "positiveIntValue": 0}),
                "positiveIntValue=0&doubleValue=0.0",
            ),
        ];
        for (name, json, expected) in cases {
            let mut pairs: Vec<_> = expected.split('&').collect();
            let query = of(name, json).expect(name);
            let mut found: Vec<_> = query.split('&').collect();
            pairs.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, pairs, "{name}");
        }
    }

    #[test]
    fn repeated_keys_stay_in_order() {
        let permissions = serde_json::json!({"resource": "r", "permissions": ["b", "a", "b"]});
        let query = of("google.iam.v1.TestIamPermissionsRequest", permissions).expect("a query");
        assert_eq!(
            query,
            "resource=r&permissions=b&permissions=a&permissions=b"
        );
    }

    #[test]
    fn maps_and_repeated_messages_are_refused_by_name() {
        let labels = serde_json::json!({"labels": {"a": "b"}});
        let error = of("google.cloud.apigateway.v1.Api", labels).expect_err("a map");
        assert!(error.starts_with("`labels` is a map"), "{error}");
        let bindings = serde_json::json!({"policy": {"bindings": [{"role": "r"}]}});
        let error = of("google.iam.v1.SetIamPolicyRequest", bindings).expect_err("messages");
        assert!(
            error.starts_with("`policy.bindings` is a repeated message"),
            "{error}"
        );
    }

    #[test]
    fn what_is_required_is_written_even_if_it_is_default() {
        let name = "google.cloud.apigateway.v1.CreateGatewayRequest";
        let query = of(name, serde_json::json!({})).expect("a query");
        assert_eq!(query, "parent=&gatewayId=");
    }
}
