//! Streaming calls through the stack of a contract that is loaded at run time.

use std::sync::Arc;
use std::time::Duration;

use apigateway_grpc::CallOptions;
use apigateway_grpc::contract::Contract;
use apigateway_grpc::google::Client;
use tokio::sync::Notify;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::tables::{
    Frames, Log, Row, SERVICE, TableRequest, client, descriptor_set, message, response, routing,
    trailers,
};

fn contract() -> Contract {
    let contract = Contract::builder(&descriptor_set()).build();
    contract.expect("valid sources")
}

async fn read_rows(client: &Client) -> Result<Streaming<Row>, Status> {
    let path = format!("/{SERVICE}/ReadRows").parse().expect("a path");
    let mut grpc = tonic::client::Grpc::new(client.stack());
    grpc.ready().await?;
    let request = tonic::Request::new(TableRequest {
        table_name: "projects/p/tables/t".into(),
        ..TableRequest::default()
    });
    let codec = ProstCodec::<TableRequest, Row>::default();
    let response = grpc.server_streaming(request, path, codec).await?;
    Ok(response.into_inner())
}

/// Returns the rows of a stream, and the status of its end.
async fn collect(mut stream: Streaming<Row>) -> (Vec<String>, Code) {
    let mut rows = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(row)) => rows.push(row.text),
            Ok(None) => return (rows, Code::Ok),
            Err(status) => return (rows, status.code()),
        }
    }
}

