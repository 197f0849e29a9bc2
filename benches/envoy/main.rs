//! The programs of the comparison of `TranscodeLayer` with Envoy's JSON transcoder, which `benches/envoy/run` starts:
//!
//! - `server` serves one operation over gRPC, as in the benchmark `get_operation`;
//! - `proxy ENDPOINT` accepts HTTP/JSON and sends gRPC;
//! - `load URL CONNECTIONS REQUESTS` sends GET requests over kept-alive connections.
//!
//! Each program runs in one thread.

mod load;
#[path = "../json/operation.rs"]
mod operation;
mod proxy;
#[expect(dead_code, reason = "the Python program reads the addresses")]
#[path = "../get_operation/server.rs"]
mod server;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    match arguments[..] {
        ["server"] => server::run(),
        ["proxy", endpoint] => proxy::run(endpoint),
        ["load", url, connections, requests] => {
            load::run(url, number(connections), number(requests));
        }
        // `cargo bench` without a name runs every benchmark with `--bench`.
        _ => println!("this program is only for benches/envoy/run, which measures"),
    }
}
