//! Names with several addresses, of which some are dead. A listener whose queue is full drops further connections
//! on the floor (Linux).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::transport::connect::{Connector, Custom, Link, Protocols, Target, Through, tls};

/// A listener that answers nobody any more, and what keeps it so.
struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _filling: Vec<TcpStream>,
}

impl Full {
    async fn at(address: SocketAddr) -> Self {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        socket.bind(address).expect("a free port");
        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("it listens");
        let mut filling = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            filling.push(connected.expect("there is room"));
            assert!(filling.len() < 64, "the queue is never full here");
        }
        Self {
            address,
            _listener: listener,
            _filling: filling,
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

/// Connects to a name that has these addresses. How long that took is told as well.
async fn connect(addresses: &[SocketAddr], timeout: Duration) -> (Result<Link, String>, Duration) {
    let addresses = addresses.to_vec();
    let resolver = tower::service_fn(move |_: Name| {
        let addresses = addresses.clone();
        async { Ok::<_, io::Error>(addresses.into_iter()) }
    });
    let tcp = Tcp::new(resolver, timeout);
    let connector = tower::service_fn(move |uri| {
        let tcp = tcp.clone();
        async move { tcp.connect(uri).await.map(hyper_util::rt::TokioIo::new) }
    });
    let target = Target {
        uri: Uri::from_static("http://gateway.test/"),
        connect_timeout: timeout,
        tls: tls::Options::default(),
        through: Through::Nothing,
        connector: Some(Custom::new(connector)),
    };
    let connector = Connector::new(&target, Protocols::Http2).expect("valid");
    let began = Instant::now();
    let connected = connector.connect().await;
    let connected = connected.map_err(|error| error.source().expect("why").to_string());
    (connected, began.elapsed())
}

#[tokio::test]
async fn where_one_family_of_addresses_is_dead_the_other_one_is_tried_soon() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        // This machine has no second family.
        return;
    }
    let dead = Full::at((Ipv6Addr::LOCALHOST, 0).into()).await;
    let (_listener, living) = listener().await;
    for timeout in [Duration::from_secs(60), Duration::from_millis(400)] {
        let (connected, took) = connect(&[dead.address, living], timeout).await;
        connected.expect("a connection over IPv4");
        assert!(took < timeout.min(Duration::from_secs(20)), "{took:?}");
    }
}

#[tokio::test]
async fn dead_addresses_do_not_use_up_the_time_of_one_that_lives() {
    let (one, other) = (Full::v4().await, Full::v4().await);
    let (_listener, living) = listener().await;
    let addresses = [one.address, other.address, living];
    let timeout = Duration::from_secs(3);
    let (connected, took) = connect(&addresses, timeout).await;
    connected.expect("a connection to the third");
    assert!(took >= timeout * 2 / 3, "{took:?}");
}

#[tokio::test]
async fn where_all_addresses_are_dead_it_is_told_as_the_timeout() {
    let (one, other) = (Full::v4().await, Full::v4().await);
    let expected =
        "cannot connect to http://gateway.test: no connection within 300ms, still waiting for TCP";
    for addresses in [&[one.address][..], &[one.address, other.address]] {
        let (connected, _) = connect(addresses, Duration::from_millis(300)).await;
        assert_eq!(connected.err().as_deref(), Some(expected));
    }
    // The first address was given up, the second one refuses.
    let (listener, refusing) = listener().await;
    drop(listener);
    let (connected, took) = connect(&[one.address, refusing], Duration::from_secs(2)).await;
    let expected =
        "cannot connect to http://gateway.test: no connection within 2s, still waiting for TCP";
    assert_eq!(connected.err().as_deref(), Some(expected));
    assert!(took < Duration::from_secs(2), "{took:?}");
}
