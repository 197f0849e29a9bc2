//! Recorded calls as messages.

use bytes::Bytes;
use http::Version;
use prost_types::Any;

use super::plan::span;
use super::{fault, full_name, type_url};
use crate::emulator::error;
use crate::emulator::faults::received_call::{Peer, ReceivedCall, Via};
use crate::emulator::messages::call::{Peer as ProtoPeer, Protocol, Transport};
use crate::emulator::messages::{Call, CallView};
use crate::emulator::state::clock::Moment;

/// Maximum size of a message in a response. A larger one is omitted.
const MAX_BODY: usize = 256 << 10;

/// Converts a recorded call.
pub(in crate::emulator) fn to_proto(received: &ReceivedCall, view: CallView) -> Call {
    let is_full = view != CallView::Basic;
    let transport = match received.via {
        Via::Grpc => Transport::Grpc,
        Via::Rest => Transport::Rest,
    };
    let protocol = match received.http_version {
        Some(Version::HTTP_2) => Protocol::Http2,
        Some(_) => Protocol::Http1,
        None => Protocol::InProcess,
    };
    let peer = match received.peer {
        Peer::Unknown => ProtoPeer::Unspecified,
        Peer::Loopback => ProtoPeer::Loopback,
        Peer::Remote => ProtoPeer::Remote,
    };
    let names = received.headers.keys().filter(|_| is_full);
    let headers = names.map(|name| {
        let values = received.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (name.to_string(), values.join(", "))
    });
    let body = |name: &str, message: &Option<Bytes>| {
        let message = message.as_ref()?;
        (is_full && message.len() <= MAX_BODY).then(|| Any {
            type_url: type_url(name),
            value: message.to_vec(),
        })
    };
    let succeeded = received.code.map(|_| Default::default());
    Call {
        method: full_name(received.method),
        transport: transport.into(),
        resource: received.name.clone(),
        headers: headers.collect(),
        request: body(received.method.input(), &received.message),
        at: Some(span(received.at)),
        sequence: received.sequence,
        start_time: Some(Moment::from(received.started_at).into()),
        latency: received.latency.map(span),
        status: received.error.as_ref().map(error::to_proto).or(succeeded),
        response: body(received.method.output(), &received.response),
        fault: received.fault.map(fault::name).unwrap_or_default(),
        cut: received.is_cut,
        protocol: protocol.into(),
        peer: peer.into(),
        request_bytes: received.request_bytes,
        response_bytes: received.response_bytes,
        html_status: received.html.map_or(0, |status| status.as_u16().into()),
    }
}
