//! Several emulators in one process, and emulators on a port.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api;
use apigateway_grpc::tonic::Code;

use crate::{API, create, get, over};

#[tokio::test]
async fn emulators_of_one_process_share_no_state_and_clones_share_all() {
    let (one, other) = (Emulator::builder().build(), Emulator::builder().build());
    create(&over(&one), "a").await.expect("a new api");
    assert_eq!(
        get(&over(&one.clone()), API)
            .await
            .expect("the same")
            .state(),
        api::State::Active
    );
    assert_eq!(
        get(&over(&other), API).await.expect_err("another").code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_server_serves_until_it_is_stopped_or_dropped() {
    let emulator = Emulator::builder().build();
    for stopped in [true, false] {
        let server = emulator.start("127.0.0.1:0").await.expect("a free port");
        assert_ne!(server.address().port(), 0);
        let builder = ApiGateway::builder()
            .endpoint(server.endpoint())
            .retry(RetryPolicy::NEVER);
        let client = builder.anonymous().build().expect("valid");
        let name = create(&client, &format!("stopped-{stopped}"))
            .await
            .expect("a new api")
            .name;
        assert!(
            client
                .get_operation(&name)
                .await
                .expect("an operation")
                .done
        );
        if stopped {
            server.stop().await.expect("ended");
        } else {
            drop(server);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(
            client
                .get_operation(&name)
                .await
                .expect_err("ended")
                .is_unavailable()
        );
        // The state survives the server.
        over(&emulator)
            .get_operation(&name)
            .await
            .expect("still there");
    }
}

/// Nothing is accepted during this test, since it never yields to the task of the server.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_hundred_connections_wait_to_be_accepted() {
    const COUNT: usize = 200;
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("on Linux");
    if most.trim().parse::<usize>().expect("a number") < COUNT {
        return;
    }
    let server = Emulator::builder().start().await.expect("a free port");
    let connect = |_| {
        std::net::TcpStream::connect_timeout(&server.address(), Duration::from_secs(10))
            .expect("the queue has room")
    };
    let connections: Vec<_> = (0..COUNT).map(connect).collect();
    assert_eq!(connections.len(), COUNT);
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let emulator = Emulator::builder().build();
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    let error = emulator.start(server.address()).await.expect_err("in use");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
