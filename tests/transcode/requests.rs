//! HTTP requests, as the server behind the layer receives them.

use serde_json::{Value, json};

use crate::fixture::{Server, get, json as read, rules, send};

/// Returns the method and the JSON of the request that the server received.
async fn forwarded(request: http::Request<String>, message: &str) -> (String, Value) {
    let server = Server::with_empty_response();
    let response = server.respond(rules(), request).await;
    assert_eq!(response.status, 200, "{response:?}");
    let received = server.only();
    let method = received.path.rsplit('/').next().expect("a path").to_owned();
    (method, read(message, &received.message))
}

async fn refused(request: http::Request<String>) -> String {
    let server = Server::with_empty_response();
    let response = server.respond(rules(), request).await;
    assert!(server.received().is_empty(), "{:?}", server.received());
    response.error(400, "INVALID_ARGUMENT")
}

#[tokio::test]
async fn variables_of_any_scalar_type_come_from_the_path() {
    let (method, found) =
        forwarded(get("/v1/shelves/-7/rows/9/true/PAPER:find"), "FindRequest").await;
    assert_eq!(method, "Find");
    let expected = json!({"shelf": -7, "place": {"row": "9"}, "open": true, "kind": "PAPER"});
    assert_eq!(found, expected);
    for path in [
        "/v1/shelves/x/rows/9/true/1:find",
        "/v1/shelves/1/rows/9/maybe/1:find",
    ] {
        assert!(refused(get(path)).await.contains('`'), "{path}");
    }
}

