//! The server rejects the credentials. The client requests headers again without its cache, and sends the call once more if the
//! new headers differ. This works under this crate's client and under any tonic client.

use crate::common::{NAME, Server, done, mock_client, mock_transport};
use crate::credentials::{Answer, Script, token};
use apigateway_grpc::layer::auth::AuthLayer;
use apigateway_grpc::proto::google::longrunning::GetOperationRequest;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use http::Uri;
use http_body_util::{BodyExt as _, StreamBody};
use tonic::{Code, Status};
use tower::{Layer as _, ServiceExt as _};

fn refused() -> Status {
    Status::unauthenticated("the token has expired")
}

/// Credentials that return another token for the second request.
fn renewing() -> Script {
    Script::new(|number| match number {
        1 => token("Bearer old"),
        2 => token("Bearer new"),
        _ => Answer::Same,
    })
}

fn authorization(rpc: &GrpcRequest) -> &str {
    let value = &rpc.headers()["authorization"];
    value.to_str().expect("the value is text")
}

async fn bytes(rpc: GrpcRequest) -> bytes::Bytes {
    let collected = rpc.into_body().collect().await;
    collected.expect("the body is whole").to_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_call_with_rejected_credentials_is_sent_once_more_with_refreshed_ones_and_the_same_body()
{
    // The first call waits for its headers; the second finds them in the cache.
    for warm in [false, true] {
        let script = renewing();
        let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
        if warm {
            let (result, ()) = tokio::join!(client.get_operation(NAME), async {
                server.next_request().await.1.send_response(done());
            });
            assert!(result.expect("it was answered").done);
        }
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            let (first, answer) = server.next_request().await;
            answer.send_error(refused());
            let (second, answer) = server.next_request().await;
            answer.send_response(done());
            assert_eq!(authorization(&first), "Bearer old");
            assert_eq!(authorization(&second), "Bearer new");
            assert_eq!(first.uri(), second.uri());
            let (first, second) = (bytes(first).await, bytes(second).await);
            assert!(!first.is_empty() && first == second);
        });
        assert!(result.expect("the second attempt succeeded").done);
        assert_eq!(script.requests(), 2);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unchanged_credentials_are_not_sent_again() {
    let script = Script::new(|number| match number {
        1 => token("Bearer old"),
        _ => Answer::Same,
    });
    let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_error(refused());
    });
    let error = result.expect_err("there is no other token");
    assert!(error.is_auth() && error.to_string().ends_with("the token has expired"));
    assert_eq!(
        script.requests(),
        2,
        "the second request bypasses the cache"
    );
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_rejection_of_credentials_is_final() {
    let script = Script::new(|_| token("Bearer another"));
    let (client, mut server) = mock_client(|it| it.credentials(script.clone()));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_error(refused());
        server.next_request().await.1.send_error(refused());
    });
    assert!(result.expect_err("refused twice").is_auth());
    assert_eq!(script.requests(), 2);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_returns_the_rejection_of_the_server() {
    for again in [Answer::Fails(true, "the source is away"), Answer::Hangs] {
        let script = Script::new(move |number| match number {
            1 => token("Bearer old"),
            _ => again.clone(),
        });
        let (client, mut server) = mock_client(|it| it.credentials(script));
        let (result, ()) = tokio::join!(client.get_operation(NAME), async {
            server.next_request().await.1.send_error(refused());
        });
        let error = result.expect_err("refused");
        assert!(
            error.to_string().ends_with("the token has expired"),
            "{error}"
        );
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_with_rejected_credentials_is_sent_once_more() {
    use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;

    let (client, mut server) = mock_client(|it| it.credentials(renewing()));
    let mut service = client.service_client();
    let (result, ()) = tokio::join!(service.create_api(CreateApiRequest::default()), async {
        server.next_request().await.1.send_error(refused());
        server.next_request().await.1.send_response(done());
    });
    assert!(
        result
            .expect("the second attempt succeeded")
            .into_inner()
            .done
    );
}

/// Returns the auth layer over a mock service, without the other layers of this crate.
fn alone(script: Script) -> (impl Carries, Server) {
    let (mock, server) = mock_transport();
    let layer = AuthLayer::new(script, &Uri::from_static("https://gateway.example"));
    (layer.expect("it is encrypted").layer(mock), server)
}

/// A service that a generated client accepts.
trait Carries:
    tower::Service<GrpcRequest, Response = GrpcResponse, Error = Status, Future: Send> + Clone
{
}

impl<S> Carries for S where
    S: tower::Service<GrpcRequest, Response = GrpcResponse, Error = Status, Future: Send> + Clone
{
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_response_is_a_rejection_is_replayed_under_a_plain_client() {
    let not_grpc = || {
        let reply = http::Response::builder().status(401);
        reply.body(tonic::body::Body::empty()).expect("valid")
    };
    for refusal in [refused().into_http(), not_grpc()] {
        let script = renewing();
        let (service, mut server) = alone(script.clone());
        let mut client = OperationsClient::new(service);
        let request = GetOperationRequest { name: NAME.into() };
        let (result, ()) = tokio::join!(client.get_operation(request), async {
            let (first, answer) = server.next_request().await;
            answer.send_response(refusal);
            let (second, answer) = server.next_request().await;
            answer.send_response(done());
            assert_eq!(authorization(&first), "Bearer old");
            assert_eq!(authorization(&second), "Bearer new");
            assert_eq!(bytes(first).await, bytes(second).await);
        });
        assert!(
            result
                .expect("the second attempt succeeded")
                .into_inner()
                .done
        );
        assert_eq!(script.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_streaming_body_is_unchanged_and_not_replayed() {
    let script = renewing();
    let (service, mut server) = alone(script.clone());
    let (pieces, mut taken) = tokio::sync::mpsc::channel(2);
    let frames = futures_util::stream::poll_fn(move |cx| taken.poll_recv(cx));
    let rpc = GrpcRequest::new(tonic::body::Body::new(StreamBody::new(frames)));
    let piece = |text: &'static str| Ok::<_, Status>(http_body::Frame::data(text.into()));
    // One chunk is ready when the call begins, and another one comes later.
    pieces.send(piece("one, ")).await.expect("there is room");
    let (result, ()) = tokio::join!(service.oneshot(rpc), async {
        let (rpc, answer) = server.next_request().await;
        pieces.send(piece("two")).await.expect("it is read");
        drop(pieces);
        assert_eq!(bytes(rpc).await, "one, two");
        answer.send_response(refused().into_http());
        server.expect_no_more_requests(()).await;
    });
    let head = result.expect("the refusal is a response").into_parts().0;
    let status = Status::from_header_map(&head.headers).expect("with a status");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(script.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_a_remote_plaintext_address_is_not_sent() {
    let script = renewing();
    let (service, server) = alone(script.clone());
    let mut rpc = GrpcRequest::default();
    *rpc.uri_mut() = Uri::from_static("http://gateway.example/some.Service/Method");
    let (result, ()) = tokio::join!(service.oneshot(rpc), server.expect_no_more_requests(()));
    let status = result.expect_err("exposed");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("plaintext"), "{status}");
    assert_eq!(script.requests(), 0);
}
