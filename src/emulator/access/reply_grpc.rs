//! Refusals as gRPC, as without the feature `rest` there is no HTTP/JSON.

use super::decision::Refusal;
use crate::call::{GrpcRequest, GrpcResponse};
use crate::emulator::refusal;

#[expect(clippy::unused_async, reason = "the face of the other build")]
pub(super) async fn refuse(_: GrpcRequest, refused: &Refusal) -> GrpcResponse {
    let Refusal {
        code, reason, text, ..
    } = refused;
    refusal::no_access(*code, reason, text).into_http()
}
