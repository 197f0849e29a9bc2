//! Plain HTTP/1.1 requests to an emulator on a port.

use std::time::Duration;

use apigateway_grpc::emulator::Server;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The response, which ends with the connection.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The response head in lower case.
    #[cfg_attr(
        not(feature = "auth"),
        expect(dead_code, reason = "read by the tests of tokens only")
    )]
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// Sends a request. The first line has the verb and the path.
pub(crate) async fn send(server: &Server, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.expect("listens");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    let limit = Duration::from_secs(120);
    tokio::time::timeout(limit, read)
        .await
        .expect("it ends")
        .expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    Answer {
        status: status.parse().expect("a number"),
        head: head.to_lowercase(),
        body: serde_json::from_str(body).expect("JSON"),
    }
}

/// Returns the body of a response with status 200.
pub(crate) async fn ok(server: &Server, line: &str, body: &str) -> Value {
    let answer = send(server, line, "content-type: application/json\r\n", body).await;
    assert_eq!(answer.status, 200, "{line} {body}: {}", answer.body);
    answer.body
}
