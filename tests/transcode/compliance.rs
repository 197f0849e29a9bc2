//! The 53 cases of gapic-showcase's published compliance suite, restated. Each case is a request; together the
//! requests have values of every type, and use rules of every form. Each request is checked on the client side and on the
//! server side against prost-reflect. Then values that need percent-encoding are checked with each of these rules.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::transcode::Rules;
use http_body_util::{BodyExt as _, Full};
use percent_encoding::percent_decode_str;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};
use tower::Service as _;

use crate::client::Client;
use crate::fixture::{GrpcRequest, Server, compile};

const PACKAGE: &str = "apigateway_grpc.test.repeat";
/// The rules without a resource name in the path, which accept any value.
const FREE: [&str; 4] = ["Body", "BodyPut", "BodyPatch", "Query"];

static SET: LazyLock<Vec<u8>> = LazyLock::new(|| compile("repeat.proto"));
static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::builder(&SET).build().expect("the rules are sound"));
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(SET.as_slice()).expect("it is whole"));

/// An HTTP request: its verb, its path, its query and its body.
#[derive(Debug)]
struct Http {
    verb: &'static str,
    path: String,
    /// The values of each name in their order, as text.
    query: BTreeMap<String, Vec<String>>,
    body: Option<Value>,
}

/// A binding of a method: the HTTP verb, the template, and the field that is the body.
struct Binding {
    verb: &'static str,
    template: &'static str,
    body: &'static str,
}

/// Returns the bindings of a method, restated to check the rules that are compiled from the proto.
fn bindings(method: &str) -> Vec<Binding> {
    let (verb, templates, body): (_, &[&str], _) = match method {
        "Body" => ("POST", &["/v1/repeat:body"], "*"),
        "BodyPut" => ("PUT", &["/v1/repeat:bodyput"], "*"),
        "BodyPatch" => ("PATCH", &["/v1/repeat:bodypatch"], "*"),
        "BodyData" => ("POST", &["/v1/repeat:bodydata"], "data"),
        "Query" => ("GET", &["/v1/repeat:query"], ""),
        "Path" => (
            "GET",
            &["/v1/repeat/{data.text}/{data.aInt32}/{data.aDouble}/{data.aBool}/{data.aSize}:path"],
            "",
        ),
        "Resource" => (
            "GET",
            &[
                "/v1/repeat/{data.text=first/*}/{data.part.text=second/*}/bool/{data.aBool}:resource",
                "/v1/repeat/{data.part.text=first/*}/{data.text=second/*}/bool/{data.aBool}:partfirst",
            ],
            "",
        ),
        "Trailing" => (
            "GET",
            &["/v1/repeat/{data.text=first/*}/{data.part.text=second/**}:trailing"],
            "",
        ),
        "Middle" => (
            "GET",
            &["/v1/middle/{data.part.text=second/**}/{data.text}"],
            "",
        ),
        other => panic!("no method {other}"),
    };
    let binding = |template: &&'static str| Binding {
        verb,
        template,
        body,
    };
    templates.iter().map(binding).collect()
}

fn message(json: &Value) -> DynamicMessage {
    let of = POOL.get_message_by_name(&format!("{PACKAGE}.Request"));
    DynamicMessage::deserialize(of.expect("in the set"), json).expect("a valid message")
}

/// Returns the HTTP request that `google/api/http.proto` prescribes, computed without our code. It is the oracle of both
/// sides.
fn expected(binding: &Binding, message: &DynamicMessage) -> Http {
    let mut json = serde_json::to_value(message).expect("it has a JSON form");
    let mut path = String::new();
    for part in binding.template.split_inclusive('}') {
        let (literal, variable) = part.split_once('{').unwrap_or((part, ""));
        path.push_str(literal);
        let Some(variable) = variable.strip_suffix('}') else {
            continue;
        };
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let value = take(&mut json, field).unwrap_or_else(|| zero(field));
        let value = text(&value);
        let segments: Vec<&str> = match pattern {
            "*" => vec![&value],
            _ => value.split('/').collect(),
        };
        let encoded: Vec<String> = segments.into_iter().map(encode).collect();
        path.push_str(&encoded.join("/"));
    }
    let mut query = BTreeMap::new();
    let body = match binding.body {
        "" => None,
        "*" => Some(std::mem::take(&mut json)),
        field => json.as_object_mut().expect("an object").remove(field),
    };
    flatten("", &json, &mut query);
    Http {
        verb: binding.verb,
        path,
        query,
        body,
    }
}

