//! Writes the query of a request: the fields that are neither in the path nor in the body.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::transcode::json::wire_reader::{WireValue, unpack};
use crate::transcode::json::wire_value::{absent, is_bytes, is_known, is_zero, joined};
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{Cardinality, Field, FieldKind, Message, Shape};

const TEXT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl Writer<'_> {
    /// Writes `a=1&b.c=2` for the fields that are set and not in `skip`, and for required scalars even if they have
    /// their default.
    pub(crate) fn query(
        &mut self,
        message: &Message,
        bytes: &[u8],
        prefix: &str,
        skip: &[u32],
        out: &mut String,
    ) -> Result<()> {
        let found = self.fields(message, bytes)?;
        let mut rest = found.as_slice();
        for (place, field) in message.fields.iter().enumerate() {
            let count = rest.iter().take_while(|(at, _)| *at == place).count();
            let (values, others) = rest.split_at(count);
            rest = others;
            let top = prefix.is_empty();
            // A field with presence is written only if it is set.
            let needed = field.required && top && !field.presence;
            if (values.is_empty() && !needed) || skip.contains(&field.number) {
                continue;
            }
            let name = format!("{prefix}{}", field.json);
            self.pairs(&name, field, values, bytes, top, out)?;
        }
        Ok(())
    }

    /// Writes the query of a message within another.
    pub(crate) fn deeper(
        &mut self,
        message: &Message,
        bytes: &[u8],
        prefix: &str,
        out: &mut String,
    ) -> Result<()> {
        self.open()?;
        self.query(message, bytes, prefix, &[], out)?;
        self.close();
        Ok(())
    }

    /// Returns the fields of a message in the order of their numbers, each with its index.
    pub(crate) fn fields(
        &mut self,
        message: &Message,
        bytes: &[u8],
    ) -> Result<Vec<(usize, WireValue)>> {
        let base = self.found.len();
        let read = self.find(message, bytes);
        let fields = self.found[base..]
            .iter()
            .map(|found| (found.place, found.value))
            .collect();
        self.found.truncate(base);
        read.map(|()| fields)
    }

    /// Returns the values of a repeated field, with packed blocks unpacked.
    pub(crate) fn unpacked(
        &self,
        field: &Field,
        values: &[(usize, WireValue)],
        bytes: &[u8],
    ) -> Result<Vec<WireValue>> {
        let mut out = Vec::with_capacity(values.len());
        for (_, value) in values {
            match *value {
                WireValue::Bytes(from, to) if !is_bytes(field.kind) => {
                    let mut rest = &bytes[from..to];
                    while !rest.is_empty() {
                        let value = unpack(field.kind, &mut rest);
                        let value = value.ok_or("a packed field is truncated")?;
                        if is_known(self.schema, field, value) {
                            out.push(value);
                        }
                    }
                }
                value => out.push(value),
            }
        }
        Ok(out)
    }

    fn pairs(
        &mut self,
        name: &str,
        field: &Field,
        values: &[(usize, WireValue)],
        bytes: &[u8],
        top: bool,
        out: &mut String,
    ) -> Result<()> {
        let form = match field.kind {
            FieldKind::Message(id) => Some(self.schema.message(id)),
            _ => None,
        };
        match (field.repeat, form, values) {
            (Cardinality::Map, _, [_, ..]) => refused(name, "map"),
            (Cardinality::Many { .. }, Some(form), [_, ..]) if !is_text(form.shape) => {
                refused(name, "repeated message")
            }
            (Cardinality::Many { .. }, _, values) => {
                for value in self.unpacked(field, values, bytes)? {
                    self.pair(name, field.kind, value, bytes, out)?;
                }
                Ok(())
            }
            (_, Some(form), [_, ..]) if form.shape == Shape::Object => {
                let whole = joined(values.iter().map(|(_, value)| *value), bytes);
                self.deeper(form, &whole, &format!("{name}."), out)
            }
            (_, Some(form), [_, ..]) if !is_text(form.shape) => refused(name, &form.name),
            (_, Some(_), [_, _, ..]) => {
                let whole = joined(values.iter().map(|(_, value)| *value), bytes);
                let value = WireValue::Bytes(0, whole.len());
                self.pair(name, field.kind, value, &whole, out)
            }
            (_, _, [.., (_, last)]) if field.presence || field.required || !is_zero(*last) => {
                self.pair(name, field.kind, *last, bytes, out)
            }
            (Cardinality::Once, None, _) if field.required && top => {
                let zero = absent(self.schema, field.kind);
                self.pair(name, field.kind, zero, bytes, out)
            }
            _ => Ok(()),
        }
    }

    fn pair(
        &mut self,
        name: &str,
        kind: FieldKind,
        value: WireValue,
        bytes: &[u8],
        out: &mut String,
    ) -> Result<()> {
        let value = self.plain(kind, value, bytes)?;
        if !out.is_empty() {
            out.push('&');
        }
        out.extend(utf8_percent_encode(name, TEXT));
        out.push('=');
        out.extend(utf8_percent_encode(&value, TEXT));
        Ok(())
    }
}

