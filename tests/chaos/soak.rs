//! Many calls over connections that keep breaking. Memory, tasks and connections do not grow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::{ApiGateway, Transport};
use futures_util::future::join_all;
use h2::Reason;
use tokio::runtime::{Builder, Handle};

use crate::fault::{HALF_OPEN, REFUSING};
use crate::front::{Front, Habit};
use crate::proxy::{Act, End, Orders, Proxy};
use crate::row::named;
use crate::run::{API, PARENT};
use crate::source::TOKEN;

/// Number of concurrent calls over each transport.
const AT_ONCE: usize = 32;

/// Number of calls, unless the environment sets another one.
const CALLS: usize = 100_000;

/// Number of calls of a client with the fallback before it is replaced by a new one, which begins with gRPC.
const LIFE: usize = 100;

/// How much the process may grow in a fifth of the calls. A leak of 70 bytes a call exceeds it in every fifth. The test fails
/// only if the process grows by more in each of the last three fifths, since a busy machine may need larger buffers in one.
const GROWTH: usize = 4 << 18;

/// Maximum number of tasks of a client besides those of connections: each of its pools may have an idle check.
const LOOKING: usize = 2;

/// The faults of the connections, repeated in turn, each for [`STEP`].
const TROUBLE: [Orders; 12] = [
    Orders::PASS,
    Orders::all(Act::Down(700, End::Reset)),
    HALF_OPEN,
    Orders::PASS,
    Orders::all(Act::Down(2000, End::Close)),
    Orders::all(Act::Down(100, End::Lose(7))),
    Orders::PASS,
    REFUSING,
    Orders::all(Act::Reset),
    Orders::PASS,
    Orders::all(Act::Down(15, End::Close)),
    Orders::all(Act::NoHttp2),
];
const STEP: Duration = Duration::from_millis(40);

/// The behaviours of the gRPC servers in turn, each for one round of the network faults.
const HABITS: [Habit; 3] = [
    Habit::Age(Duration::from_millis(60)),
    Habit::Resets(3, Reason::INTERNAL_ERROR),
    Habit::Resets(2, Reason::REFUSED_STREAM),
];

const TRANSPORTS: [Transport; 3] = [
    Transport::Grpc,
    Transport::Rest,
    Transport::GrpcWithRestFallback,
];

/// The tasks, connections and memory that are left after all calls have ended and the proxies have closed the connections.
#[derive(Clone, Copy, Debug)]
struct Held {
    tasks: usize,
    connections: usize,
    memory: Option<usize>,
}

/// The results of the calls over a transport.
#[derive(Debug, Default)]
struct Ended {
    answered: AtomicUsize,
    failed: AtomicUsize,
    /// Dropped by the caller, at any moment.
    dropped: AtomicUsize,
}

/// The servers and the proxies in front of them. Faults of HTTP/2 are for gRPC only.
struct Beyond {
    server: Server,
    fronts: Vec<Front>,
    /// For the client over gRPC. It leads to the server and to each front in turn.
    grpc: Proxy,
    /// For the clients over REST and with the fallback. It always leads to the server.
    both: Proxy,
}

#[test]
fn tens_of_thousands_of_calls_over_breaking_connections_leak_nothing() {
    let _alone = crate::alone();
    let calls = std::env::var("CHAOS_CALLS").map_or(CALLS, |it| it.parse().expect("a number"));
    let servers = crate::servers();
    let client = Builder::new_current_thread().enable_all().build();
    let client = client.expect("a runtime");
    client.block_on(soak(calls, servers.handle()));
}

async fn soak(calls: usize, servers: &Handle) {
    let began = Instant::now();
    let beyond = servers.spawn(start()).await.expect("it does not panic");
    let clients = TRANSPORTS.map(|transport| beyond.client(transport));
    let ended = TRANSPORTS.map(|_| Ended::default());
    let mut held = Vec::new();
    for _ in 0..5 {
        fifth(&beyond, &clients, calls / 5, &ended).await;
        held.push(settled(&beyond, 3 * LOOKING).await);
    }
    drop(clients);
    held.push(settled(&beyond, 0).await);
    for (transport, ended) in TRANSPORTS.iter().zip(&ended) {
        println!("{}: {ended:?}", named(*transport));
    }
    println!(
        "{calls} calls in {:?}; after each fifth, and without the clients: {held:?}",
        began.elapsed()
    );
    for (transport, ended) in TRANSPORTS.iter().zip(ended) {
        let [answered, failed, dropped] = [ended.answered, ended.failed, ended.dropped];
        let ended = [answered, failed, dropped].map(AtomicUsize::into_inner);
        // Each result occurred often.
        let enough = ended.iter().all(|some| *some > calls / 300);
        assert!(enough, "{}: {ended:?}", named(*transport));
    }
    for held in &held[..5] {
        assert!(
            held.tasks <= 3 * LOOKING && held.connections == 0,
            "{held:?}"
        );
    }
    assert_eq!((held[5].tasks, held[5].connections), (0, 0));
    let sizes: Vec<usize> = held[1..5].iter().filter_map(|held| held.memory).collect();
    let mut fifths = sizes.windows(2);
    let grows = fifths.all(|sizes| sizes[1] > sizes[0] + GROWTH);
    assert!(
        !grows || sizes.len() < 2,
        "the process grew in each of the last three fifths: {sizes:?}"
    );
}

