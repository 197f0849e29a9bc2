//! Makes a call for each request on standard input: `interop_call ENDPOINT grpc|rest|auto`.
//!
//! A request is `{"method": "/pkg.Service/Method", "request": wire, "case": text}`. The response is `{"response": wire}`, or
//! `{"code": 5, "message": text, "details": wire}`. The case is sent as a header. Messages are gRPC wire bytes in base64, so
//! only the transport reads and writes JSON.

mod lines;

use apigateway_grpc::stack::Stack;
use apigateway_grpc::tonic::client::Grpc;
use apigateway_grpc::tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use apigateway_grpc::tonic::{Request, Status};
use apigateway_grpc::{ApiGateway, Transport};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use lines::Result;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let endpoint = arguments.next().ok_or("the endpoint is missing")?;
    let transport = match arguments.next().as_deref() {
        Some("grpc") => Transport::Grpc,
        Some("rest") => Transport::Rest,
        Some("auto") => Transport::GrpcWithRestFallback,
        other => return Err(format!("invalid transport: {other:?}").into()),
    };
    let client = ApiGateway::builder()
        .endpoint(endpoint)
        .transport(transport)
        .anonymous()
        .build()?;
    for request in lines::requests() {
        lines::respond(&call(client.stack(), &request?).await?)?;
    }
    Ok(())
}

async fn call(stack: Stack, request: &Value) -> Result<Value> {
    let path: PathAndQuery = lines::text(request, "method")?.parse()?;
    let message = Bytes::from(lines::decode(lines::text(request, "request")?)?);
    let mut call = Request::new(message);
    let case = lines::text(request, "case")?.parse()?;
    call.metadata_mut().insert("interop-case", case);
    let outcome = Grpc::new(stack).unary(call, path, Raw).await;
    Ok(match outcome {
        Ok(response) => json!({"response": lines::encode(response.get_ref())}),
        Err(status) => json!({
            "code": status.code() as i32,
            "message": status.message(),
            "details": lines::encode(status.details()),
        }),
    })
}

/// A codec for messages as bytes.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(
        &mut self,
        item: Bytes,
        target: &mut EncodeBuf<'_>,
    ) -> std::result::Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> std::result::Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
