//! Trace context from a layer.

use apigateway_grpc::emulator::Emulator;

include!("../../src/recipes/trace_context.rs");

#[tokio::test]
async fn the_trace_context_of_the_task_goes_with_its_calls() {
    let emulator = Emulator::builder().build();
    let builder = ApiGateway::builder().transport_service(emulator.service());
    let client = client(builder.anonymous()).expect("valid");
    let list = client.list_apis("projects/p/locations/global");
    list.first_page().await.expect("listed");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = TRACEPARENT.scope(HeaderValue::from_static(parent), list.first_page());
    traced.await.expect("listed");
    let sent: Vec<_> = emulator
        .calls()
        .into_iter()
        .map(|call| call.headers)
        .collect();
    assert!(!sent[0].contains_key("traceparent"));
    assert_eq!(sent[1]["traceparent"], parent);
}
