//! Pings of connections with a silent peer, and the treatment of calls on such connections. In process, on a paused clock.
//!
//! An early ping is sent after a second without any answer to a call, before the keepalive interval ends.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::{ApiGateway, Builder, CallOptions, Error};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::connection::builder;
use crate::frames::Peer;
use crate::http2::{Answer, NAME};

const INTERVAL: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The behaviour of the peer of a connection. It answers calls and pings for a time, and ignores later ones.
#[derive(Clone, Copy, Debug)]
struct Behaviour {
    calls: Duration,
    pings: Duration,
    /// True if the first call is answered.
    first_call: bool,
    /// True if the peer reads after the preface.
    reads: bool,
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    streams: u8,
}

impl Behaviour {
    const ALIVE: Self = Self::dies_at(Duration::MAX);
    const SILENT: Self = Self::dies_at(Duration::ZERO);
    /// Calls get no answer, but the connection is alive.
    const SLOW: Self = Self {
        calls: Duration::ZERO,
        ..Self::ALIVE
    };

    const fn dies_at(moment: Duration) -> Self {
        Self {
            calls: moment,
            pings: moment,
            first_call: true,
            reads: true,
            streams: 100,
        }
    }
}

/// The times of received frames, in seconds since the start.
#[derive(Clone, Debug)]
struct Seen {
    began: Instant,
    pings: Arc<Mutex<Vec<u64>>>,
    connections: Arc<Mutex<Vec<u64>>>,
}

impl Seen {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            pings: Arc::default(),
            connections: Arc::default(),
        }
    }

    fn record(&self, what: &Mutex<Vec<u64>>) {
        what.lock()
            .expect("not poisoned")
            .push(self.began.elapsed().as_secs());
    }

    fn pings(&self) -> Vec<u64> {
        self.pings.lock().expect("not poisoned").clone()
    }

    fn connections(&self) -> Vec<u64> {
        self.connections.lock().expect("not poisoned").clone()
    }

    async fn until(&self, second: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(second)).await;
    }
}

/// A client whose first connection has this behaviour. All other connections answer.
fn client(first: Behaviour) -> (ApiGateway, Seen) {
    let (builder, seen) = builder_of(first);
    (builder.build().expect("valid"), seen)
}

fn builder_of(first: Behaviour) -> (Builder, Seen) {
    let seen = Seen::new();
    let noted = seen.clone();
    let connector = tower::service_fn(move |_| {
        // If the peer does not read, the buffer has space for the preface and SETTINGS, but not for a call.
        let (client_end, server_end) = tokio::io::duplex(if first.reads { 1 << 16 } else { 100 });
        let is_first = noted.connections().is_empty();
        noted.record(&noted.connections);
        let behaviour = if is_first { first } else { Behaviour::ALIVE };
        tokio::spawn(serve(server_end, behaviour, noted.clone()));
        async { io::Result::Ok(TokioIo::new(client_end)) }
    });
    let builder = builder("http://duplex")
        .connector(connector)
        .keepalive(INTERVAL, TIMEOUT);
    (builder, seen)
}

async fn serve(stream: DuplexStream, behaviour: Behaviour, seen: Seen) -> io::Result<()> {
    let mut peer = Peer::new(stream).await?;
    peer.settings(&[0, 3, 0, 0, 0, behaviour.streams]).await?;
    if !behaviour.reads {
        return std::future::pending().await;
    }
    loop {
        let frame = peer.read().await?;
        let age = seen.began.elapsed();
        if frame.is_call() && age < behaviour.calls {
            if frame.stream() > 1 || behaviour.first_call {
                peer.reply(frame.stream(), &Answer::message()).await?;
            }
        } else if frame.is_ping() {
            seen.record(&seen.pings);
            if age < behaviour.pings {
                peer.acknowledge(&frame).await?;
            }
        }
    }
}

