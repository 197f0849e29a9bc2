//! Sets of rules in which some rules are not served.

use std::sync::{Arc, LazyLock, Mutex};

use apigateway_grpc::tonic::Code;
use apigateway_grpc::transcode::{Rules, Unserved};
use serde_json::json;

use crate::client::Client;
use crate::fixture::{Server, compile, get, send};

const SERVICE: &str = "apigateway_grpc.test.rooms.Rooms";

static SET: LazyLock<Vec<u8>> = LazyLock::new(|| compile("rooms.proto"));
static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::builder(&SET).build().expect("there are rules"));

/// Returns the method that a request calls, or the HTTP status of its refusal.
async fn served(request: http::Request<String>) -> Result<String, u16> {
    let server = Server::with_empty_response();
    let response = server.respond(RULES.clone(), request).await;
    if response.status != 200 {
        return Err(response.status.as_u16());
    }
    let path = server.only().path;
    Ok(path.rsplit('/').next().expect("a path").to_owned())
}

/// Returns the path that the client requests for a message with these fields.
async fn target(method: &str, fields: &[&str; 3]) -> Result<String, Code> {
    let mut client = Client::by(
        RULES.clone(),
        tower::service_fn(|request: crate::fixture::GrpcRequest| async move {
            let status = apigateway_grpc::tonic::Status::aborted(request.uri().path());
            Ok(status.into_http())
        }),
    );
    let mut message = Vec::new();
    for (number, text) in (1_u8..).zip(fields).filter(|(_, text)| !text.is_empty()) {
        message.push(number << 3 | 2);
        message.push(u8::try_from(text.len()).expect("it is short"));
        message.extend_from_slice(text.as_bytes());
    }
    let path = format!("/{SERVICE}/{method}");
    let status = client
        .call(&path, message)
        .await
        .expect_err("it is aborted");
    match status.code() {
        Code::Aborted => Ok(status.message().to_owned()),
        code => Err(code),
    }
}

#[test]
fn each_rule_that_is_not_served_is_reported_with_the_reason_and_the_direction() {
    let found: Vec<_> = RULES
        .unserved()
        .iter()
        .map(|rule| {
            let method = rule.method().strip_prefix(SERVICE).expect("of the service");
            (
                &method[1..],
                rule.pattern(),
                rule.by_client(),
                rule.by_server(),
            )
        })
        .collect();
    let expected = [
        ("Open", "GET /v1/{stream=rooms/*}", false, true),
        ("Hidden", "GET /v1/{name=files/**}/{view}", false, true),
        ("TwoRests", "GET /v1/{name=a/**}/{stream=b/**}", false, true),
        ("AnyVerb", "* /v1/any/{name}", true, false),
        ("Wildcard", "GET /v1/wild/*/{name}", true, false),
        ("Write", "POST /v1/rooms:write", true, true),
        ("Write", "POST /v1/rooms:stream", true, true),
        ("Exclusive", "GET /v1/users/{user}/mails/{mail}", true, true),
    ];
    assert_eq!(found, expected);
    let reasons = [
        "`GET /v1/{name=rooms/*}` of apigateway_grpc.test.rooms.Rooms.Read matches the same requests",
        "`GET /v1/{name=files/**}` of apigateway_grpc.test.rooms.Rooms.Rest matches all paths of this rule",
        "at most one `**`",
        "any HTTP method",
        "wildcard outside a variable",
        "client streaming is not supported",
        "client streaming is not supported",
        "`user` and `mail` are members of one oneof",
    ];
    for (rule, reason) in RULES.unserved().iter().zip(reasons) {
        assert!(rule.reason().contains(reason), "{rule}");
    }
    assert_eq!(
        RULES.unserved()[0].to_string(),
        "apigateway_grpc.test.rooms.Rooms.Open: the rule `GET /v1/{stream=rooms/*}` is not served by the \
         server: `GET /v1/{name=rooms/*}` of apigateway_grpc.test.rooms.Rooms.Read matches the same requests"
    );
    assert_eq!(Rules::api_gateway().unserved(), []);
}

#[tokio::test]
async fn if_two_methods_have_one_path_the_client_serves_both_and_the_server_the_first() {
    assert_eq!(
        target("Read", &["rooms/a", "", ""]).await.as_deref(),
        Ok("/v1/rooms/a")
    );
    assert_eq!(
        target("Open", &["", "rooms/a", ""]).await.as_deref(),
        Ok("/v1/rooms/a")
    );
    assert_eq!(served(get("/v1/rooms/a")).await.as_deref(), Ok("Read"));
    // The other rule of the second method is served.
    assert_eq!(served(get("/v1/rooms/a:open")).await.as_deref(), Ok("Open"));
}

