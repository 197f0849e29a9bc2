//! The limit on a request head is the same over HTTP/1.1 and HTTP/2.

use apigateway_grpc::emulator::Emulator;

use super::raw::{Link, Port, Way};

#[tokio::test]
async fn a_request_head_above_the_limit_is_431_over_every_protocol() {
    let port = Port::start(Emulator::builder()).await;
    let list = "GET /v1/projects/p/locations/global/apis";
    let long = |length: usize| format!("x-long: {}", "a".repeat(length));
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: a"));
    let filter = |length: usize| format!("{list}?filter={}", "a".repeat(length));
    for (line, headers, expected) in [
        (list.to_owned(), vec![long(15_000)], 200),
        (list.to_owned(), vec![long(17_000)], 431),
        (list.to_owned(), many(90).collect(), 200),
        (list.to_owned(), many(110).collect(), 431),
        (list.to_owned(), (0..17).map(|_| long(1000)).collect(), 431),
        (filter(8000), vec![], 200),
        (filter(17_000), vec![], 431),
        (filter(9000), vec![long(9000)], 431),
    ] {
        for way in [Way::Http1, Way::Http2] {
            let mut sent = vec!["Host: localhost"];
            sent.extend(headers.iter().map(String::as_str));
            let answer = port.send(Link::Tcp, way, &line, &sent).await;
            let first = headers
                .first()
                .map_or("", |header| &header[..8.min(header.len())]);
            assert_eq!(answer.status, expected, "{way:?} {} {first}", line.len());
        }
    }
    let call = "POST /google.longrunning.Operations/GetOperation";
    let long = long(17_000);
    let answer = port
        .send(Link::Tcp, Way::Grpc, call, &["Host: localhost", &long])
        .await;
    assert_eq!(answer.status, 431);
}