/// Removes the field at a dotted path from a message.
fn take(json: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((outer, rest)) => take(json.get_mut(outer)?, rest),
        None => json.as_object_mut()?.remove(path),
    }
}

/// The value of a field without presence that is not set.
fn zero(field: &str) -> Value {
    match field.rsplit('.').next() {
        Some("aBool") => json!(false),
        Some("aSize") => json!("SIZE_UNSPECIFIED"),
        _ => json!(0),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn flatten(prefix: &str, json: &Value, query: &mut BTreeMap<String, Vec<String>>) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, query);
            }
        }
        Value::Null => {}
        value => query
            .entry(prefix.to_owned())
            .or_default()
            .push(text(value)),
    }
}

/// Returns true if two texts are equal, or equal as numbers.
fn same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    one == other || number(one).is_some_and(|one| Some(one) == number(other))
}

fn assert_path(found: &str, expected: &str) {
    let (found, expected): (Vec<_>, Vec<_>) =
        (found.split('/').collect(), expected.split('/').collect());
    assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
    // A number can be written in several ways. A plus in its exponent is percent-encoded.
    let number = |text: &str| text.replace("%2B", "+");
    for (found, expected) in found.iter().zip(&expected) {
        let same = found == expected || same(&number(found), &number(expected));
        assert!(same, "{found:?} {expected:?}");
    }
}

fn assert_query(found: &str, expected: &BTreeMap<String, Vec<String>>) {
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .expect("UTF-8")
            .into_owned()
    };
    for pair in found.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').expect("a pair");
        pairs.entry(decoded(name)).or_default().push(decoded(value));
    }
    assert!(pairs.keys().eq(expected.keys()), "{pairs:?} {expected:?}");
    for (values, expected) in pairs.values().zip(expected.values()) {
        let one = values.len() == expected.len();
        let all = one
            && values
                .iter()
                .zip(expected)
                .all(|(one, other)| same(one, other));
        assert!(all, "{values:?} {expected:?}");
    }
}

/// Sends a request by our client to our server, and the HTTP request of the oracle directly to our server. Checks that the two
/// HTTP requests are equal, and that the server received the same message both times.
async fn check(method: &str, binding: usize, request: &Value) {
    let message = message(request);
    let shown = format!("{method} {request}");
    let all = bindings(method);
    let http = expected(&all[binding], &message);

    let server = Server::with_empty_response();
    let sent = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&sent);
    let behind = server.behind(RULES.clone());
    let recording = tower::service_fn(move |grpc_request: GrpcRequest| {
        let (seen, mut behind) = (Arc::clone(&seen), behind.clone());
        async move {
            let (head, body) = grpc_request.into_parts();
            let body = body.collect().await.expect("it is whole").to_bytes();
            *seen.lock().expect("no panic") = Some((head.clone(), body.clone()));
            let grpc_request = GrpcRequest::from_parts(head, Body::new(Full::new(body)));
            Ok::<_, Infallible>(
                behind
                    .call(grpc_request)
                    .await
                    .expect("the service is infallible"),
            )
        }
    });
    let mut client = Client::by(RULES.clone(), recording);
    let path = format!("/{PACKAGE}.Repeat/{method}");
    let response = client.call(&path, message.encode_to_vec()).await;
    response.unwrap_or_else(|status| panic!("{shown}: {status}"));

    let (head, body) = sent.lock().expect("no panic").take().expect("it was sent");
    assert_eq!(head.method, http.verb, "{shown}");
    assert_path(head.uri.path(), &http.path);
    assert_query(head.uri.query().unwrap_or_default(), &http.query);
    match &http.body {
        None => assert!(body.is_empty(), "{shown}: {body:?}"),
        Some(expected) => {
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            // Read as a message, since one number has several texts.
            let whole = |data: &Value| match all[binding].body {
                "*" => json_of(&self::message(data)),
                field => json_of(&self::message(&Value::Object(Map::from_iter([(
                    field.to_owned(),
                    data.clone(),
                )])))),
            };
            assert_eq!(whole(&body), whole(expected), "{shown}");
        }
    }
    let message = json_of(&message);
    assert_eq!(received(&server, &path), message, "{shown}: by the client");

    let server = Server::with_empty_response();
    let pairs = http.query.iter().flat_map(|(name, values)| {
        let name = encode(name);
        values
            .iter()
            .map(move |value| format!("{name}={}", encode(value)))
    });
    let pairs: Vec<String> = pairs.collect();
    let request = http::Request::builder()
        .method(http.verb)
        .uri(format!("{}?{}", http.path, pairs.join("&")))
        .body(http.body.map_or_else(String::new, |body| body.to_string()))
        .expect("a request");
    let response = server.respond(RULES.clone(), request).await;
    assert_eq!(response.status, 200, "{shown}: {response:?}");
    assert_eq!(received(&server, &path), message, "{shown}: by the oracle");
}

