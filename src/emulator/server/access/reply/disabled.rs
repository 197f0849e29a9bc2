//! Refusals over gRPC: without the feature `rest` there is no HTTP/JSON.

use crate::call::{Reply, Rpc};
use crate::emulator::error;
use crate::emulator::server::access::decision::Refusal;

#[expect(
    clippy::unused_async,
    reason = "the same signature as with the feature"
)]
pub(crate) async fn refuse(_: Rpc, refused: &Refusal) -> Reply {
    let Refusal {
        code, reason, text, ..
    } = refused;
    error::access_denied(*code, reason, text).into_http()
}
