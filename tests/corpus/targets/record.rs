//! An HTTP/JSON server whose gRPC service records its requests, and a client of it.

use std::sync::{Arc, Mutex};

use apigateway_grpc::http::{Request, Response};
use apigateway_grpc::tonic::{Status, body::Body};
use apigateway_grpc::tower::{Layer as _, Service, service_fn};
use apigateway_grpc::transcode::{Rest, Rules, TranscodeLayer};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use super::fixture;

/// A received gRPC request: its path and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) message: Vec<u8>,
}

/// Runs a future that never waits.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("the future is ready at once")
}

/// Collects a whole body.
pub(crate) fn collect<B>(body: B) -> Result<Bytes, B::Error>
where
    B: http_body::Body<Data = Bytes>,
{
    now(body.collect()).map(|collected| collected.to_bytes())
}

/// Serves an HTTP request by the rules. Returns the call that it became, if there is one, and the response.
pub(crate) fn serve(rules: &Rules, request: Request<Body>) -> (Option<Call>, Response<Body>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let recorded = calls.clone();
    let service = service_fn(move |request: Request<Body>| {
        let (head, body) = request.into_parts();
        assert_eq!(head.method, "POST");
        assert_eq!(head.headers["content-type"], "application/grpc");
        let body = collect(body).expect("it is whole");
        let (prefix, message) = body.split_at(5);
        let length = u32::try_from(message.len()).expect("it is short");
        assert_eq!(prefix[0], 0);
        assert_eq!(prefix[1..], length.to_be_bytes());
        recorded.lock().expect("no panic").push(Call {
            path: head.uri.path().to_owned(),
            message: message.to_vec(),
        });
        std::future::ready(Err::<Response<Body>, _>(Status::aborted("recorded")))
    });
    let mut server = TranscodeLayer::new(rules.clone()).layer(service);
    let reply = now(server.call(request)).expect("the server answers every request");
    let mut calls = std::mem::take(&mut *calls.lock().expect("no panic"));
    assert!(calls.len() < 2);
    let call = calls.pop();
    assert_eq!(reply.status() == 409, call.is_some());
    (call, reply)
}

/// Returns the HTTP request of a call. A call that no HTTP rule can send is an error.
pub(crate) fn send(rules: &Rules, call: &Call) -> Result<Request<Body>, Status> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let recorded = requests.clone();
    let http = service_fn(move |request: Request<Body>| {
        recorded.lock().expect("no panic").push(request);
        std::future::ready(Err::<Response<Body>, _>(Status::aborted("recorded")))
    });
    let length = u32::try_from(call.message.len()).expect("it is short");
    let framed = [&[0], &length.to_be_bytes()[..], &call.message].concat();
    let mut request = Request::new(Body::new(Full::new(Bytes::from(framed))));
    *request.uri_mut() = call.path.parse().expect("the path of a method");
    let status = now(Rest::new(rules.clone(), http).call(request))
        .expect_err("the recorder returns a status");
    let request = requests.lock().expect("no panic").pop();
    request.ok_or(status)
}

/// Serves a request, checks the response, and checks that the call round-trips: the client sends the call, and the server reads
/// the same call.
pub(crate) fn round(
    rules: &Rules,
    inputs: &[(&str, &str)],
    request: Request<Body>,
    one_rule: bool,
) -> Option<Call> {
    let (call, reply) = serve(rules, request);
    let Some(call) = call else {
        refusal(reply);
        return None;
    };
    let (_, input) = inputs
        .iter()
        .find(|(path, _)| *path == call.path)
        .unwrap_or_else(|| panic!("unknown method {}", call.path));
    let json = |call: &Call| {
        let options = fixture::options(0);
        let text = rules.schema().wire_to_json(input, &call.message, options);
        let text = text
            .unwrap_or_else(|error| panic!("the message of the call has no JSON form: {error}"));
        filled(serde_json::from_str(&text).expect("it is JSON"))
    };
    let sent = json(&call);
    // Names that no path can contain, such as `..`, are rejected.
    let Ok(request) = send(rules, &call) else {
        return Some(call);
    };
    let shown = format!("{} {}", request.method(), request.uri());
    let (again, reply) = serve(rules, request);
    match again {
        // If several rules match, another one may come first.
        Some(again) if again.path != call.path && !one_rule => {}
        Some(again) => {
            assert_eq!(again.path, call.path, "{shown}");
            assert_eq!(json(&again), sent, "{shown}");
        }
        None => panic!(
            "the server rejects {shown}, the client's request for {sent}, with {}: {:?}",
            reply.status(),
            collect(reply.into_body())
        ),
    }
    Some(call)
}

/// Removes empty messages, which a query cannot distinguish from missing ones.
fn filled(mut json: Value) -> Value {
    if let Value::Object(members) = &mut json {
        for member in members.values_mut() {
            *member = filled(member.take());
        }
        members.retain(|_, member| member.as_object().is_none_or(|inner| !inner.is_empty()));
    }
    json
}

/// Checks the response to a request that did not become a call: it has an error status and a matching body.
fn refusal(reply: Response<Body>) {
    let status = reply.status();
    assert!(
        [400, 404, 405].contains(&status.as_u16()) || status == 501,
        "{status}"
    );
    assert_eq!(status == 405, reply.headers().contains_key("allow"));
    let body = collect(reply.into_body()).expect("it is whole");
    let body: Value = serde_json::from_slice(&body).expect("it is JSON");
    assert_eq!(body["error"]["code"], status.as_u16());
}
