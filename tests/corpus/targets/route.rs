//! Paths and templates.
//!
//! The first line of the input is an HTTP method and a path, such as `GET /v1/x`. Without further lines, the rules of API
//! Gateway are tested. To test another rule, the next lines are its template, its `body`, its `response_body`, and the
//! template of a second binding. Bytes after an empty line are the body of the request.

use apigateway_grpc::http::Request;
use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::transcode::Rules;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::json;

use super::fixture;
use super::record::{round, serve};

const METHOD: &str = "/apigateway_grpc.test.calls.Routes/Call";

/// Checks that any rule is compiled or rejected, that any request has a response, and that a call round-trips.
pub(crate) fn run(data: &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = data.split_at(end.unwrap_or(data.len()));
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let mut lines = head.split('\n');
    let Some((verb, path)) = lines.next().and_then(|line| line.split_once(' ')) else {
        return;
    };
    let body = Bytes::copy_from_slice(body.get(2..).unwrap_or_default());
    let request = Request::builder().method(verb).uri(path);
    let request = request.body(Body::new(Full::new(body)));
    let Some(template) = lines.next() else {
        if let Ok(request) = request {
            of_api_gateway(request);
        }
        return;
    };
    let mut next = || lines.next().unwrap_or_default();
    let (body, response, other) = (next(), next(), next());
    let Some(rules) = rules(verb, template, body, response, other) else {
        return;
    };
    if let Ok(request) = request {
        let inputs = [(METHOD, "apigateway_grpc.test.calls.Route")];
        if other.is_empty() {
            round(&rules, &inputs, request, true);
        } else {
            serve(&rules, request);
        }
    }
}

/// Returns the rules of a service whose only method `Routes.Call` has this HTTP rule, or `None` if the rule is rejected.
fn rules(verb: &str, template: &str, body: &str, response: &str, other: &str) -> Option<Rules> {
    let bindings = match other {
        "" => json!([]),
        other => json!([{"custom": {"kind": verb, "path": other}, "body": body}]),
    };
    let rule = json!({
        "selector": "apigateway_grpc.test.calls.Routes.Call",
        "custom": {"kind": verb, "path": template},
        "body": body,
        "responseBody": response,
        "additionalBindings": bindings,
    });
    let config = json!({"http": {"rules": [rule]}}).to_string();
    Rules::builder(&fixture::ROUTES)
        .service_config(&config)
        .build()
        .ok()
}

fn of_api_gateway(request: Request<Body>) {
    let rules = Rules::api_gateway();
    let inputs = apigateway_grpc::contract::Method::all();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|method| (method.path(), method.input()))
        .collect();
    round(&rules, &inputs, request, false);
}
