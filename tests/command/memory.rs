//! The memory of `apigw emulator` after many calls.
#![cfg(target_os = "linux")]

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;

use super::emulator::Emulator;

/// Number of calls after which the log of calls and the buffers have their full size.
const WARM_UP: usize = 5_000;
const CALLS: usize = 30_000;
const ROUNDS: usize = 4;
const CONCURRENT: usize = 100;

/// Memory in MiB by which the process may grow in a round: about 280 bytes a call.
const GROWTH: usize = 8;

/// Makes calls, a number of them at once.
async fn call(client: &mut SendRequest<Bytes>, address: &str, calls: usize) {
    for _ in 0..calls / CONCURRENT {
        let mut responses = Vec::new();
        for _ in 0..CONCURRENT {
            let path = "google.longrunning.Operations/GetOperation";
            let request = Request::post(format!("http://{address}/{path}"));
            let request = request.header("content-type", "application/grpc");
            let request = request.body(()).expect("valid");
            *client = client.clone().ready().await.expect("room for a stream");
            let (response, mut body) = client.send_request(request, false).expect("open");
            let message = Bytes::from_static(&[0; 5]);
            body.send_data(message, true).expect("open");
            responses.push(response);
        }
        for response in responses {
            response.await.expect("a response");
        }
    }
}

/// Returns the resident memory of a process in MiB.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("a process");
    let pages = status.split(' ').nth(1).expect("a second field");
    pages.parse::<usize>().expect("a number") * 4096 / (1 << 20)
}

#[test]
fn calls_do_not_increase_the_memory_of_the_process() {
    let emulator = Emulator::start("0s");
    let address = emulator.endpoint.trim_start_matches("http://").to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let tcp = TcpStream::connect(&address).await.expect("it listens");
        let (mut client, connection) = h2::client::handshake(tcp).await.expect("HTTP/2");
        tokio::spawn(async move { connection.await.ok() });
        call(&mut client, &address, WARM_UP).await;
        let mut sizes = vec![resident(emulator.pid())];
        // A leak grows the process in every round. A busy machine may need larger buffers once.
        for _ in 0..ROUNDS {
            call(&mut client, &address, CALLS).await;
            let after = resident(emulator.pid());
            let before = sizes.last().copied().expect("one at least");
            if after <= before + GROWTH {
                return;
            }
            sizes.push(after);
        }
        panic!("the process grows in every round; its sizes in MiB: {sizes:?}");
    });
}
