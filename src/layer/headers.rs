//! Sets the headers that all attempts of a call share, and the `CallContext` that the layers below read.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::transport_error::TransportError;
use crate::call::unreserved::UNRESERVED;
use crate::call::wire_format;
use crate::call::{self, CallContext, CallOptions, GrpcRequest, GrpcResponse};
use crate::contract::{Contract, Method, RoutingKey};

/// The routing header (AIP-4222). If the request has one, it is kept.
pub(crate) const ROUTING: HeaderName = HeaderName::from_static("x-goog-request-params");
const API_CLIENT: HeaderName = HeaderName::from_static("x-goog-api-client");
/// The quota project: the project that is billed.
pub(crate) const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// The version of tonic that the crate is built with. A test compares it with `Cargo.lock`.
pub(crate) const TONIC: &str = "0.14.9";

/// Creates [`Headers`] services.
#[derive(Clone, Debug)]
pub(crate) struct HeadersLayer {
    fixed: Arc<Fixed>,
}

#[derive(Debug)]
struct Fixed {
    contract: Contract,
    api_client: HeaderValue,
    user_agent: HeaderValue,
    quota_project: Option<HeaderValue>,
    options: CallOptions,
}

impl HeadersLayer {
    /// Creates the layer for the methods of a contract. `user_agent` is prepended to our own. `options` are the defaults of
    /// each call.
    pub(crate) fn new(
        contract: Contract,
        user_agent: Option<&HeaderValue>,
        quota_project: Option<HeaderValue>,
        options: CallOptions,
    ) -> Self {
        let crate_version = env!("CARGO_PKG_VERSION");
        let api_client = format!(
            "gl-rust/{} gapic/{crate_version} grpc/{TONIC}",
            env!("APIGATEWAY_GRPC_RUSTC")
        );
        let ours = concat!("apigateway-grpc/", env!("CARGO_PKG_VERSION"));
        let both = user_agent.map(|theirs| [theirs.as_bytes(), b" ", ours.as_bytes()].concat());
        let fixed = Fixed {
            contract,
            api_client: HeaderValue::from_str(&api_client)
                .expect("version numbers are header text"),
            user_agent: both
                .and_then(|both| HeaderValue::from_bytes(&both).ok())
                .unwrap_or(HeaderValue::from_static(ours)),
            quota_project,
            options,
        };
        Self {
            fixed: Arc::new(fixed),
        }
    }
}

impl<S> Layer<S> for HeadersLayer {
    type Service = Headers<S>;

    fn layer(&self, inner: S) -> Headers<S> {
        Headers {
            inner,
            fixed: Arc::clone(&self.fixed),
        }
    }
}

/// Sets the headers and the `CallContext` of each call.
#[derive(Clone, Debug)]
pub(crate) struct Headers<S> {
    inner: S,
    fixed: Arc<Fixed>,
}

impl<S> Service<GrpcRequest> for Headers<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Either<S::Future, std::future::Ready<Result<GrpcResponse, Status>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        match prepare(&self.fixed, request) {
            Ok(request) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(std::future::ready(Err(status))),
        }
    }
}

fn prepare(fixed: &Fixed, request: GrpcRequest) -> Result<GrpcRequest, Status> {
    let (mut head, body) = request.into_parts();
    let method = fixed.contract.lookup(head.uri.path());
    // Do not read a stream of messages. The body of another service's method may be such a stream.
    let (payload, body) = match &method {
        Some(method) if !method.client_streaming => {
            (Some(call::read_unary_body(body)?), Body::empty())
        }
        _ => (None, body),
    };
    set(
        &mut head.headers,
        fixed,
        method.as_deref(),
        payload.as_ref(),
    );
    let call_options = head.extensions.remove::<CallOptions>().unwrap_or_default();
    let options = call_options.or(&fixed.options);
    if !options.headers.is_empty() {
        add(&mut head.headers, &options.headers)?;
    }
    head.extensions.insert(CallContext {
        method,
        payload,
        timeout: options.timeout,
        retry: options.retry,
        idempotent: options.idempotent,
        deadline: None,
    });
    Ok(GrpcRequest::from_parts(head, body))
}

fn set(headers: &mut HeaderMap, fixed: &Fixed, method: Option<&Method>, payload: Option<&Bytes>) {
    headers.insert(API_CLIENT, fixed.api_client.clone());
    // Keep the user agent of the call, if it has one.
    headers
        .entry(header::USER_AGENT)
        .or_insert_with(|| fixed.user_agent.clone());
    if let Some(project) = &fixed.quota_project {
        headers.insert(QUOTA_PROJECT, project.clone());
    }
    if headers.contains_key(ROUTING) {
        return;
    }
    let routed = method.filter(|method| !method.routing.is_empty());
    let routing = routed.zip(payload).and_then(|(method, payload)| {
        let message = call::request_message(headers, payload)?;
        routing(&method.routing, &message)
    });
    if let Some(routing) = routing {
        headers.insert(ROUTING, routing);
    }
}

