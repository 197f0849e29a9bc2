use apigateway_grpc::http::HeaderValue;
use apigateway_grpc::stack::GrpcRequest;
use apigateway_grpc::{ApiGateway, Builder, Error};
use tower::util::MapRequestLayer;

tokio::task_local! {
    /// The trace context of the request that this task handles, such as
    /// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
    static TRACEPARENT: HeaderValue;
}

fn client(builder: Builder) -> Result<ApiGateway, Error> {
    let propagate = MapRequestLayer::new(|mut request: GrpcRequest| {
        if let Ok(parent) = TRACEPARENT.try_with(Clone::clone) {
            request.headers_mut().insert("traceparent", parent);
        }
        request
    });
    builder.attempt_layer(propagate).build()
}