#[tokio::test]
async fn a_query_sets_fields_of_every_kind_at_any_depth() {
    let cases = [
        ("words=a&words=b%20c+d", json!({"words": ["a", "b c d"]})),
        (
            "numbers=1&numbers=-2&kinds=1&kinds=SCREEN",
            json!({"numbers": [1, -2], "kinds": ["PAPER", "SCREEN"]}),
        ),
        (
            "place.column=3&place.within.within.row=4",
            json!({"place": {"column": 3, "within": {"within": {"row": "4"}}}}),
        ),
        (
            "mark=-_8&weight=1e3&width=0.5",
            json!({"mark": "+/8=", "weight": 1000, "width": 0.5}),
        ),
        ("note=", json!({"note": ""})),
        (
            "since=2026-01-02T03:04:05Z&within=1.5s",
            json!({"since": "2026-01-02T03:04:05Z", "within": "1.500s"}),
        ),
        ("mask=a_b,c.d", json!({"mask": "aB,c.d"})),
        ("mask=aB%2Cc.d", json!({"mask": "aB,c.d"})),
        ("limit=0&label=", json!({"limit": "0", "label": ""})),
        (
            "by_number=18446744073709551615",
            json!({"byNumber": "18446744073709551615"}),
        ),
        (
            "byPlace.row=1&byPlace.column=2",
            json!({"byPlace": {"row": "1", "column": 2}}),
        ),
        ("times=1s&times=2s", json!({"times": ["1s", "2s"]})),
        ("&&needed=x&", json!({"needed": "x"})),
        ("needed", json!({})),
    ];
    for (query, expected) in cases {
        let (_, mut found) = forwarded(get(&format!("/v2/shelves/1?{query}")), "FindRequest").await;
        found.as_object_mut().expect("an object").remove("shelf");
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn an_invalid_query_parameter_is_refused_with_its_name() {
    let cases = [
        ("nothing=1", "`nothing`"),
        ("place.nothing=1", "`place.nothing`"),
        ("words.x=1", "`words.x`"),
        ("shelf=2", "`shelf` is set twice"),
        ("open=maybe", "open"),
        ("needed=a&needed=b", "`needed` is set twice in the query"),
        ("byName=a&byNumber=1", "members of one oneof"),
        ("byPlace.row=1&byName=a", "members of one oneof"),
        ("places=1", "places"),
        ("places.row=1", "places"),
        ("labels=a", "labels"),
        ("labels.a=b", "labels"),
        ("place=1", "place"),
        ("note=%zz", "percent-encoding"),
        ("note=%ff", "UTF-8"),
        ("since=yesterday", "since"),
        ("$alt=proto", "must be json"),
        ("callback=f", "`callback` is not supported: JSONP"),
        ("$callback=f", "`$callback` is not supported: JSONP"),
        (
            "$unknown=1",
            "unknown system parameter `$unknown`: must be one of $access_token, $alt, ",
        ),
        ("$=1", "unknown system parameter `$`"),
    ];
    for (query, expected) in cases {
        let message = refused(get(&format!("/v2/shelves/1?{query}"))).await;
        assert!(message.contains(expected), "{query}: {message}");
    }
}

#[tokio::test]
async fn system_parameters_are_not_fields_and_some_become_headers() {
    let server = Server::with_empty_response();
    let query = "%24alt=json%3Benum-encoding%3Dint&prettyPrint=true&callback=&$.xgafv=2\
        &quotaUser=q&$userProject=u&$fields=a&access_token=t&$key=secret&key=field";
    let response = server
        .respond(rules(), get(&format!("/v2/shelves/1?{query}")))
        .await;
    assert_eq!(response.status, 200, "{response:?}");
    let received = server.only();
    // The request has a field `key`, which takes precedence over the system parameter without `$`.
    assert_eq!(
        read("FindRequest", &received.message),
        json!({"shelf": 1, "key": "field"})
    );
    for (name, value) in [
        ("x-goog-quota-user", "q"),
        ("x-goog-user-project", "u"),
        ("x-goog-fieldmask", "a"),
        ("x-goog-api-key", "secret"),
        ("authorization", "Bearer t"),
    ] {
        assert_eq!(received.headers[name], value, "{name}");
        assert!(received.headers[name].is_sensitive(), "{name}");
    }
}

#[tokio::test]
async fn a_body_may_be_a_field_of_any_kind() {
    let request = send("PUT", "/v1/shelves/a/b%2Fc?times=2", r#""A title""#);
    let (method, found) = forwarded(request, "RenameRequest").await;
    assert_eq!(method, "Rename");
    assert_eq!(
        found,
        json!({"name": "shelves/a/b%2Fc", "title": "A title", "times": 2})
    );

    let request = send(
        "POST",
        "/v1/shelves/a%2Fb:fill",
        r#"[{"name": "x"}, {"pages": "3"}]"#,
    );
    let (_, found) = forwarded(request, "FillRequest").await;
    assert_eq!(
        found,
        json!({"name": "shelves/a%2Fb", "books": [{"name": "x"}, {"pages": "3"}]})
    );

    let request = send("MOVE", "/v1/shelves/a", "");
    assert_eq!(
        forwarded(request, "DownloadRequest").await,
        ("Move".into(), json!({"name": "shelves/a"}))
    );
}

#[tokio::test]
async fn a_body_of_bytes_is_sent_unchanged() {
    let mut request = send("POST", "/v1/shelves/a/file", "not { json");
    request
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("text/x"));
    let (_, found) = forwarded(request, "UploadRequest").await;
    let file = json!({"contentType": "text/x", "data": "bm90IHsganNvbg=="});
    assert_eq!(found, json!({"name": "shelves/a", "file": file}));
}

#[tokio::test]
async fn an_invalid_body_is_refused_with_the_position_of_the_error() {
    for (body, expected) in [
        (r#"{"name": 5}"#, "`name`"),
        (r#"{"nam": "x"}"#, "unknown field `nam`"),
        (r#"{"name": "x"} x"#, "byte 14"),
        (r#"{"name": "#, "byte 9"),
        ("[]", "byte 0"),
    ] {
        let message = refused(send("MOVE", "/v1/shelves/a", body)).await;
        assert!(message.contains(expected), "{body}: {message}");
    }
    let message = refused(send("GET", "/v2/shelves/1", r#"{"open": true}"#)).await;
    assert!(message.contains("unexpected body"), "{message}");
    forwarded(send("GET", "/v2/shelves/1", " {} "), "FindRequest").await;
}

#[tokio::test]
async fn headers_that_describe_the_http_request_itself_are_removed_and_all_others_are_forwarded() {
    let server = Server::with_empty_response();
    let mut request = get("/v2/shelves/1");
    for (name, value) in [
        ("x-of-mine", "kept"),
        ("authorization", "Bearer t"),
        ("grpc-timeout", "1S"),
        ("accept-encoding", "gzip"),
        ("grpc-encoding", "gzip"),
        ("connection", "close"),
        ("content-length", "0"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        request
            .headers_mut()
            .insert(name, http::HeaderValue::from_static(value));
    }
    let response = server.respond(rules(), request).await;
    assert_eq!(response.status, 200, "{response:?}");
    let headers = server.only().headers;
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "authorization",
            "content-type",
            "grpc-timeout",
            "te",
            "x-of-mine"
        ]
    );
    assert_eq!(headers["content-type"], "application/grpc");
}