#[tokio::test]
async fn the_rules_of_an_imported_file_come_last_unless_they_are_configured() {
    let set = compile("lobby.proto");
    let of = |path: &'static str, builder: apigateway_grpc::transcode::RulesBuilder<'_>| {
        let rules = builder.build().expect("there are rules");
        let unserved: Vec<_> = rules.unserved().iter().map(Unserved::method).collect();
        let read = unserved.contains(&"apigateway_grpc.test.rooms.Rooms.Read");
        let enter = unserved.contains(&"apigateway_grpc.test.lobby.Lobby.Enter");
        assert_eq!(
            (read, enter),
            (path.contains("Enter"), path.contains("Read"))
        );
        async move {
            let server = Server::with_empty_response();
            let response = server.respond(rules, get("/v1/rooms/a")).await;
            assert_eq!(response.status, 200, "{response:?}");
            assert_eq!(server.only().path, path);
        }
    };
    of(
        "/apigateway_grpc.test.lobby.Lobby/Enter",
        Rules::builder(&set),
    )
    .await;
    let rule = json!({"selector": format!("{SERVICE}.Read"), "get": "/v1/{name=rooms/*}"});
    let config = json!({"http": {"rules": [rule]}}).to_string();
    let configured = Rules::builder(&set).service_config(&config);
    of("/apigateway_grpc.test.rooms.Rooms/Read", configured).await;
}

#[tokio::test]
async fn a_double_wildcard_before_the_end_of_a_template_is_served_in_both_directions() {
    for (name, path) in [
        ("rooms/a/items", "/v1/rooms/a/items/view/v"),
        ("rooms/a/items/b/c", "/v1/rooms/a/items/b/c/view/v"),
        ("rooms/a/items/view/v", "/v1/rooms/a/items/view/v/view/v"),
    ] {
        let found = target("Items", &[name, "", "v"]).await;
        assert_eq!(found.as_deref(), Ok(path));
        let server = Server::with_empty_response();
        let response = server.respond(RULES.clone(), get(path)).await;
        assert_eq!(response.status, 200, "{path}: {response:?}");
        let name_of = format!(
            "{}.Request",
            SERVICE.strip_suffix(".Rooms").expect("a service")
        );
        let message = server.only().message;
        let text = RULES
            .schema()
            .wire_to_json(&name_of, &message, Default::default());
        let text: serde_json::Value = serde_json::from_str(&text.expect("JSON")).expect("JSON");
        assert_eq!(text, json!({"name": name, "view": "v"}));
    }
    assert_eq!(served(get("/v1/rooms/a/items")).await, Err(404));
}

#[tokio::test]
async fn a_rule_that_only_one_direction_can_serve_is_served_in_that_direction() {
    let found = target("TwoRests", &["a/x", "b/y", ""]).await;
    assert_eq!(found.as_deref(), Ok("/v1/a/x/b/y"));
    assert_eq!(served(get("/v1/a/x/b/y")).await, Err(404));
    assert_eq!(
        target("AnyVerb", &["x", "", ""]).await,
        Err(Code::Unimplemented)
    );
    assert_eq!(
        served(send("PURGE", "/v1/any/x", "")).await.as_deref(),
        Ok("AnyVerb")
    );
    assert_eq!(
        target("Wildcard", &["x", "", ""]).await,
        Err(Code::Unimplemented)
    );
    assert_eq!(served(get("/v1/wild/w/x")).await.as_deref(), Ok("Wildcard"));
    assert_eq!(
        target("Write", &["x", "", ""]).await,
        Err(Code::Unimplemented)
    );
    let found = served(send("POST", "/v1/rooms:stream", "{}")).await;
    assert_eq!(found, Err(501));
    let found = served(send("POST", "/v1/rooms:write", "{}")).await;
    assert_eq!(found.as_deref(), Ok("Store"));
    assert_eq!(
        target("Exclusive", &["x", "", ""]).await,
        Err(Code::Unimplemented)
    );
    assert_eq!(served(get("/v1/users/u/mails/m")).await, Err(404));
    assert_eq!(
        target("Unnamed", &["x", "", ""]).await,
        Err(Code::Unimplemented)
    );
    assert_eq!(served(get("/v1/files/a/b")).await.as_deref(), Ok("Rest"));
    assert_eq!(
        served(send("POST", "/v1/files/a/b", "")).await.as_deref(),
        Ok("Hidden")
    );
    let found = target("Hidden", &["files/a", "", "v"]).await;
    assert_eq!(found.as_deref(), Ok("/v1/files/a/v"));
}

/// Builds `Rules` with these rules as the configuration. Returns the rules that are unserved only because of this configuration.
fn configured(rules: &serde_json::Value) -> Vec<Unserved> {
    let config = json!({"http": {"rules": rules}}).to_string();
    let rules = Rules::builder(&SET).service_config(&config).build();
    let base = RULES.unserved();
    let unserved = rules.expect("the others are served").unserved().to_vec();
    unserved
        .into_iter()
        .filter(|rule| !base.contains(rule))
        .collect()
}