fn refused(name: &str, what: &str) -> Result<()> {
    Err(format!("`{name}` is a {what}, which cannot be in a query"))
}

/// Returns whether the JSON form is a string or a number.
fn is_text(shape: Shape) -> bool {
    matches!(
        shape,
        Shape::Timestamp | Shape::Duration | Shape::FieldMask | Shape::Wrapper
    )
}

#[cfg(test)]
mod tests {
    use crate::transcode::SCHEMA;
    use crate::transcode::json::{JsonOptions, plain, query, read};

    /// The query of a message in its JSON form.
    #[expect(clippy::needless_pass_by_value, reason = "reads better in a table")]
    fn of(name: &str, json: serde_json::Value) -> Result<String, String> {
        let id = SCHEMA.find(name).expect("of the contract");
        let bytes = read(
            &SCHEMA,
            id,
            json.to_string().as_bytes(),
            JsonOptions::default(),
        )?;
        query(&SCHEMA, id, &bytes, &[])
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
            (option, json!({"doubleValue": 1e300}), "doubleValue=1e300"),
            (
                option,
                json!({"doubleValue": "-Infinity"}),
                "doubleValue=-Infinity",
            ),
            // A field with presence is written even if it has its default.
            (
                option,
                json!({"doubleValue": 0.0, "positiveIntValue": 0}),
                "positiveIntValue=0&doubleValue=0",
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
    fn fields_that_are_skipped_are_not_written_but_must_be_well_formed() {
        let id = SCHEMA.find("google.longrunning.GetOperationRequest");
        let id = id.expect("of the contract");
        let output = |bytes: &[u8]| query(&SCHEMA, id, bytes, &[1]);
        assert_eq!(output(b"").as_deref(), Ok(""));
        assert_eq!(output(b"\x0a\x01a\x18\x05").as_deref(), Ok(""));
        assert!(output(b"\x0a\x01a\x12\x05").is_err());
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
    fn the_pieces_of_a_message_are_merged() {
        let id = SCHEMA.find("google.longrunning.WaitOperationRequest");
        let id = id.expect("of the contract");
        // A second, then a billionth of one.
        let bytes = b"\x12\x02\x08\x01\x12\x02\x10\x01";
        let output = query(&SCHEMA, id, bytes, &[]);
        assert_eq!(output.as_deref(), Ok("timeout=1.000000001s"));
        let (timeout, _) = SCHEMA
            .message(id)
            .field_named("timeout")
            .expect("it has one");
        let output = plain(&SCHEMA, id, timeout, bytes);
        assert_eq!(output, Ok(Some("1.000000001s".to_owned())));
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
    fn a_required_field_is_written_even_if_it_has_its_default() {
        let name = "google.cloud.apigateway.v1.CreateGatewayRequest";
        let query = of(name, serde_json::json!({})).expect("a query");
        assert_eq!(query, "parent=&gatewayId=");
    }
}