fn attempts(log: &Log) -> usize {
    log.lock().expect("not poisoned").len()
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_is_retried_if_it_fails_before_its_first_message() {
    let (client, log) = client(contract(), |attempt| match attempt {
        0 => Err(Status::unavailable("away")),
        1 => Ok(response(vec![Ok(trailers(Code::Unavailable))], false)),
        2 => Ok(response(vec![Err(Status::unavailable("broken"))], false)),
        _ => {
            let frames: Frames = vec![Ok(message("a")), Ok(message("b")), Ok(trailers(Code::Ok))];
            Ok(response(frames, false))
        }
    });
    let stream = read_rows(&client).await.expect("the fourth attempt");
    assert_eq!(
        collect(stream).await,
        (vec!["a".into(), "b".into()], Code::Ok)
    );
    assert_eq!(attempts(&log), 4);
    let header = routing(&log).expect("a routing header");
    assert_eq!(header, "table_name=projects%2Fp%2Ftables%2Ft");
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_is_retried_if_it_fails_within_its_first_message() {
    let whole = message("hello").into_data().expect("data");
    for cut in 0..whole.len() {
        let whole = whole.clone();
        let (client, log) = client(contract(), move |attempt| {
            let part = |part| Ok(http_body::Frame::data(part));
            let (first, rest) = (part(whole.slice(..cut)), part(whole.slice(cut..)));
            let frames = match attempt {
                0 => vec![first, Ok(trailers(Code::Unavailable))],
                1 => vec![first, Err(Status::unavailable("broken"))],
                _ => vec![first, rest, Ok(message("b")), Ok(trailers(Code::Ok))],
            };
            Ok(response(frames, false))
        });
        let stream = read_rows(&client).await.expect("the third attempt");
        let expected = (vec!["hello".into(), "b".into()], Code::Ok);
        assert_eq!(collect(stream).await, expected, "{cut}");
        assert_eq!(attempts(&log), 3, "{cut}");
    }
}

/// The prefix announces a message above the limit, and no more data follows. The call returns at once, and the generated client
/// rejects the message by its prefix.
#[tokio::test(start_paused = true)]
async fn a_first_message_above_the_limit_is_not_awaited() {
    let (client, _) = client(contract(), |_| {
        let prefix = bytes::Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]);
        Ok(response(vec![Ok(http_body::Frame::data(prefix))], true))
    });
    let stream = read_rows(&client).await.expect("a head");
    assert_eq!(collect(stream).await, (Vec::new(), Code::OutOfRange));
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_is_not_retried_after_its_first_message() {
    let (client, log) = client(contract(), |_| {
        let frames: Frames = vec![Ok(message("a")), Ok(trailers(Code::Unavailable))];
        Ok(response(frames, false))
    });
    let stream = read_rows(&client).await.expect("a first message");
    assert_eq!(collect(stream).await, (vec!["a".into()], Code::Unavailable));
    assert_eq!(attempts(&log), 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_server_stream_ends_without_an_error() {
    let (client, _) = client(contract(), |_| {
        Ok(response(vec![Ok(trailers(Code::Ok))], false))
    });
    let stream = read_rows(&client).await.expect("a stream");
    assert_eq!(collect(stream).await, (Vec::new(), Code::Ok));
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_ends_at_its_deadline_and_has_none_by_default() {
    let (client, log) = client(contract(), |_| Ok(response(vec![Ok(message("a"))], true)));
    let options = CallOptions::default().timeout(Duration::from_secs(3));
    let stream = read_rows(&client.with_options(options))
        .await
        .expect("a first message");
    assert_eq!(
        collect(stream).await,
        (vec!["a".into()], Code::DeadlineExceeded)
    );
    let timeout = |log: &Log| {
        let log = log.lock().expect("not poisoned");
        log.last()
            .expect("a request")
            .headers
            .contains_key("grpc-timeout")
    };
    assert!(timeout(&log));
    read_rows(&client).await.expect("a first message");
    assert!(!timeout(&log));
}

/// The server sends the head of each response, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_whatever_its_requests_and_its_method_are() {
    let (client, _) = client(contract(), |_| Ok(response(Vec::new(), true)));
    let options = CallOptions::default().timeout(Duration::from_secs(3));
    let stack = client.with_options(options).stack();
    for method in ["tables.v1.Tables/WriteRows", "other.v1.Other/Method"] {
        let rows = ["a", "b"].map(|text| Row { text: text.into() });
        let request = tonic::Request::new(futures_util::stream::iter(rows));
        let mut grpc = tonic::client::Grpc::new(stack.clone());
        grpc.ready().await.expect("always ready");
        let path = format!("/{method}").parse().expect("a path");
        let call = grpc.client_streaming(request, path, ProstCodec::<Row, Row>::default());
        let ended = tokio::time::timeout(Duration::from_secs(60), call).await;
        let status = ended.expect("the call has a timeout").expect_err(method);
        assert_eq!(status.code(), Code::DeadlineExceeded, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_ends_at_its_deadline_even_if_messages_are_always_ready() {
    let (client, _) = client(contract(), |_| {
        let frames = std::iter::repeat_with(|| Ok(message("a"))).take(1_000);
        Ok(response(frames.collect(), true))
    });
    let options = CallOptions::default().timeout(Duration::from_millis(1_500));
    let mut stream = read_rows(&client.with_options(options))
        .await
        .expect("a first message");
    let began = tokio::time::Instant::now();
    let status = loop {
        match stream.message().await {
            Ok(row) => assert!(row.is_some(), "the stream stays open"),
            Err(status) => break status,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_that_ends_within_a_message_is_an_error() {
    let whole = message("hello").into_data().expect("data");
    for cut in 1..whole.len() {
        for split in [0, 1, cut] {
            let part = whole.clone();
            let (client, _) = client(contract(), move |_| {
                let parts = [part.slice(..split), part.slice(split..cut)];
                let parts = parts.map(|part| Ok(http_body::Frame::data(part)));
                let frames = [
                    vec![Ok(message("a"))],
                    parts.into(),
                    vec![Ok(trailers(Code::Ok))],
                ];
                Ok(response(frames.into_iter().flatten().collect(), false))
            });
            let stream = read_rows(&client).await.expect("a first message");
            let expected = (vec!["a".into()], Code::Internal);
            assert_eq!(collect(stream).await, expected, "{split}, {cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_stream_that_ends_without_a_status_is_an_error() {
    let (client, _) = client(contract(), |_| Ok(response(vec![Ok(message("a"))], false)));
    let stream = read_rows(&client).await.expect("a first message");
    assert_eq!(collect(stream).await, (vec!["a".into()], Code::Unknown));
}

#[tokio::test(start_paused = true)]
async fn streams_of_requests_have_headers_and_a_deadline_but_no_retries() {
    let (client, log) = client(contract(), |_| Err(Status::unavailable("away")));
    let options = CallOptions::default().timeout(Duration::from_secs(3));
    let stack = client.with_options(options).stack();
    let rows = || {
        let rows = ["a", "b"].map(|text| Row { text: text.into() });
        tonic::Request::new(futures_util::stream::iter(rows))
    };
    let path = |method| format!("/{SERVICE}/{method}").parse().expect("a path");
    let mut grpc = tonic::client::Grpc::new(stack);
    let codec = ProstCodec::<Row, Row>::default;
    grpc.ready().await.expect("always ready");
    let failed = grpc
        .client_streaming(rows(), path("WriteRows"), codec())
        .await;
    assert_eq!(failed.expect_err("away").code(), Code::Unavailable);
    let failed = grpc.streaming(rows(), path("ExchangeRows"), codec()).await;
    assert_eq!(failed.expect_err("away").code(), Code::Unavailable);
    assert_eq!(attempts(&log), 2);
    for head in &*log.lock().expect("not poisoned") {
        for name in ["grpc-timeout", "x-goog-api-client", "user-agent"] {
            assert!(head.headers.contains_key(name), "{name} of {}", head.uri);
        }
    }
}

/// Makes a call that streams its requests.
async fn exchange_rows(client: &Client, path: &str) -> Result<Streaming<Row>, Status> {
    let rows = ["a", "b"].map(|text| Row { text: text.into() });
    let request = tonic::Request::new(futures_util::stream::iter(rows));
    let mut grpc = tonic::client::Grpc::new(client.stack());
    grpc.ready().await?;
    let codec = ProstCodec::<Row, Row>::default();
    let path = path.parse().expect("a path");
    let response = grpc.streaming(request, path, codec).await?;
    Ok(response.into_inner())
}

/// tonic panics on a `grpc-status-details-bin` that is not base64.
#[tokio::test(start_paused = true)]
async fn malformed_details_are_dropped_from_the_end_of_every_kind_of_stream() {
    let (client, _) = client(contract(), |_| {
        let mut end = trailers(Code::InvalidArgument);
        let details = http::HeaderValue::from_static("!");
        let trailers = end.trailers_mut().expect("trailers");
        trailers.insert("grpc-status-details-bin", details);
        Ok(response(vec![Ok(message("a")), Ok(end)], false))
    });
    let streams = [
        read_rows(&client).await,
        exchange_rows(&client, "/tables.v1.Tables/ExchangeRows").await,
        exchange_rows(&client, "/other.v1.Other/Method").await,
    ];
    for stream in streams {
        let ended = collect(stream.expect("a head")).await;
        assert_eq!(ended, (vec!["a".into()], Code::InvalidArgument));
    }
}

/// Serves each call by one row, and resets its stream with this reason once the row has been read.
async fn reset_after_one_row(
    listener: tokio::net::TcpListener,
    reason: h2::Reason,
    read: Arc<Notify>,
) {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let head = http::Response::builder().header("content-type", "application/grpc");
        let head = head.body(()).expect("valid");
        let mut reply = respond.send_response(head, false).expect("it is open");
        let row = message("a").into_data().expect("data");
        reply.send_data(row, false).expect("it is open");
        let read = Arc::clone(&read);
        tokio::spawn(async move {
            read.notified().await;
            reply.send_reset(reason);
            drop(request);
        });
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_after_a_message_has_the_code_of_the_reason() {
    for (reason, code) in [
        (h2::Reason::INTERNAL_ERROR, Code::Internal),
        (h2::Reason::REFUSED_STREAM, Code::Unavailable),
        (h2::Reason::CANCEL, Code::Cancelled),
        (h2::Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let read = Arc::new(Notify::new());
        let server = tokio::spawn(reset_after_one_row(listener, reason, Arc::clone(&read)));
        let builder = Client::builder(contract()).endpoint(format!("http://{address}"));
        let client = builder.anonymous().build().expect("valid settings");
        let streams = [
            read_rows(&client).await,
            exchange_rows(&client, "/tables.v1.Tables/ExchangeRows").await,
        ];
        for stream in streams {
            let mut stream = stream.expect("a head");
            let row = stream.message().await.expect("a row");
            assert_eq!(row.expect("a row").text, "a");
            read.notify_one();
            assert_eq!(collect(stream).await, (Vec::new(), code));
        }
        server.abort();
    }
}
