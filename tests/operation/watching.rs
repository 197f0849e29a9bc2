//! Progress as a stream, and handles that are taken up elsewhere.

use std::time::Duration;

use apigateway_grpc::operation::Snapshot;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, Gateway};
use futures_util::StreamExt as _;

use crate::common::{NAME, ok};
use crate::play::{
    API, WAYS, active, each_way, get, metadata, running, succeeded, talk, with_metadata,
};

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_and_the_last_one_too() {
    let mut further = metadata("create");
    further.status_message = "half".to_owned();
    let further = with_metadata(&further);
    let script = || {
        let same = get(&running());
        vec![
            get(&running()),
            same,
            get(&further),
            get(&further),
            get(&succeeded()),
        ]
    };
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut watch = operation.watch();
        let mut told = Vec::new();
        while let Some(snapshot) = watch.next().await {
            told.push(snapshot.raw().clone());
        }
        let unseen = told.remove(0);
        assert_eq!((unseen.name.as_str(), unseen.metadata), (NAME, None));
        assert_eq!(told, [running(), further.clone(), succeeded()]);
        assert_eq!(watch.result().await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_no_poll_up_and_sees_the_latest() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let mut watch = client.operation::<Api>(NAME).expect("a name").watch();
        for number in 0..5 {
            let mut metadata = metadata("create");
            metadata.status_message = number.to_string();
            let (_, answer) = server.asked().await;
            answer.send_response(ok(&with_metadata(&metadata)));
        }
        server.asked().await.1.send_response(ok(&succeeded()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told: Vec<Snapshot> = watch.by_ref().collect().await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].is_done());
        assert_eq!(watch.result().await.expect("it succeeded"), active());
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_can_be_had_without_reading_the_stream() {
    each_way(
        || vec![get(&running()), get(&succeeded())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            assert_eq!(
                operation.watch().result().await.expect("it succeeded"),
                active()
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_taken_up_by_another_client_and_ends_in_what_it_says() {
    each_way(
        || vec![get(&running()), get(&succeeded())],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            operation.poll().await.expect("it was asked");
            let handle = operation.handle();
            drop(operation);
            assert_eq!((handle.name(), handle.target()), (NAME, Some(API)));
            assert_eq!(handle.result(), "google.cloud.apigateway.v1.Api");
            let error = client
                .resume::<Gateway>(&handle)
                .expect_err("it ends in an api");
            assert!(
                error.to_string().contains("google.cloud.apigateway.v1.Api"),
                "{error}"
            );
            let resumed = client.resume::<Api>(&handle).expect("the same");
            assert_eq!(resumed.await.expect("it succeeded"), active());
        },
    )
    .await;
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_handle_is_written_and_read() {
    use apigateway_grpc::operation::Handle;

    let (client, _server) = talk(WAYS[0]);
    let handle = client.operation::<Api>(NAME).expect("a name").handle();
    let text = serde_json::to_string(&handle).expect("it is text");
    assert_eq!(
        text,
        format!(r#"{{"name":"{NAME}","result":"google.cloud.apigateway.v1.Api"}}"#)
    );
    let read: Handle = serde_json::from_str(&text).expect("just written");
    assert_eq!(read, handle);
    assert!(serde_json::from_str::<Handle>(r#"{"name":1}"#).is_err());
}

#[tokio::test]
async fn what_is_no_operations_name_is_taken_up_by_nobody() {
    let (client, _server) = talk(WAYS[0]);
    let error = client
        .operation::<Api>("operation-7")
        .expect_err("an id is no name");
    assert!(error.is_invalid_name());
}
