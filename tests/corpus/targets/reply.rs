//! Responses: HTTP responses under a generated client, and gRPC responses behind the HTTP/JSON server.
//!
//! The first byte selects one of nine calls of the client or the server, the second the HTTP status, and the third the size
//! of the chunks of the body. Header lines up to an empty line follow, then trailer lines up to an empty line, then the body.
//! If the first byte is lower case, the bytes of the body are the message of one gRPC frame.

use apigateway_grpc::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use apigateway_grpc::proto::google::cloud::apigateway::v1::ListApisRequest;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use apigateway_grpc::proto::google::longrunning::GetOperationRequest;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::tonic::{Code, Status, body::Body};
use apigateway_grpc::tower::{Layer as _, Service, service_fn};
use apigateway_grpc::transcode::{Rest, Rules, TranscodeLayer, to_json};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use super::fixture;
use super::record::{collect, now};

const STATUSES: [u16; 16] = [
    200, 201, 204, 206, 302, 304, 400, 401, 403, 404, 409, 429, 499, 500, 503, 504,
];

/// A response in its parts.
#[derive(Clone, Debug)]
struct Script {
    status: StatusCode,
    head: HeaderMap,
    trailers: HeaderMap,
    body: Bytes,
    size: usize,
}

impl Script {
    fn read(data: &[u8]) -> Option<(u8, Self)> {
        let ([which, status, size], rest) = data.split_first_chunk()?;
        let (head, rest) = headers(rest);
        let (trailers, body) = headers(rest);
        let script = Self {
            status: StatusCode::from_u16(STATUSES[usize::from(*status) % 16]).expect("a status"),
            head,
            trailers,
            body: Bytes::copy_from_slice(body),
            size: usize::from(*size % 64) + 1,
        };
        Some((*which, script))
    }

    fn reply(&self) -> Response<Body> {
        let pieces = self.body.chunks(self.size);
        let pieces = pieces.map(|piece| Frame::data(Bytes::copy_from_slice(piece)));
        let end = (!self.trailers.is_empty()).then(|| Frame::trailers(self.trailers.clone()));
        let frames: Vec<_> = pieces.chain(end).map(Ok::<_, Status>).collect();
        let mut reply = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
        *reply.status_mut() = self.status;
        *reply.headers_mut() = self.head.clone();
        reply
    }
}

/// Parses header lines up to an empty line, and returns the rest. Invalid lines are skipped.
fn headers(data: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (headers, rest)
}

/// Checks that no response makes the client or the server panic, and that each has a result.
pub(crate) fn run(data: &[u8]) {
    let Some((which, mut script)) = Script::read(data) else {
        return;
    };
    if which.is_ascii_lowercase() {
        let length = u32::try_from(script.body.len()).expect("it is short");
        script.body = [&[0], &length.to_be_bytes()[..], &script.body]
            .concat()
            .into();
    }
    match which.to_ascii_uppercase().wrapping_sub(b'A') % 9 {
        0 => client(&script, Call::Operation),
        1 => client(&script, Call::Apis),
        2 => stream(&script, "Watch"),
        3 => stream(&script, "Lines"),
        4 => stream(&script, "Download"),
        5 => server(
            &script,
            &Rules::api_gateway(),
            "/v1/projects/p/locations/l/operations/o",
        ),
        6 => server(&script, &fixture::calls(), "/v1/watch"),
        7 => server(
            &script,
            &fixture::calls(),
            "/v1/lines?$alt=json;enum-encoding=int",
        ),
        _ => server(&script, &fixture::calls(), "/v1/download"),
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Operation,
    Apis,
}

/// Checks the result of a generated client for an HTTP response: a message or a status.
fn client(script: &Script, call: Call) {
    let reply = script.clone();
    let http =
        service_fn(move |_: Request<Body>| std::future::ready(Ok::<_, Status>(reply.reply())));
    let answer = ask(Rest::new(Rules::api_gateway(), http), call);
    if let Err(status) = answer {
        assert_ne!(status.code(), Code::Ok);
    }
}

/// Makes a call over a transport. Returns the JSON of the message, or an empty string if it has no JSON form, or the status.
fn ask<S>(service: S, call: Call) -> Result<String, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Status>,
{
    match call {
        Call::Operation => {
            let name = "projects/p/locations/l/operations/o".to_owned();
            let reply =
                now(OperationsClient::new(service).get_operation(GetOperationRequest { name }))?;
            Ok(to_json(&reply.into_inner()).unwrap_or_default())
        }
        Call::Apis => {
            let parent = "projects/p/locations/l".to_owned();
            let request = ListApisRequest {
                parent,
                ..Default::default()
            };
            let reply = now(ApiGatewayServiceClient::new(service).list_apis(request))?;
            Ok(to_json(&reply.into_inner()).unwrap_or_default())
        }
    }
}

/// Checks that a stream over HTTP is a sequence of whole gRPC frames and a status.
fn stream(script: &Script, method: &str) {
    let reply = script.clone();
    let http =
        service_fn(move |_: Request<Body>| std::future::ready(Ok::<_, Status>(reply.reply())));
    let mut request = Request::new(Body::new(http_body_util::Full::new(Bytes::from_static(
        &[0; 5],
    ))));
    let path = format!("/apigateway_grpc.test.calls.Calls/{method}");
    *request.uri_mut() = path.parse().expect("a path");
    let reply = match now(Rest::new(fixture::calls(), http).call(request)) {
        Ok(reply) => reply,
        Err(status) => return assert_ne!(status.code(), Code::Ok),
    };
    if script.head.contains_key("grpc-status") {
        // A gRPC response passes unchanged.
        return;
    }
    let mut body = reply.into_body();
    let mut ended = false;
    while let Some(frame) = now(body.frame()) {
        assert!(!ended, "more after the end");
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                let (prefix, message) = data.split_at(5);
                let length = u32::try_from(message.len()).expect("it is short");
                assert_eq!(prefix[1..], length.to_be_bytes());
            }
            Ok(Err(frame)) => {
                let trailers = frame
                    .into_trailers()
                    .expect("a frame without data has trailers");
                assert_eq!(trailers["grpc-status"], "0");
                ended = true;
            }
            Err(status) => {
                assert_ne!(status.code(), Code::Ok);
                ended = true;
            }
        }
    }
    assert!(ended, "no end");
}