/// Returns a message as JSON, without default values.
fn json_of(message: &DynamicMessage) -> Value {
    serde_json::to_value(message).expect("it has a JSON form")
}

/// Returns the only request that the server received.
fn received(server: &Server, path: &str) -> Value {
    let received = server.only();
    assert_eq!(received.path, path);
    let of = POOL.get_message_by_name(&format!("{PACKAGE}.Request"));
    let message = DynamicMessage::decode(of.expect("in the set"), received.message);
    json_of(&message.expect("a valid message"))
}

/// Returns values of every type, negative where possible.
fn values() -> Value {
    json!({
        "text": "Hello", "aInt32": -1, "aSint32": -2, "aSfixed32": -3, "aUint32": 5, "aFixed32": 7,
        "aInt64": "-11", "aSint64": "-13", "aSfixed64": "-17", "aUint64": "19", "aFixed64": "23",
        "aDouble": -29e4, "aFloat": -31, "aBool": true, "aSize": "LARGE",
        "part": {"text": "second/bool/salutation"}
    })
}

fn zeros(text: &str) -> Value {
    json!({
        "text": text, "aInt32": 0, "aSint32": 0, "aSfixed32": 0, "aUint32": 0, "aFixed32": 0,
        "aInt64": "0", "aSint64": "0", "aSfixed64": "0", "aUint64": "0", "aFixed64": "0",
        "aDouble": 0, "aFloat": 0, "aBool": false, "aSize": "SIZE_UNSPECIFIED"
    })
}

/// Returns an object with the members of both.
fn with(mut one: Value, other: Value) -> Value {
    let (Value::Object(members), Value::Object(more)) = (&mut one, other) else {
        panic!("both are objects");
    };
    members.extend(more);
    one
}