async fn call(client: &ApiGateway, seconds: u64) -> Result<(), Error> {
    let options = CallOptions::default().timeout(Duration::from_secs(seconds));
    let client = client.with_options(options);
    client.get_operation(NAME).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_call_in_flight_is_pinged_and_stays_open_until_a_ping_is_unanswered() {
    let (client, seen) = client(Behaviour {
        calls: Duration::ZERO,
        pings: Duration::from_secs(70),
        ..Behaviour::ALIVE
    });
    let client = client.with_options(once());
    let error = call(&client, 200)
        .await
        .expect_err("the connection is dead");
    assert!(error.is_unavailable() && !error.is_unsent(), "{error}");
    let why = "the connection is dead: no response to a ping within 10s";
    assert!(error.to_string().ends_with(why), "{error}");
    assert_eq!(seen.pings(), [1, 21, 41, 61, 81]);
    assert_eq!(seen.began.elapsed().as_secs(), 91);
}

fn once() -> CallOptions {
    CallOptions::default().retry(RetryPolicy::NEVER)
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_not_pinged_until_the_first_call_after_a_pause() {
    let (client, seen) = client(Behaviour::ALIVE);
    call(&client, 5).await.expect("an operation");
    seen.until(15).await;
    call(&client, 5).await.expect("an operation");
    seen.until(300).await;
    assert_eq!(seen.pings(), [0; 0]);
    for second in [300, 310, 319, 400] {
        seen.until(second).await;
        call(&client, 5).await.expect("an operation");
    }
    seen.until(1000).await;
    assert_eq!(seen.pings(), [300, 400]);
    assert_eq!(seen.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_keepalive_interval_or_timeout_of_duration_max_never_elapses() {
    for (interval, timeout) in [
        (Duration::MAX, TIMEOUT),
        (INTERVAL, Duration::MAX),
        (Duration::MAX, Duration::MAX),
    ] {
        let (builder, seen) = builder_of(Behaviour::ALIVE);
        let client = builder.keepalive(interval, timeout).build().expect("valid");
        for second in [0, 50, 100] {
            seen.until(second).await;
            call(&client, 5).await.expect("an operation");
        }
        assert_eq!(seen.connections().len(), 1, "{interval:?} {timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_after_a_pause_survives_a_connection_that_died_meanwhile() {
    let (client, seen) = client(Behaviour::dies_at(Duration::from_secs(1)));
    call(&client, 5).await.expect("an operation");
    seen.until(100).await;
    call(&client, 15)
        .await
        .expect("an operation over the second connection");
    assert_eq!((seen.pings(), seen.connections()[1]), (vec![100], 110));
}

#[tokio::test(start_paused = true)]
async fn a_ping_follows_an_unanswered_call_so_that_a_dead_connection_fails_only_one_call() {
    let (client, seen) = client(Behaviour::SILENT);
    let error = call(&client, 2).await.expect_err("no answer");
    assert!(error.is_timeout(), "{error}");
    seen.until(3).await;
    assert_eq!(seen.pings(), [1]);
    call(&client, 2)
        .await
        .expect("an operation over the second connection");
    assert_eq!(seen.connections(), [0, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_period_has_at_most_two_early_pings_and_one_ping_in_each_keepalive_interval() {
    let (client, seen) = client(Behaviour::SLOW);
    for _ in 0..30 {
        call(&client, 1).await.expect_err("no answer");
    }
    seen.until(1000).await;
    assert_eq!(seen.pings(), [1, 3, 23, 43]);
    assert_eq!(seen.connections().len(), 1);
}

/// Calls in flight continue until the keepalive closes the connection, and may be retried then.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_gets_no_new_calls_two_seconds_after_a_call_began() {
    let (client, seen) = client(Behaviour::dies_at(Duration::from_secs(10)));
    call(&client, 5).await.expect("an operation");
    seen.until(12).await;
    let first = client.clone();
    let first = tokio::spawn(async move { call(&first, 60).await });
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for _ in 0..10 {
        call(&client, 1)
            .await
            .expect("an operation over the second connection");
    }
    assert_eq!((seen.pings(), seen.connections()), (vec![13], vec![0, 14]));
    first.await.expect("no panic").expect("the call is retried");
    // The answer to an early ping may come until 30 s: the rest of the keepalive interval, which ends at 20 s, and then the
    // keepalive timeout of 10 s.
    assert_eq!(seen.began.elapsed().as_secs(), 30);
}

/// The slow call caused an early ping, which was answered while the path still worked.
#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_during_a_slow_call_gets_no_new_calls_two_seconds_after_the_next_call()
 {
    let (client, seen) = client(Behaviour {
        first_call: false,
        ..Behaviour::dies_at(Duration::from_secs(5))
    });
    let slow = client.clone();
    let slow = tokio::spawn(async move { call(&slow, 60).await });
    seen.until(8).await;
    call(&client, 3).await.expect_err("the path is dead");
    call(&client, 1)
        .await
        .expect("an operation over the second connection");
    assert_eq!(
        (seen.pings(), seen.connections()),
        (vec![1, 9], vec![0, 11])
    );
    slow.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_stops_reading_gets_no_new_calls() {
    let (client, seen) = client(Behaviour {
        reads: false,
        ..Behaviour::ALIVE
    });
    let first = client.clone();
    let first = tokio::spawn(async move { call(&first, 60).await });
    seen.until(3).await;
    call(&client, 1)
        .await
        .expect("an operation over the second connection");
    assert_eq!(seen.connections(), [0, 3]);
    first.await.expect("no panic").expect("the call is retried");
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_causes_no_ping_while_other_calls_are_answered() {
    let (client, seen) = client(Behaviour {
        first_call: false,
        ..Behaviour::ALIVE
    });
    let slow = client.clone();
    let slow = tokio::spawn(async move { call(&slow, 19).await });
    for _ in 0..38 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        call(&client, 1).await.expect("an operation");
    }
    slow.await.expect("no panic").expect_err("no answer");
    assert_eq!(seen.pings(), [0; 0]);
}

/// The second call waits for the only stream of the only allowed connection.
#[tokio::test(start_paused = true)]
async fn a_silent_connection_does_not_count_against_max_connections() {
    let (builder, seen) = builder_of(Behaviour {
        streams: 1,
        ..Behaviour::SILENT
    });
    let client = builder.max_connections(1).build().expect("valid");
    let first = client.clone();
    let first = tokio::spawn(async move { call(&first, 5).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    call(&client, 4)
        .await
        .expect("an operation over the second connection");
    assert_eq!(seen.connections(), [0, 2]);
    first.await.expect("no panic").expect_err("no answer");
}

/// A ping of the keepalive interval does not count as an early ping.
#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_soon_after_a_keepalive_ping_gets_no_new_calls_two_seconds_after_the_next_call()
 {
    let (client, seen) = client(Behaviour::dies_at(Duration::from_secs(105)));
    for second in [0, 100] {
        seen.until(second).await;
        call(&client, 5).await.expect("an operation");
    }
    seen.until(110).await;
    let first = client.clone();
    let first = tokio::spawn(async move { call(&first, 60).await });
    seen.until(113).await;
    call(&client, 1)
        .await
        .expect("an operation over the second connection");
    assert_eq!(
        (seen.pings(), seen.connections()),
        (vec![100, 111], vec![0, 113])
    );
    first.await.expect("no panic").expect("the call is retried");
}
