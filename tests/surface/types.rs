//! The traits of public types: handles implement `Clone`, `Send`, `Sync` and `Debug`.

use std::fmt::Debug;

use apigateway_grpc::stack::Stack;
use apigateway_grpc::{ApiGateway, Builder, CallOptions, Error, Transport, contract};

fn handle<T: Clone + Debug + Send + Sync + Unpin + 'static>() {}

fn data<T: Clone + Debug + Send + Sync + 'static>() {}

fn shown<T: Debug + Send + Sync + 'static>() {}

#[test]
fn handles_implement_clone_send_sync_and_debug() {
    handle::<ApiGateway>();
    handle::<Stack>();
    data::<CallOptions>();
    data::<Transport>();
    data::<contract::Method>();
    data::<contract::RetryPolicy>();
    shown::<Builder>();
    shown::<Error>();
}

#[test]
fn lists_masks_and_names_implement_clone_send_sync_and_debug() {
    use apigateway_grpc::field_mask::UpdateMask;
    use apigateway_grpc::list::{Items, List, Page};
    use apigateway_grpc::names::ApiName;
    use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, ListApisRequest};

    fn stream<T: futures_core::Stream + Debug + Send + Unpin + 'static>() {}
    handle::<List<ListApisRequest>>();
    stream::<Items<ListApisRequest>>();
    data::<Page<Api>>();
    data::<UpdateMask>();
    data::<ApiName>();
}

#[cfg(feature = "auth")]
#[test]
fn the_auth_layer_implements_clone_send_sync_and_debug() {
    use apigateway_grpc::layer::auth::{Auth, AuthLayer};

    handle::<AuthLayer>();
    handle::<Auth<Stack>>();
}

#[cfg(feature = "emulator")]
#[test]
fn the_emulator_implements_clone_send_sync_and_debug() {
    use apigateway_grpc::emulator::{
        Emulator, FaultBuilder, FaultGuard, OperationPlan, ReceivedCall, Server,
    };

    handle::<Emulator>();
    data::<OperationPlan>();
    data::<ReceivedCall>();
    shown::<FaultGuard>();
    shown::<FaultBuilder>();
    shown::<Server>();
}

#[cfg(feature = "emulator-data")]
#[test]
fn the_error_of_a_data_file_is_small_and_implements_the_standard_traits() {
    fn standard<T: std::error::Error + Send + Sync + 'static>() {}
    standard::<apigateway_grpc::emulator::DataError>();
    assert_eq!(
        size_of::<apigateway_grpc::emulator::DataError>(),
        size_of::<usize>()
    );
}

#[cfg(feature = "rest")]
#[test]
fn the_state_of_a_fallback_implements_clone_send_sync_and_debug() {
    data::<apigateway_grpc::RestFallback>();
}

#[cfg(feature = "rest")]
#[test]
fn the_transcoder_implements_clone_send_sync_and_debug() {
    use apigateway_grpc::transcode::{JsonOptions, Rest, Rules, Schema, Transcode, TranscodeLayer};

    data::<Rules>();
    data::<JsonOptions>();
    shown::<Schema>();
    handle::<TranscodeLayer>();
    handle::<Transcode<Stack>>();
    handle::<Rest<Stack>>();
}

#[test]
fn an_error_is_small_and_implements_the_standard_traits() {
    fn standard<T: std::error::Error + Send + Sync + 'static>() {}
    standard::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

#[test]
fn futures_of_calls_can_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let transport = tower::service_fn(|_: apigateway_grpc::stack::GrpcRequest| {
        std::future::ready(Err::<apigateway_grpc::stack::GrpcResponse, _>(
            tonic::Status::aborted("no"),
        ))
    });
    let builder = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let client = builder.build().expect("the settings are valid");
    moves(&client.get_operation("o"));
    moves(&client.cancel_operation("o"));
    moves(&client.wait_operation("o", std::time::Duration::ZERO));
    moves(&client.get_iam_policy("g"));
    moves(&client.list_apis("p").first_page());
    moves(&client.list_apis("p").items().next());
}
