//! The memory of `apigw emulator` after many concurrent calls.
#![cfg(target_os = "linux")]

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;

use super::emulator::Emulator;

/// Number of connections, each with 200 streams. `CONNECTIONS` sets another number.
const CONNECTIONS: usize = 60;
const STREAMS: usize = 200;

/// Memory in MiB that may stay resident beyond that of an emulator that has served one connection.
const KEPT: usize = 24;

/// Opens connections with streams that all wait for their responses at once.
async fn load(address: &str, connections: usize) {
    let mut open = Vec::new();
    for _ in 0..connections {
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let (client, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
        let driving = tokio::spawn(async move { connection.await.ok() });
        let mut client = client.ready().await.expect("open");
        let mut responses = Vec::new();
        for _ in 0..STREAMS {
            let request = Request::post(format!(
                "http://{address}/google.longrunning.Operations/GetOperation"
            ));
            let request = request.header("content-type", "application/grpc");
            let request = request.body(()).expect("valid");
            client = client.ready().await.expect("room for a stream");
            let (response, mut body) = client.send_request(request, false).expect("open");
            body.send_data(Bytes::from_static(&[0; 5]), true)
                .expect("open");
            responses.push(response);
        }
        open.push((client, driving, responses));
    }
    for (client, driving, responses) in open {
        for response in responses {
            response.await.expect("a response");
        }
        drop(client);
        driving.await.expect("no panic");
    }
}

/// Returns the resident memory of a process in MiB.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("a process");
    let pages = status.split(' ').nth(1).expect("a second field");
    pages.parse::<usize>().expect("a number") * 4096 / (1 << 20)
}

#[test]
fn memory_is_returned_after_many_concurrent_calls() {
    let connections = std::env::var("CONNECTIONS").ok();
    let connections = connections.and_then(|text| text.parse().ok());
    let connections = connections.unwrap_or(CONNECTIONS);
    let emulator = Emulator::start("0s");
    let address = emulator.endpoint.trim_start_matches("http://").to_owned();
    let pid = emulator.pid();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(load(&address, 1));
    let before = resident(pid);
    // All calls are in progress at once.
    emulator.inject(r#"{"method": "GetOperation", "always": true, "delay": "10s"}"#);
    let peak = runtime.block_on(async {
        let loading = tokio::spawn({
            let address = address.clone();
            async move { load(&address, connections).await }
        });
        let mut peak = 0;
        while !loading.is_finished() {
            peak = peak.max(resident(pid));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        loading.await.expect("no panic");
        peak
    });
    // The allocator returns pages shortly after they are free.
    let mut after = resident(pid);
    for _ in 0..50 {
        if after <= before + KEPT {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        after = resident(pid);
    }
    println!("{connections} connections: {before} MiB before, {peak} MiB, {after} MiB after");
    assert!(after <= before + KEPT, "{before} {peak} {after}");
}
