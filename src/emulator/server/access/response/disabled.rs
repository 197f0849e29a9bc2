//! Refusals over gRPC: without the feature `rest` there is no HTTP/JSON.

use crate::call::{GrpcRequest, GrpcResponse};
use crate::emulator::error;
use crate::emulator::server::access::decision::Refusal;

pub(crate) async fn refuse(_: GrpcRequest, refused: &Refusal) -> GrpcResponse {
    let Refusal {
        code, reason, text, ..
    } = refused;
    error::access_denied(*code, reason, text).into_http()
}