#[test]
fn an_invalid_rule_of_a_configuration_does_not_affect_other_rules() {
    let selector = format!("{SERVICE}.Unnamed");
    for (rule, pattern, reason) in [
        (json!({"get": "v1"}), "GET v1", "must begin with `/`"),
        (json!({"get": "/v1/{name"}), "GET /v1/{name", "brace"),
        (
            json!({"get": "/v1/{nam}"}),
            "GET /v1/{nam}",
            "unknown field `nam`",
        ),
        (
            json!({"get": "/v1/{name.x}"}),
            "GET /v1/{name.x}",
            "`name` is not a message",
        ),
        (
            json!({"get": "/v1/{name}/{name}"}),
            "GET /v1/{name}/{name}",
            "bound twice",
        ),
        (
            json!({"post": "/v1/{name}", "body": "x"}),
            "POST /v1/{name}",
            "unknown field `x`",
        ),
        (
            json!({"put": "/v1/{name}", "responseBody": "x"}),
            "PUT /v1/{name}",
            "unknown field `x`",
        ),
        (
            json!({"custom": {"kind": "A B", "path": "/v1"}}),
            "A B /v1",
            "invalid HTTP method `A B`",
        ),
        (json!({"body": "*"}), "", "no HTTP method"),
        (json!({"gett": "/x"}), "", "gett"),
        (json!({"get": 5}), "", "get"),
        (
            json!({"patch": "/v1/x", "additionalBindings": [
                {"patch": "/v1/y", "additionalBindings": [{"patch": "/v1/z"}]}
            ]}),
            "PATCH /v1/z",
            "must not have bindings",
        ),
        (
            json!({"patch": "/v1/x", "additionalBindings": [{"patch": "/v1/x"}]}),
            "PATCH /v1/x",
            "matches the same requests",
        ),
    ] {
        let mut rule = rule;
        rule["selector"] = selector.as_str().into();
        let unserved = configured(&json!([rule.clone(), {"selector": "a.B.C", "get": "/x"}]));
        let (first, last) = (
            unserved.first().expect("one"),
            unserved.last().expect("one"),
        );
        assert_eq!(
            (first.method(), first.pattern()),
            (&*selector, pattern),
            "{rule}"
        );
        assert!(first.reason().contains(reason), "{rule}: {first}");
        assert_eq!((last.method(), last.pattern()), ("a.B.C", "GET /x"));
        assert!(last.reason().contains("no such method"), "{last}");
    }
    let conflicts = [
        ("/v1/{object}", "is a message"),
        ("/v1/{words}", "`words` is repeated"),
        ("/v1/{labels.k}", "`labels` is repeated"),
        ("/v1/{since.seconds}", "google.protobuf.Timestamp"),
        ("/v1/{display_name}/{displayName}", "bound twice"),
        ("/v1/{object.id}/{user}", "members of one oneof"),
        ("/v1/{inner.user}/{inner.mail}", "members of one oneof"),
    ];
    for (template, reason) in conflicts {
        let rule = json!({"selector": format!("{SERVICE}.Raw"), "get": template});
        let unserved = configured(&json!([rule]));
        assert_eq!(unserved.len(), 1, "{template}: {unserved:?}");
        assert!(
            unserved[0].reason().contains(reason),
            "{template}: {}",
            unserved[0]
        );
    }
}

#[test]
fn the_error_of_a_set_without_rules_names_the_missing_annotations() {
    let without = {
        let mut compiler = protox::Compiler::new(["tests/fixtures"]).expect("a folder");
        compiler.open_file("routes.proto").expect("a proto");
        compiler.encode_file_descriptor_set()
    };
    let build = |config: &str| {
        let rules = Rules::builder(&without).service_config(config).build();
        rules.map_err(|error| error.to_string())
    };
    let error = build("{}").expect_err("there is no rule");
    for part in [
        "no method has an HTTP rule",
        "annotation",
        "service configuration",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let astray = json!({"http": {"rules": [{"selector": "a.B.C", "get": "/x"}]}}).to_string();
    let error = build(&astray).expect_err("it selects none");
    assert!(error.contains("a.B.C"), "{error}");
    let selector = "apigateway_grpc.test.calls.Routes.Call";
    let config = json!({"http": {"rules": [{"selector": selector, "get": "/x"}]}}).to_string();
    assert!(build(&config).is_ok());
}

/// The log at level `warn` and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn rules_that_are_not_served_are_logged_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // While the process has a single subscriber, the first thread that reaches an event decides whether the event is enabled.
    // A thread of another test may have no subscriber, and would disable the event for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    tracing::subscriber::with_default(subscriber, || {
        let rules = Rules::builder(&SET).build().expect("there are rules");
        drop(rules.clone());
    });
    let text = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in [
        "WARN",
        "Rules::unserved",
        "count=8",
        "GET /v1/{stream=rooms/*}",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
