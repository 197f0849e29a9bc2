//! What answers to this machine alone.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{HeaderMap, Uri, header};
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use crate::call::{Reply, Rpc};
use crate::emulator::refusal;
use crate::emulator::socket::Line;

/// A service for calls from loopback addresses, and from no web page that is not of this machine: a browser
/// here would carry the calls of any page.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Local<S>(pub(in crate::emulator) S);

impl<S: NamedService> NamedService for Local<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Rpc> for Local<S>
where
    S: Service<Rpc, Response = Reply, Error = Infallible>,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Reply, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        match check(&rpc) {
            Ok(()) => Either::Left(self.0.call(rpc)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

fn check(rpc: &Rpc) -> Result<(), Status> {
    // Without a line there is no socket: the caller is of this process.
    let line = rpc.extensions().get::<Line>();
    if !line.is_none_or(Line::is_local) {
        return Err(refusal::forbidden(
            "the admin service answers to loopback addresses alone",
        ));
    }
    if !is_of_this_machine(rpc.headers()) {
        return Err(refusal::forbidden(
            "the admin service answers to no web page of another host",
        ));
    }
    Ok(())
}

/// Whether no web page says that it sends this, or one of this machine.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = Uri::try_from(origin.as_bytes()).ok();
    let host = origin.as_ref().and_then(Uri::host);
    host.is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tonic::body::Body;
    use tonic::transport::server::Connected as _;

    use super::*;
    use crate::emulator::socket::Socket;

    #[test]
    fn a_call_over_a_line_must_come_from_the_loopback() {
        for (peer, allowed) in [
            (Some("127.0.0.1"), true),
            (Some("127.8.9.1"), true),
            (Some("::1"), true),
            (Some("::ffff:127.0.0.1"), true),
            (Some("192.0.2.1"), false),
            (Some("2001:db8::1"), false),
            // A connection that came by a stream of the user's.
            (None, false),
        ] {
            let mut rpc = Rpc::new(Body::empty());
            let address = peer.map(|peer| peer.parse().expect("an address"));
            let socket = Socket::new(tokio::io::empty(), address);
            rpc.extensions_mut().insert(socket.connect_info());
            assert_eq!(check(&rpc).is_ok(), allowed, "{peer:?}");
        }
        let within = Rpc::new(Body::empty());
        assert!(check(&within).is_ok());
    }

    #[test]
    fn a_page_is_of_this_machine_by_its_host_alone() {
        for (origin, expected) in [
            (None, true),
            (Some("http://localhost:3000"), true),
            (Some("http://127.0.0.1"), true),
            (Some("http://[::1]:8080"), true),
            (Some("https://example.com"), false),
            (Some("https://localhost.example.com"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_of_this_machine(&headers), expected, "{origin:?}");
        }
    }
}
