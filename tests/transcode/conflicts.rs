//! Path, query and body must not set one field twice, or two members of one oneof.

use std::sync::LazyLock;

use apigateway_grpc::tonic::Code;
use apigateway_grpc::transcode::{JsonOptions, Rules};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fixture::{Server, compile, send};

const PACKAGE: &str = "apigateway_grpc.test.rooms";

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let set = compile("rooms.proto");
    Rules::builder(&set).build().expect("there are rules")
});

async fn forwarded(verb: &str, target: &str, body: &str) -> Value {
    let server = Server::with_empty_response();
    let response = server
        .respond(RULES.clone(), send(verb, target, body))
        .await;
    assert_eq!(response.status, 200, "{verb} {target} {body}: {response:?}");
    let message = server.only().message;
    let name = format!("{PACKAGE}.Conflicts");
    let schema = RULES.schema();
    let text = schema.wire_to_json(&name, &message, JsonOptions::default());
    serde_json::from_str(&text.expect("it has a JSON form")).expect("it is JSON")
}

/// Checks that a request is refused and that the message has all of these texts.
async fn refused(verb: &str, target: &str, body: &str, names: &[&str]) {
    let server = Server::with_empty_response();
    let response = server
        .respond(RULES.clone(), send(verb, target, body))
        .await;
    assert!(server.received().is_empty(), "{verb} {target} {body}");
    let message = response.error(400, "INVALID_ARGUMENT");
    for name in names {
        assert!(message.contains(name), "{verb} {target} {body}: {message}");
    }
}

