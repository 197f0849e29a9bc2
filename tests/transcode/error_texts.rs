//! The texts of the errors of the server side, each with the request that causes it. A text names the field or the part of the
//! request, its value if there is one, and what is valid.

use crate::fixture::{Server, get, rules, send};

#[tokio::test]
async fn each_refusal_of_the_server_names_its_cause_and_what_is_valid() {
    let invalid = (400, "INVALID_ARGUMENT");
    let find = |query: &str| get(&format!("/v2/shelves/1?{query}"));
    let cases = [
        (
            find("note=%zz"),
            invalid,
            "invalid percent-encoding or UTF-8 in the value of `note`",
        ),
        (
            find("nothing=1"),
            invalid,
            "unknown field `nothing` of apigateway_grpc.test.shelf.FindRequest",
        ),
        (
            find("shelf=2"),
            invalid,
            "`shelf` is set twice: by the path and by the query",
        ),
        (
            find("needed=a&needed=b"),
            invalid,
            "`needed` is set twice in the query",
        ),
        (
            find("byName=a&byNumber=1"),
            invalid,
            "`byNumber` in the query and `byName` in the query are members of one oneof",
        ),
        (
            find("labels=a"),
            invalid,
            "`labels` is a map, which cannot be a path or query value",
        ),
        (
            find("place=1"),
            invalid,
            "`place`: apigateway_grpc.test.shelf.Place cannot be a path or query value",
        ),
        (
            find("open=maybe"),
            invalid,
            "`open`: invalid boolean: must be true or false",
        ),
        (
            find("kind=NO"),
            invalid,
            "`kind`: unknown enum value `NO`: must be one of KIND_UNSPECIFIED, PAPER, SCREEN",
        ),
        (find("weight=x"), invalid, "`weight`: invalid number"),
        (find("mark=*"), invalid, "`mark`: invalid base64"),
        (
            find("since=yesterday"),
            invalid,
            "`since`: invalid timestamp `yesterday`: must be RFC 3339, such as 2026-01-02T03:04:05Z",
        ),
        (
            find("$alt=proto"),
            invalid,
            "invalid `$alt` `proto`: must be json or json;enum-encoding=int",
        ),
        (
            get("/v1/shelves/%2e%2e/file"),
            invalid,
            "invalid path: the segment `..` is not allowed",
        ),
        (
            send("GET", "/v2/shelves/1", "{\"a\": 1}"),
            invalid,
            "unexpected body: the rule `GET /v2/shelves/{shelf}` accepts no body",
        ),
        (get("/v9/x"), (404, "NOT_FOUND"), "no route for GET /v9/x"),
        (
            send("DELETE", "/v2/shelves/1", ""),
            (405, "UNIMPLEMENTED"),
            "method DELETE not allowed for /v2/shelves/1",
        ),
        (
            send("POST", "/v1/books:write", "{}"),
            (501, "UNIMPLEMENTED"),
            "client streaming is not supported over HTTP/JSON: use gRPC",
        ),
    ];
    let mut wrong = Vec::new();
    for (request, (http, code), expected) in cases {
        let server = Server::with_empty_response();
        let target = request.uri().to_string();
        let response = server.respond(rules(), request).await;
        assert!(server.received().is_empty(), "{target}");
        let message = response.error(http, code);
        if message != expected {
            wrong.push(format!("{target}: {message}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
