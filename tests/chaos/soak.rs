//! Many calls over connections that keep breaking: what is held for them does not grow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::{ApiGateway, Transport};
use futures_util::future::join_all;
use tokio::runtime::{Builder, Handle};

use crate::proxy::{Act, End, Orders, Proxy};
use crate::run::{API, PARENT};
use crate::source::TOKEN;

/// How many calls are under way over each transport.
const AT_ONCE: usize = 8;

/// How much the process may have grown from the second fifth of the calls to the last. A leak of 300 bytes in
/// each of the 12,000 calls between is more.
const GROWTH: usize = 3 << 20;

/// What the connections go through, over and over.
const TROUBLE: [Orders; 7] = [
    Orders::PASS,
    Orders::all(Act::Down(700, End::Reset)),
    Orders::PASS,
    Orders::all(Act::Down(2000, End::Close)),
    Orders::all(Act::Down(100, End::Lose(7))),
    Orders::all(Act::Reset),
    Orders::all(Act::NoHttp2),
];

/// What a client holds when nothing is under way and no connection is open.
#[derive(Clone, Copy, Debug)]
struct Held {
    tasks: usize,
    connections: usize,
    memory: Option<usize>,
}

#[test]
fn twenty_thousand_calls_over_breaking_connections_leave_nothing_behind() {
    let _alone = crate::alone();
    let calls = std::env::var("CHAOS_CALLS").map_or(20_000, |it| it.parse().expect("a number"));
    let servers = crate::servers();
    let client = Builder::new_current_thread().enable_all().build();
    let client = client.expect("a runtime");
    client.block_on(soak(calls, servers.handle()));
}

async fn soak(calls: usize, servers: &Handle) {
    let (proxy, _server) = servers.spawn(start()).await.expect("it does not panic");
    let clients = [Transport::Grpc, Transport::Rest].map(|transport| {
        ApiGateway::builder()
            .endpoint(proxy.endpoint())
            .transport(transport)
            .access_token(TOKEN)
            .timeout(Duration::from_millis(400))
            .keepalive(Duration::from_millis(300), Duration::from_secs(1))
            .retry(RetryPolicy::NEVER)
            .build()
            .expect("valid")
    });
    let failed = AtomicUsize::new(0);
    let mut held = Vec::new();
    for _ in 0..5 {
        fifth(&clients, calls / 5, &proxy, &failed).await;
        held.push(settled(&proxy).await);
    }
    let failed = failed.into_inner();
    println!("{calls} calls, {failed} failed; after each fifth: {held:?}");
    assert!(failed > calls / 100, "there was no trouble: {failed}");
    assert!(
        failed < calls / 2,
        "there was nothing but trouble: {failed}"
    );
    let (second, last) = (held[1], held[4]);
    assert_eq!(second.tasks, last.tasks, "tasks");
    assert_eq!((second.connections, last.connections), (0, 0));
    if let (Some(second), Some(last)) = (second.memory, last.memory) {
        assert!(last < second + GROWTH, "from {second} to {last} bytes");
    }
}

async fn start() -> (Proxy, Server) {
    let emulator = Emulator::builder().require_token(TOKEN).build();
    let within = ApiGateway::builder().with_transport(emulator.service());
    let within = within.access_token(TOKEN).build().expect("valid");
    let created = within.create_api(PARENT, "a", Api::default()).await;
    created.expect("started").await.expect("an api");
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    let proxy = Proxy::start(server.address()).await.expect("a free port");
    (proxy, server)
}

/// So many calls, half of them over each transport, while the trouble goes around.
async fn fifth(clients: &[ApiGateway; 2], calls: usize, proxy: &Proxy, failed: &AtomicUsize) {
    let made = AtomicUsize::new(0);
    let lanes = (0..2 * AT_ONCE).map(|lane| {
        let (client, made) = (&clients[lane % 2], &made);
        async move {
            while made.fetch_add(1, Ordering::SeqCst) < calls {
                match client.get_api(API).await {
                    Ok(api) => assert_eq!(api.name, API),
                    Err(error) => {
                        assert!(error.code().is_some(), "{error}");
                        failed.fetch_add(1, Ordering::SeqCst);
                        // As a caller would, who does not ask again at once.
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        }
    });
    let troubling = async {
        for orders in TROUBLE.into_iter().cycle() {
            proxy.order(orders);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    };
    tokio::select! {
        _ = join_all(lanes) => {}
        () = troubling => {}
    }
}

/// What is held once all connections are closed.
async fn settled(proxy: &Proxy) -> Held {
    proxy.order(Orders::all(Act::Close));
    let began = Instant::now();
    let mut tasks = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = Handle::current().metrics().num_alive_tasks();
        let still = now == std::mem::replace(&mut tasks, now);
        let late = began.elapsed() > Duration::from_secs(5);
        if (still && proxy.open() == 0) || late {
            return Held {
                tasks,
                connections: proxy.open(),
                memory: memory(),
            };
        }
    }
}

/// The bytes of this process that are in memory, where `/proc` tells.
fn memory() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: usize = pages.split(' ').nth(1)?.parse().ok()?;
    Some(resident * 4096)
}