async fn start() -> Beyond {
    let emulator = Emulator::builder().require_token(TOKEN).build();
    let within = ApiGateway::builder().transport_service(emulator.service());
    let within = within.access_token(TOKEN).build().expect("valid");
    let created = within.create_api(PARENT, "a", Api::default()).await;
    created.expect("started").await.expect("an api");
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    let mut fronts = Vec::new();
    for habit in HABITS {
        let on = std::sync::Arc::new(true.into());
        let front = Front::start(emulator.service(), habit, on).await;
        fronts.push(front.expect("a free port"));
    }
    Beyond {
        grpc: Proxy::start(server.address()).await.expect("a free port"),
        both: Proxy::start(server.address()).await.expect("a free port"),
        server,
        fronts,
    }
}

impl Beyond {
    fn client(&self, transport: Transport) -> ApiGateway {
        let proxy = match transport {
            Transport::Grpc => &self.grpc,
            _ => &self.both,
        };
        ApiGateway::builder()
            .endpoint(proxy.endpoint())
            .transport(transport)
            .access_token(TOKEN)
            .timeout(Duration::from_millis(250))
            .keepalive(Duration::from_millis(100), Duration::from_millis(100))
            .retry(RetryPolicy::NEVER)
            // Few streams a connection, so that the client opens several connections and some calls wait for a stream.
            .max_streams(6)
            .build()
            .expect("valid")
    }

    /// Changes the faults of both proxies, and the server behind the proxy `grpc`. Never ends.
    async fn trouble(&self) {
        let servers = [self.server.address()].into_iter();
        let servers = servers.chain(self.fronts.iter().map(|front| front.address));
        for server in servers.collect::<Vec<_>>().into_iter().cycle() {
            self.grpc.lead_to(server);
            // Connections to the previous server end.
            self.grpc.order(Orders::all(Act::Close));
            for (step, orders) in TROUBLE.into_iter().enumerate() {
                // The proxies have different faults at the same time.
                self.grpc.order(orders);
                self.both
                    .order(TROUBLE[(step + TROUBLE.len() / 2) % TROUBLE.len()]);
                tokio::time::sleep(STEP).await;
            }
        }
    }

    fn open(&self) -> usize {
        self.grpc.open() + self.both.open()
    }
}

/// Makes this many calls, a third over each transport, while the faults change.
async fn fifth(beyond: &Beyond, clients: &[ApiGateway; 3], calls: usize, ended: &[Ended; 3]) {
    let made = AtomicUsize::new(0);
    let lanes = (0..3 * AT_ONCE).map(|lane| {
        let (ended, made) = (&ended[lane % 3], &made);
        let mut client = clients[lane % 3].clone();
        async move {
            let mut random = lane as u64;
            let mut its = 0;
            while made.fetch_add(1, Ordering::SeqCst) < calls {
                its += 1;
                if TRANSPORTS[lane % 3] == Transport::GrpcWithRestFallback && its % LIFE == 0 {
                    client = beyond.client(Transport::GrpcWithRestFallback);
                }
                // A linear congruential generator, whose upper bits are better.
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let patience = match its % 8 {
                    0 => Duration::from_micros((random >> 33) % 8000),
                    _ => Duration::from_secs(120),
                };
                match tokio::time::timeout(patience, client.get_api(API)).await {
                    Ok(Ok(api)) => {
                        assert_eq!(api.name, API);
                        ended.answered.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(Err(error)) => {
                        assert!(error.code().is_some(), "{error}");
                        ended.failed.fetch_add(1, Ordering::SeqCst);
                        // A pause, since a real caller would not call again immediately.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    Err(_) => {
                        assert!(patience < Duration::from_secs(1), "a call did not end");
                        ended.dropped.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }
    });
    tokio::select! {
        _ = join_all(lanes) => {}
        () = beyond.trouble() => {}
    }
}

/// Returns what is held once all connections are closed and only this many tasks are left, or after two minutes.
async fn settled(beyond: &Beyond, most: usize) -> Held {
    for proxy in [&beyond.grpc, &beyond.both] {
        proxy.order(Orders::all(Act::Close));
    }
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let tasks = Handle::current().metrics().num_alive_tasks();
        let late = began.elapsed() > Duration::from_secs(120);
        if (tasks <= most && beyond.open() == 0) || late {
            return Held {
                tasks,
                connections: beyond.open(),
                memory: memory(),
            };
        }
    }
}

/// Returns the resident memory of this process in bytes, if `/proc` has it.
fn memory() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: usize = pages.split(' ').nth(1)?.parse().ok()?;
    Some(resident * 4096)
}
