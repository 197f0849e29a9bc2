//! GOAWAY storms under load: connections last 300 ms, and no read and no create fails.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest};
use apigateway_grpc::{ApiGateway, Transport};
use futures_util::future::join_all;
use tokio::runtime::{Builder, Handle};

use crate::fault::{Fault, Outcome};
use crate::front::{Front, Habit};
use crate::proxy::Proxy;
use crate::row::{Row, table};
use crate::run::{API, PARENT};
use crate::source::TOKEN;

/// Minimum time during which new calls are started: long enough for three connections in a row.
const STORM: Duration = Duration::from_millis(1000);

const AGE: Habit = Habit::Age(Duration::from_millis(300));

const fn storm(name: &'static str, how: &'static str) -> Fault {
    Fault::server(name, how, AGE, Outcome::Answered)
}

/// The storms, each with its number of concurrent calls.
static STORMS: [(usize, Fault); 3] = [
    (
        1,
        storm(
            "GOAWAY storm, 1 call",
            "GOAWAY on a connection after 300 ms, 1 concurrent call",
        ),
    ),
    (
        100,
        storm(
            "GOAWAY storm, 100 calls",
            "the same with 100 concurrent calls",
        ),
    ),
    (
        1000,
        storm(
            "GOAWAY storm, 1,000 calls",
            "the same with 1,000 concurrent calls",
        ),
    ),
];

#[test]
fn no_call_fails_when_connections_go_away_gracefully() {
    let _alone = crate::alone();
    let servers = crate::servers();
    let client = Builder::new_current_thread().enable_all().build();
    let client = client.expect("a runtime");
    let rows: Vec<Row> = STORMS
        .iter()
        .map(|(at_once, fault)| client.block_on(meet(fault, *at_once, servers.handle())))
        .collect();
    println!("{}", table(&rows));
    for row in rows {
        assert_eq!(
            (row.failed, row.wrong, row.lost),
            (0, 0, 0),
            "{:?}",
            row.complaints
        );
        assert!(row.complaints.is_empty(), "{:?}", row.complaints);
    }
}

async fn start() -> (Emulator, Front, Proxy) {
    let emulator = Emulator::builder().require_token(TOKEN).build();
    let within = ApiGateway::builder().transport_service(emulator.service());
    let within = within.access_token(TOKEN).build().expect("valid");
    let created = within.create_api(PARENT, "a", Api::default()).await;
    created.expect("started").await.expect("an api");
    let on = Arc::new(AtomicBool::new(true));
    let front = Front::start(emulator.service(), AGE, on).await;
    let front = front.expect("a free port");
    let proxy = Proxy::start(front.address).await.expect("a free port");
    (emulator, front, proxy)
}

async fn meet(fault: &'static Fault, at_once: usize, servers: &Handle) -> Row {
    let (emulator, _front, proxy) = servers.spawn(start()).await.expect("it does not panic");
    let client = ApiGateway::builder()
        .endpoint(proxy.endpoint())
        .access_token(TOKEN)
        .timeout(Duration::from_secs(300))
        .retry(RetryPolicy::NEVER)
        .build()
        .expect("valid");
    let began = Instant::now();
    let lanes = (0..at_once).map(|lane| {
        let client = &client;
        async move {
            let mut ended = Vec::new();
            // Each lane makes at least one read and one create.
            while ended.len() < 2 || began.elapsed() < STORM {
                let call = ended.len();
                let ending = if call % 2 == 0 {
                    client.get_api(API).await.map(|api| api.name == API)
                } else {
                    let request = CreateApiRequest {
                        parent: PARENT.into(),
                        api_id: format!("new-{lane}-{call}"),
                        api: None,
                    };
                    let created = client.service_client().create_api(request).await;
                    created
                        .map(|it| !it.into_inner().name.is_empty())
                        .map_err(Into::into)
                };
                ended.push(ending);
            }
            ended
        }
    });
    let mut row = Row::new(fault, Transport::Grpc);
    let ended = tokio::time::timeout(Duration::from_secs(600), join_all(lanes)).await;
    let ended = ended.expect("all of them end");
    let made: usize = ended.iter().map(|its| its.len() / 2).sum();
    let made = u64::try_from(made).expect("it is small");
    for ending in ended.into_iter().flatten() {
        row.calls += 1;
        match ending {
            Ok(right) => row.wrong += usize::from(!right),
            Err(error) => {
                row.failed += 1;
                row.complain(format!("{:?}: {error}", error.code()));
            }
        }
    }
    // `start` made one create of its own.
    let creates = emulator.call_count(Method::CREATE_API) - 1;
    row.complain_if(
        creates != made,
        format!("{made} creates were called, {creates} were received"),
    );
    row
}
