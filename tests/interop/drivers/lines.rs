//! The protocol between the drivers and the Python tests: one JSON object per line, with binary values in base64.

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Returns the requests on standard input.
pub(crate) fn requests() -> impl Iterator<Item = Result<Value>> {
    let lines = io::stdin().lock().lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?))
}

/// Writes one response to standard output and flushes it.
pub(crate) fn respond(value: &Value) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

/// Returns a required member of a request.
pub(crate) fn text<'a>(request: &'a Value, name: &str) -> Result<&'a str> {
    request[name]
        .as_str()
        .ok_or_else(|| format!("the request has no `{name}`").into())
}

#[allow(dead_code, reason = "some drivers receive no bytes")]
pub(crate) fn decode(base64: &str) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(base64)?)
}

pub(crate) fn encode(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}
