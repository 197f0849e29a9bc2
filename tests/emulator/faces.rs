//! gRPC and HTTP/JSON agree: random sequences of requests go over gRPC to one emulator, and over HTTP/JSON to another one
//! with the same clock.
//!
//! Both emulators accept the same requests, with the same recorded call, response and state. Both reject the same requests,
//! with the same code. HTTP requests have the forms that clients use: plain, in gzip, with the verb in a header, and with
//! the query in a form-encoded body.
//!
//! `FACES_CASES` sets the number of sequences.

pub(crate) mod forms;
mod requests;

use std::fmt;
use std::time::{Duration, SystemTime};

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{Emulator, ReceivedCall};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::transcode::{JsonOptions, Rest, Rules, TranscodeLayer};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use serde_json::Value;
use tonic::{Code, Status};
use tower::{Layer as _, Service, ServiceExt as _};

use forms::Form;
use requests::{Names, POOL, Random};

/// Number of sequences.
fn cases() -> u32 {
    let set = std::env::var("FACES_CASES").ok();
    set.map_or(32, |set| set.parse().expect("FACES_CASES is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn a_request_has_the_same_effect_over_grpc_and_rest(
        seeds in proptest::collection::vec(any::<u64>(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(agree(&seeds))?;
    }
}

type Checked = Result<(), TestCaseError>;

async fn agree(seeds: &[u64]) -> Checked {
    let emulator = || {
        let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let builder = Emulator::builder().begins_at(begin);
        builder.operation_time(Duration::from_secs(2)).build()
    };
    let (grpc, rest) = (emulator(), emulator());
    let mut names = Names::default();
    for seed in seeds {
        let mut random = Random(*seed);
        if random.one_in(4) {
            tokio::time::advance(Duration::from_millis(random.below(3000) as u64)).await;
        }
        let method = requests::method(&mut random);
        let request = requests::request(&mut random, method, &names);
        step(&grpc, &rest, method, &request, &mut random, &mut names).await?;
    }
    prop_assert_eq!(state(&grpc).await, state(&rest).await);
    Ok(())
}

async fn step(
    grpc: &Emulator,
    rest: &Emulator,
    method: &'static Method,
    request: &DynamicMessage,
    random: &mut Random,
    names: &mut Names,
) -> Checked {
    let form = Form::of(random);
    let about = format!("{} as {form:?} of {request}", method.name());
    let wire = request.encode_to_vec();
    let packed = random.one_in(3);
    let before = (grpc.calls().len(), rest.calls().len());
    let (by_grpc, by_rest) = tokio::join!(
        ask(grpc.service(), forms::grpc(method, &wire, packed)),
        ask(over_rest(rest, form), forms::grpc(method, &wire, false)),
    );
    let received = (received(grpc, before.0), received(rest, before.1));
    match (&by_grpc, &by_rest) {
        (Ok(ours), Ok(theirs)) => {
            let (ours, theirs) = (json(method.output(), ours), json(method.output(), theirs));
            prop_assert_eq!(&ours, &theirs, "{}", about);
            names.learn(&ours);
        }
        (_, Err(refused)) if !requests::has_rest_form(request) => {
            prop_assert_eq!(
                refused.code(),
                Code::InvalidArgument,
                "{}: {}",
                about,
                refused
            );
            // Only the gRPC emulator has processed the call. The REST emulator gets it too, over gRPC, so that both keep
            // the same state.
            if by_grpc.is_ok() {
                let again = ask(rest.service(), forms::grpc(method, &wire, false)).await;
                prop_assert!(again.is_ok(), "{}", about);
            }
            return Ok(());
        }
        (Err(ours), Err(theirs)) => {
            prop_assert_eq!(
                ours.code(),
                theirs.code(),
                "{}: {} / {}",
                about,
                ours,
                theirs
            );
            if received.1.is_none() {
                // Our client rejected the request.
                return Ok(());
            }
            prop_assert_eq!(ours.message(), theirs.message(), "{}", about);
        }
        _ => prop_assert!(false, "{}: {:?} / {:?}", about, by_grpc, by_rest),
    }
    let text = |call: &Option<Call>| call.as_ref().map(Call::to_string).unwrap_or_default();
    let (ours, theirs) = (text(&received.0), text(&received.1));
    prop_assert!(received.0 == received.1, "{}: {} / {}", about, ours, theirs);
    Ok(())
}

/// A received call, without the fields that differ between gRPC and REST.
#[derive(PartialEq)]
struct Call {
    method: &'static str,
    name: String,
    request: DynamicMessage,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} with {}", self.method, self.name, self.request)
    }
}

/// Returns the call that was received after this number of calls.
fn received(emulator: &Emulator, before: usize) -> Option<Call> {
    let calls = emulator.calls();
    assert!(calls.len() <= before + 1, "one request is one call");
    let ReceivedCall {
        method,
        name,
        message,
        ..
    } = calls.get(before)?.clone();
    let message = message.expect("it could be read");
    Some(Call {
        method: method.name(),
        name,
        request: decoded(method.input(), &message),
    })
}

/// Returns our REST client. It calls the emulator through the transcoder, as a client of a port does.
fn over_rest(
    emulator: &Emulator,
    form: Form,
) -> Rest<
    impl Service<GrpcRequest, Response = GrpcResponse, Error = std::convert::Infallible, Future: Send>
    + Clone
    + use<>,
> {
    let options = {
        let mut options = JsonOptions::default();
        (options.strict, options.any_bytes) = (true, true);
        options
    };
    let layer = TranscodeLayer::new(Rules::api_gateway()).json(options);
    let service = layer.layer(emulator.service());
    let service = tower::service_fn(move |request: GrpcRequest| {
        let service = service.clone();
        async move { service.oneshot(form.put(request).await).await }
    });
    Rest::new(Rules::api_gateway(), service)
}

/// Returns the response message or the status.
async fn ask<S>(service: S, rpc: GrpcRequest) -> Result<Bytes, Status>
where
    S: Service<GrpcRequest, Response = GrpcResponse>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let reply = service.oneshot(rpc).await;
    let reply = reply.map_err(|error| Status::from_error(error.into()))?;
    let (head, body) = reply.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = [&head.headers, &trailers]
        .into_iter()
        .find_map(Status::from_header_map)
        .expect("a status");
    let payload = body.to_bytes();
    match status.code() {
        Code::Ok => Ok(payload.slice(5..)),
        _ => Err(status),
    }
}