/// Adds the headers of the call's options.
///
/// # Errors
///
/// If a header is reserved.
fn add(headers: &mut HeaderMap, extra: &HeaderMap) -> Result<(), Status> {
    if let Some(name) = extra.keys().find(|name| is_reserved(name)) {
        let status = Status::invalid_argument(format!(
            "the header `{name}` is reserved for the client and cannot be set for a call"
        ));
        return Err(TransportError::unsent(status, None));
    }
    for name in [header::USER_AGENT, QUOTA_PROJECT, ROUTING] {
        if extra.contains_key(&name) {
            headers.remove(name);
        }
    }
    for (name, value) in extra {
        headers.append(name, value.clone());
    }
    Ok(())
}

/// Returns whether only the stack or the connection may set the header.
fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 11] = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::TE,
        API_CLIENT,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ];
    RESERVED.contains(name) || name.as_str().starts_with("grpc-")
}

/// Returns the value of [`ROUTING`] for this request.
pub(crate) fn routing_of(method: &Method, request: &impl prost::Message) -> Option<Box<str>> {
    let value = routing(&method.routing, &request.encode_to_vec())?;
    value.to_str().ok().map(Box::from)
}

/// Returns the routing header, such as `name=projects%2Fp%2F…`. Keys and values are percent-encoded, pairs are joined by `&`, and
/// empty values are omitted (AIP-4222).
fn routing(keys: &[RoutingKey], message: &[u8]) -> Option<HeaderValue> {
    // Enough for the usual name, whose slashes are encoded as three characters.
    let mut out = Vec::with_capacity(message.len() + message.len() / 2 + 16);
    for (index, key) in keys.iter().enumerate() {
        let Some(value) = routing_value(key, message) else {
            continue;
        };
        // If several keys have the same name, only the last one that matches is sent.
        let mut later = keys[index + 1..].iter();
        if later.any(|other| other.name == key.name && routing_value(other, message).is_some()) {
            continue;
        }
        if !out.is_empty() {
            out.push(b'&');
        }
        encode(key.name.as_bytes(), &mut out);
        out.push(b'=');
        encode(value.as_bytes(), &mut out);
    }
    HeaderValue::from_maybe_shared(Bytes::from(out))
        .ok()
        .filter(|value| !value.is_empty())
}

/// Returns the value of a key, if it is set and matches the pattern of the key.
fn routing_value<'m>(key: &RoutingKey, message: &'m [u8]) -> Option<&'m str> {
    let value = wire_format::text(message, &key.field)?;
    let value = match &key.pattern {
        None => value,
        Some(pattern) => pattern.capture(value)?,
    };
    (!value.is_empty()).then_some(value)
}

/// Writes a percent-encoded key or value. The crate `percent_encoding` writes the same text, but takes 460 more instructions for
/// the name of an operation. The whole header takes 1,700 instructions.
fn encode(mut value: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = value
        .iter()
        .position(|byte| !UNRESERVED[usize::from(*byte)])
    {
        let (plain, rest) = value.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, rest)) = rest.split_first() else {
            return;
        };
        out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        value = rest;
    }
    out.extend_from_slice(value);
}

fn hex_digit(value: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(value)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::google::cloud::apigateway::v1::{Gateway, UpdateGatewayRequest};
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    use prost::Message as _;

    #[test]
    fn routing_values_are_encoded_and_nested_ones_found() {
        let gateway = Gateway {
            name: "projects/p/gateways/é 1~".into(),
            ..Default::default()
        };
        let request = UpdateGatewayRequest {
            gateway: Some(gateway),
            ..Default::default()
        };
        let method = Method::find("/google.cloud.apigateway.v1.ApiGatewayService/UpdateGateway");
        let keys = &method.expect("in the table").routing;
        let value = routing(keys, &request.encode_to_vec()).expect("a name is set");
        assert_eq!(value, "gateway.name=projects%2Fp%2Fgateways%2F%C3%A9%201~");
    }

    /// A key of `google.api.routing` may have any name. Unencoded, one such name would invalidate the whole header.
    #[test]
    fn a_key_is_encoded_and_does_not_invalidate_the_other_keys() {
        let key = |name: &'static str| RoutingKey {
            name: name.into(),
            field: vec![1].into(),
            pattern: None,
        };
        let keys = [key("a&b=\nc"), key("name")];
        let value = routing(&keys, b"\x0a\x01x").expect("a value is set");
        assert_eq!(value, "a%26b%3D%0Ac=x&name=x");
    }

    #[test]
    fn a_value_has_the_same_encoding_as_with_the_crate_percent_encoding() {
        const SET: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        let value: String = (0..=0x800).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        encode(value.as_bytes(), &mut out);
        let expected = utf8_percent_encode(&value, SET).to_string();
        assert_eq!(String::from_utf8(out).as_deref(), Ok(&*expected));
    }

    #[test]
    fn an_empty_or_broken_message_has_no_routing() {
        let keys = [RoutingKey {
            name: "name".into(),
            field: vec![1].into(),
            pattern: None,
        }];
        for message in [
            &[][..],
            &[0x0a, 0x00],
            &[0x0a, 0x7f, 0x61],
            &[0xff; 12],
            &[0x0b, 0x61],
        ] {
            assert_eq!(routing(&keys, message), None, "{message:?}");
        }
    }
}