/// Checks the HTTP/JSON server's result for a gRPC response. It is an HTTP response with valid JSON, except for the bytes of a
/// download. For an operation, a client over HTTP/JSON gets the same result as a gRPC client.
fn server(script: &Script, rules: &Rules, path: &str) {
    let reply = script.clone();
    let grpc =
        service_fn(move |_: Request<Body>| std::future::ready(Ok::<_, Status>(reply.reply())));
    let mut service = TranscodeLayer::new(rules.clone()).layer(grpc.clone());
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let reply = now(service.call(request)).expect("the server answers every request");
    let (head, body) = reply.into_parts();
    let media = head.headers["content-type"]
        .to_str()
        .unwrap_or_default()
        .to_owned();
    match collect(body) {
        Ok(body) if head.status != 200 => {
            let error: serde_json::Value = serde_json::from_slice(&body).expect("it is JSON");
            assert_eq!(error["error"]["code"], head.status.as_u16());
        }
        Ok(_) if path == "/v1/download" => {}
        Ok(body) if media == "application/x-ndjson" => {
            body.split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .for_each(fixture::assert_json);
        }
        Ok(body) => fixture::assert_json(&body),
        Err(_) => assert_eq!(path, "/v1/download", "only a download may end early"),
    }
    let media = script.head.get("content-type");
    let media = media.and_then(|media| media.to_str().ok());
    let is_grpc = media.is_some_and(|media| media.starts_with("application/grpc"));
    if script.status == 200 && is_grpc && path.contains("/operations/") {
        compare(script, grpc);
    }
}

/// Checks that a client over HTTP/JSON has the same result as one over gRPC.
fn compare<S>(script: &Script, grpc: S)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Status> + Clone + Send + 'static,
    S::Future: Send,
{
    let direct = ask(grpc.clone(), Call::Operation);
    let server = TranscodeLayer::new(Rules::api_gateway()).layer(grpc);
    let over = ask(Rest::new(Rules::api_gateway(), server), Call::Operation);
    // Over HTTP/JSON, malformed frames and messages over the limit have these codes. tonic may have other codes for them.
    let ours = [Code::Internal, Code::ResourceExhausted];
    match (direct, over) {
        (Ok(direct), Ok(over)) => assert_eq!(over, direct),
        // The message has no JSON form, its JSON looks like an error body, or the HTTP/JSON server rejects a response that
        // tonic accepts, such as one with several messages.
        (Ok(direct), Err(status)) => assert!(
            direct.is_empty()
                || direct.starts_with(r#"{"error":"#)
                || status.code() == Code::Internal,
            "{direct} became {status:?}"
        ),
        (Err(direct), Ok(over)) => panic!("{direct:?} became {over}"),
        (Err(direct), Err(over)) => {
            let (code, ours) = (direct.code(), ours.contains(&over.code()));
            assert!(code == over.code() || ours, "{direct:?} became {over:?}");
            let has_status = script.trailers.contains_key("grpc-status");
            if has_status && code == over.code() && !ours {
                assert_eq!(over.message(), direct.message());
            }
        }
    }
}