/// Returns the JSON of a message, in which maps and `Any`s can be compared.
fn json(message: &str, wire: &[u8]) -> Value {
    let json = serde_json::to_value(decoded(message, wire));
    json.expect("it has a JSON form")
}

/// Decodes a message, without the fields that have their default value. Encoding the message once more removes these fields.
fn decoded(message: &str, wire: &[u8]) -> DynamicMessage {
    let of = POOL.get_message_by_name(message).expect("of the contract");
    let message = DynamicMessage::decode(of.clone(), wire).expect("a message");
    DynamicMessage::decode(of, message.encode_to_vec().as_slice()).expect("a message")
}

/// Returns the whole state of an emulator, from its lists.
async fn state(emulator: &Emulator) -> Vec<Value> {
    let mut state = Vec::new();
    for (method, parent) in [
        (Method::LIST_APIS, "projects/p/locations/global"),
        (
            Method::LIST_API_CONFIGS,
            "projects/p/locations/global/apis/-",
        ),
        (Method::LIST_GATEWAYS, "projects/p/locations/-"),
        (Method::LIST_OPERATIONS, "projects/p/locations/global"),
        (Method::LIST_OPERATIONS, "projects/p/locations/us-central1"),
    ] {
        let list = requests::list(method, parent);
        state.push(answer(emulator, method, &list).await);
    }
    let named = state.iter().flat_map(|list| requests::texts(list, "name"));
    for name in named.collect::<Vec<_>>() {
        let policy = requests::of(Method::GET_IAM_POLICY, "resource", &name);
        state.push(answer(emulator, Method::GET_IAM_POLICY, &policy).await);
    }
    state
}

async fn answer(emulator: &Emulator, method: &'static Method, request: &DynamicMessage) -> Value {
    let rpc = forms::grpc(method, &request.encode_to_vec(), false);
    match ask(emulator.service(), rpc).await {
        Ok(reply) => json(method.output(), &reply),
        Err(status) => Value::from(status.to_string()),
    }
}