#[tokio::test]
async fn a_field_in_query_and_body_is_refused_with_its_name() {
    let twice = |name| [name, "set twice", "query", "body"];
    for (query, body, name) in [
        ("number=2", r#"{"number": 1}"#, "`number`"),
        ("number=1", r#"{"number": 1}"#, "`number`"),
        ("number=0", r#"{"number": 1}"#, "`number`"),
        ("words=a", r#"{"words": ["b"]}"#, "`words`"),
        (
            "since=2026-01-02T03:04:05Z",
            r#"{"since": "2026-01-02T03:04:05Z"}"#,
            "`since`",
        ),
        ("note=", r#"{"note": ""}"#, "`note`"),
        ("display_name=a", r#"{"displayName": "a"}"#, "`displayName`"),
        ("displayName=a", r#"{"display_name": "a"}"#, "`displayName`"),
        (
            "inner.deeper.name=a",
            r#"{"inner": {"deeper": {"name": "a"}}}"#,
            "`inner.deeper.name`",
        ),
        ("output=a", r#"{"output": "b"}"#, "`output`"),
    ] {
        refused("POST", &format!("/v1/whole?{query}"), body, &twice(name)).await;
    }
    let names = ["`object.size`", "`object`", "query", "body"];
    refused("POST", "/v1/part?object.size=1", r#"{"id": "a"}"#, &names).await;
    refused("POST", "/v1/part?object.size=1", "", &names).await;
    refused(
        "POST",
        "/v1/part?object=1",
        "",
        &["`object`", "query", "body"],
    )
    .await;
}

#[tokio::test]
async fn a_field_in_path_and_query_is_refused_with_its_name() {
    for (verb, target) in [
        ("GET", "/v1/users/u?user=u"),
        ("POST", "/v1/users/u?user=u"),
    ] {
        refused(verb, target, "", &["`user`", "set twice", "path", "query"]).await;
    }
    let names = ["`inner.user`", "set twice", "path", "query"];
    refused("GET", "/v1/inner/u?inner.user=u", "", &names).await;
    let target = "/v1/objects/o?object.id=objects/o";
    refused("PATCH", target, "", &["`object.id`", "path", "query"]).await;
}

#[tokio::test]
async fn a_body_may_repeat_a_field_of_the_path_and_not_change_it() {
    let body = r#"{"number": 7, "weight": 0, "inner": {"name": "n", "user": "a b"}}"#;
    let target = "/v1/numbers/7/n/a%20b";
    let expected = json!({"number": 7, "inner": {"name": "n", "user": "a b"}});
    assert_eq!(forwarded("POST", target, body).await, expected);
    assert_eq!(forwarded("POST", target, "{}").await, expected);
    for (body, name) in [
        (r#"{"number": 8}"#, "`number`"),
        (r#"{"inner": {"name": "N"}}"#, "`inner.name`"),
        (r#"{"inner": {"user": ""}}"#, "`inner.user`"),
    ] {
        refused("POST", target, body, &[name, "set twice", "path", "body"]).await;
    }
    // Clients send the whole resource as the body of a PATCH.
    let found = forwarded(
        "PATCH",
        "/v1/objects/a/b",
        r#"{"id": "objects/a/b", "size": 3}"#,
    )
    .await;
    assert_eq!(found, json!({"object": {"id": "objects/a/b", "size": 3}}));
    let names = ["`object.id`", "path", "body"];
    refused("PATCH", "/v1/objects/a", r#"{"id": "objects/b"}"#, &names).await;
    // A field without presence that is zero is not set.
    let found = forwarded("POST", "/v1/numbers/7/n/u", r#"{"number": 0}"#).await;
    assert_eq!(found["number"], 7);
}

#[tokio::test]
async fn the_path_sets_an_output_only_field_whatever_the_body_has() {
    let found = forwarded("POST", "/v1/outputs/of-path", r#"{"output": "of-body"}"#).await;
    assert_eq!(found, json!({"output": "of-path"}));
}

#[tokio::test]
async fn members_of_one_oneof_from_two_places_are_refused_with_both_names() {
    let both = |one, by, other, other_by| [one, by, other, other_by, "oneof"];
    for (verb, target, body, names) in [
        (
            "POST",
            "/v1/part?user=x",
            r#"{"id": "1"}"#,
            both("`user`", "query", "`object`", "body"),
        ),
        (
            "POST",
            "/v1/users/u",
            r#"{"mail": "m"}"#,
            both("`user`", "path", "`mail`", "body"),
        ),
        (
            "POST",
            "/v1/users/u",
            r#"{"object": {}}"#,
            both("`user`", "path", "`object`", "body"),
        ),
        (
            "GET",
            "/v1/users/u?count=5",
            "",
            both("`user`", "path", "`count`", "query"),
        ),
        (
            "GET",
            "/v1/users/u?object.id=5",
            "",
            both("`user`", "path", "`object.id`", "query"),
        ),
        (
            "POST",
            "/v1/whole?object.id=5",
            r#"{"count": 0}"#,
            both("`object.id`", "query", "`count`", "body"),
        ),
        (
            "POST",
            "/v1/raw?user=x",
            "bytes",
            both("`user`", "query", "`raw`", "body"),
        ),
        (
            "GET",
            "/v1/inner/u?inner.mail=m",
            "",
            both("`inner.user`", "path", "`inner.mail`", "query"),
        ),
        (
            "POST",
            "/v1/whole?inner.deeper.mail=m",
            r#"{"inner": {"deeper": {"user": "u"}}}"#,
            both(
                "`inner.deeper.mail`",
                "query",
                "`inner.deeper.user`",
                "body",
            ),
        ),
        (
            "POST",
            "/v1/numbers/1/n/u",
            r#"{"inner": {"mail": "m"}}"#,
            both("`inner.user`", "path", "`inner.mail`", "body"),
        ),
        (
            "POST",
            "/v1/whole?user=u&count=1",
            "",
            both("`user`", "query", "`count`", "query"),
        ),
    ] {
        refused(verb, target, body, &names).await;
    }
}

#[tokio::test]
async fn fields_without_conflicts_come_from_path_query_and_body() {
    let body = r#"{"words": ["a"], "inner": {"name": "n"}, "labels": {"k": "v"}, "mail": null}"#;
    let found = forwarded(
        "POST",
        "/v1/users/u?number=2&inner.user=v&inner.deeper.mail=m",
        body,
    )
    .await;
    let inner = json!({"name": "n", "user": "v", "deeper": {"mail": "m"}});
    let expected =
        json!({"user": "u", "number": 2, "words": ["a"], "inner": inner, "labels": {"k": "v"}});
    assert_eq!(found, expected);
    // The oneof of a nested message is another oneof.
    let found = forwarded("GET", "/v1/users/u?inner.mail=m&inner.deeper.user=v", "").await;
    let inner = json!({"mail": "m", "deeper": {"user": "v"}});
    assert_eq!(found, json!({"user": "u", "inner": inner}));
    // Two fields of the same member do not conflict.
    let found = forwarded(
        "POST",
        "/v1/whole?object.id=a&object.size=1",
        r#"{"object": {}}"#,
    )
    .await;
    assert_eq!(found, json!({"object": {"id": "a", "size": 1}}));
    // The body is a member of the oneof. An empty body sets no member.
    assert_eq!(
        forwarded("POST", "/v1/part?user=x", "").await,
        json!({"user": "x"})
    );
    assert_eq!(
        forwarded("POST", "/v1/part", "{}").await,
        json!({"object": {}})
    );
}

/// Sends a message by the client, and returns the message that the server side reads from the HTTP request.
async fn again(message: Vec<u8>) -> Result<Value, Code> {
    let server = Server::with_empty_response();
    let mut client = Client::by(RULES.clone(), server.behind(RULES.clone()));
    let sent = client
        .call(&format!("/{PACKAGE}.Rooms/Part"), message)
        .await;
    sent.map_err(|status| status.code())?;
    let schema = RULES.schema();
    let name = format!("{PACKAGE}.Conflicts");
    let text = schema.wire_to_json(&name, &server.only().message, JsonOptions::default());
    Ok(serde_json::from_str(&text.expect("it has a JSON form")).expect("it is JSON"))
}

#[tokio::test]
async fn the_client_sends_the_member_of_a_oneof_that_was_set_last_and_no_other() {
    let member = |json: Value| {
        let name = format!("{PACKAGE}.Conflicts");
        let text = json.to_string();
        let wire = RULES
            .schema()
            .json_to_wire(&name, text.as_bytes(), JsonOptions::default());
        wire.expect("a valid message")
    };
    let user = member(json!({"user": "u"}));
    let object = member(json!({"object": {"id": "objects/o"}}));
    let count = member(json!({"count": 3}));
    for (first, then, expected) in [
        (&user, &object, json!({"object": {"id": "objects/o"}})),
        (&object, &user, json!({"user": "u"})),
        (&user, &count, json!({"count": 3})),
        (&object, &count, json!({"count": 3})),
    ] {
        assert_eq!(again([first.as_slice(), then].concat()).await, Ok(expected));
    }
}