#[tokio::test]
async fn the_compliance_suite_passes_on_the_client_and_on_the_server_side() {
    let optional = json!({
        "oText": "Goodbye", "oInt32": -37, "oDouble": -41.43, "oBool": true, "oSize": "SMALL"
    });
    let top = json!({
        "aInt32": -10, "aInt64": "-110", "aDouble": -54e4,
        "oInt32": -47, "oInt64": "-477", "oDouble": -61.73
    });
    let text = |text: &str| json!({"label": text, "data": {"text": text}});
    let any = [
        with(
            json!({"label": "every type", "data": with(values(), optional)}),
            top,
        ),
        json!({"label": "no optional field", "data": values()}),
        json!({"label": "zeros", "data": with(zeros("Hello"), json!({
            "oText": "Goodbye", "oInt32": 0, "oDouble": 0, "oBool": false, "oSize": "SIZE_UNSPECIFIED"
        }))}),
        json!({"label": "extremes", "data": {
            "text": "beyond ASCII and print \u{263a} \u{2192} \u{2190} \"\\/\u{8}\u{c}\r\n\t\u{1234}",
            "aInt32": i32::MAX, "aSint32": i32::MAX, "aSfixed32": i32::MAX,
            "aUint32": u32::MAX, "aFixed32": u32::MAX,
            "aInt64": i64::MAX.to_string(), "aSint64": i64::MAX.to_string(),
            "aSfixed64": i64::MAX.to_string(),
            "aUint64": u64::MAX.to_string(), "aFixed64": u64::MAX.to_string(),
            "aDouble": f64::MAX, "aFloat": f32::MAX, "aBool": false,
            "oText": "Goodbye", "oInt32": i32::MAX, "oDouble": f64::MAX, "oBool": false
        }}),
        text("Hello there"),
        text("Hello \"You\""),
        text("Hello 100%"),
    ];
    let slashes = json!({"label": "slashes", "data": {
        "text": "first/hello/second/greetings", "oBool": true, "part": {"text": "second/zzz/bool/true"}
    }});
    let all_zero = json!({"label": "all zero", "data": with(zeros(""), json!({
        "aFixed64": "20", "oText": "", "oInt32": 0, "oDouble": 0, "oBool": false
    }))});
    let resource = |label, text, part| json!({"label": label, "data": {"text": text, "oBool": true, "part": {"text": part}}});
    let (first, second) = ("first/hello", "second/greetings");
    let mut cases = Vec::new();
    for request in any {
        for method in FREE.into_iter().chain(["Path", "BodyData"]) {
            cases.push((method, 0, request.clone()));
        }
    }
    for request in [slashes, all_zero] {
        cases.extend(FREE.map(|method| (method, 0, request.clone())));
    }
    // In the suite, the first of these requests does not say which binding it expects.
    for (label, binding, text, part) in [
        ("no expected binding", 0, first, second),
        ("the first binding", 0, first, second),
        ("the additional binding", 1, second, first),
    ] {
        cases.push(("Resource", binding, resource(label, text, part)));
    }
    assert_eq!(cases.len(), 53);
    for (method, binding, request) in cases {
        Box::pin(check(method, binding, &request)).await;
    }
}

#[tokio::test]
async fn every_value_reaches_the_server_unchanged_by_each_binding() {
    let values = [
        "a\nb",
        "\0",
        "\u{7f}",
        "\u{85}\u{2028}",
        "\r\n",
        " ",
        "+",
        "a b+c",
        "%",
        "%2F",
        "%252f",
        "%zz",
        "100%",
        "?",
        "#",
        "a:b",
        ":",
        "a:path",
        ";",
        "&=",
        "\"",
        "\\",
        "é",
        "\u{1f600}",
        "...",
        ".a",
        "~",
        "*",
        "**",
        "{x}",
        "$",
        "@",
        "!",
    ];
    let mut cases = Vec::new();
    for value in values {
        let data = |text: &str, part: &str| match part {
            "" => json!({"label": value, "data": {"text": text}}),
            part => json!({"label": value, "data": {"text": text, "part": {"text": part}}}),
        };
        for method in FREE.into_iter().chain(["Path", "BodyData"]) {
            for text in [
                value.to_owned(),
                format!("{value}/x"),
                format!("/{value}//"),
            ] {
                cases.push((method, 0, data(&text, "")));
            }
        }
        let (first, second) = (format!("first/{value}"), format!("second/{value}"));
        cases.push(("Resource", 0, data(&first, &second)));
        cases.push(("Resource", 1, data(&second, &first)));
        for part in [
            "second".to_owned(),
            second.clone(),
            format!("{second}/"),
            format!("second//{value}"),
            format!("{second}//{value}//"),
        ] {
            cases.push(("Trailing", 0, data(&first, &part)));
            for text in [value.to_owned(), format!("/{value}")] {
                cases.push(("Middle", 0, data(&text, &part)));
            }
        }
    }
    for (method, binding, request) in cases {
        Box::pin(check(method, binding, &request)).await;
    }
}
