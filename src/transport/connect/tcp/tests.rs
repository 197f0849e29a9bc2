//! Tests of names with several addresses, some of which do not answer. Such an address is a listener with a full queue: Linux
//! drops further connections silently.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::transport::connect::tls::TlsOptions;
use crate::transport::connect::{
    ConnectConfig, Connector, CustomConnector, IoStream, Protocols, ProxyMode,
};

/// An address that does not answer: a listener, and the connections that fill its queue.
struct DeadAddress {
    address: SocketAddr,
    _listener: TcpListener,
    _connections: Vec<TcpStream>,
}

impl DeadAddress {
    async fn at(address: SocketAddr) -> Self {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        socket.bind(address).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("it listens");
        let mut connections = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            connections.push(connected.expect("the queue has room"));
            assert!(connections.len() < 64, "the queue is never full here");
        }
        Self {
            address,
            _listener: listener,
            _connections: connections,
        }
    }

    async fn v4() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into()).await
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = listener.await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    (listener, address)
}

/// Connects to a name with these addresses. Returns the result and the duration.
async fn connect(
    addresses: &[SocketAddr],
    timeout: Duration,
) -> (Result<IoStream, String>, Duration) {
    let addresses = addresses.to_vec();
    let resolver = tower::service_fn(move |_: Name| {
        let addresses = addresses.clone();
        async { Ok::<_, io::Error>(addresses.into_iter()) }
    });
    let tcp = TcpConnector::new(resolver, timeout);
    let custom = tower::service_fn(move |uri| {
        let tcp = tcp.clone();
        async move { tcp.connect(uri).await.map(hyper_util::rt::TokioIo::new) }
    });
    let config = ConnectConfig {
        uri: Uri::from_static("http://gateway.test/"),
        variable: None,
        connect_timeout: timeout,
        tls: TlsOptions::default(),
        proxy: ProxyMode::Direct,
        connector: Some(CustomConnector::new(custom)),
    };
    let connector = Connector::new(&config, Protocols::Http2).expect("valid");
    let began = Instant::now();
    let result = connector.connect().await;
    let result = result.map_err(|error| error.source().expect("a cause").to_string());
    (result, began.elapsed())
}

#[tokio::test]
async fn if_one_address_family_is_dead_the_other_one_is_tried_soon() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        // This machine has no IPv6.
        return;
    }
    let dead = DeadAddress::at((Ipv6Addr::LOCALHOST, 0).into()).await;
    let (_listener, live) = listener().await;
    let addresses = [dead.address, live];
    let (result, elapsed) = connect(&addresses, Duration::from_secs(120)).await;
    result.expect("a connection over IPv4");
    assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
    within_some_timeout(Duration::from_millis(400), &addresses).await;
}

/// Connects with growing timeouts until an attempt succeeds, since a slow machine may need a longer timeout. Returns the
/// duration of that attempt as a fraction of its timeout.
async fn within_some_timeout(shortest: Duration, addresses: &[SocketAddr]) -> f64 {
    let mut errors = Vec::new();
    for factor in [1, 5, 25] {
        let timeout = shortest * factor;
        match connect(addresses, timeout).await {
            (Ok(_), elapsed) => return elapsed.as_secs_f64() / timeout.as_secs_f64(),
            (Err(error), _) => errors.push(error),
        }
    }
    panic!("no connection: {errors:?}");
}

#[tokio::test]
async fn dead_addresses_leave_time_for_a_live_one() {
    let (one, other) = (DeadAddress::v4().await, DeadAddress::v4().await);
    let (_listener, live) = listener().await;
    let addresses = [one.address, other.address, live];
    let elapsed = within_some_timeout(Duration::from_secs(3), &addresses).await;
    // Each dead address has its third of the time.
    assert!(elapsed > 0.66, "{elapsed}");
}

#[tokio::test]
async fn if_all_addresses_are_dead_the_error_is_the_connect_timeout() {
    let (one, other) = (DeadAddress::v4().await, DeadAddress::v4().await);
    let expected = "cannot connect to http://gateway.test: no connection within 300ms, still opening the TCP connection";
    for addresses in [&[one.address][..], &[one.address, other.address]] {
        let (result, _) = connect(addresses, Duration::from_millis(300)).await;
        assert_eq!(result.err().as_deref(), Some(expected));
    }
    // The attempt at the first address times out, and the second address refuses.
    let (listener, refusing) = listener().await;
    drop(listener);
    let mut times = Vec::new();
    for seconds in [2, 10, 50] {
        let timeout = Duration::from_secs(seconds);
        let (result, elapsed) = connect(&[one.address, refusing], timeout).await;
        let expected = format!(
            "cannot connect to http://gateway.test: no connection within {seconds}s, still opening the TCP connection"
        );
        assert_eq!(result.err(), Some(expected));
        if elapsed < timeout {
            return;
        }
        times.push(elapsed);
    }
    panic!("the refusal did not end the attempt: {times:?}");
}
