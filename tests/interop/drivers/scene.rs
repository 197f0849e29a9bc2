//! The arguments and the output of the programs that run the scenario of `tests/interop/clients`.

use std::error::Error;
use std::io::{self, Write as _};

use serde_json::{Value, json};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The arguments of a program: `PROGRAM TRANSPORT QUICK SLOW PROJECT DOCUMENT`.
pub(crate) struct Arguments {
    pub(crate) transport: String,
    /// The emulator whose operations take a moment.
    pub(crate) quick: String,
    /// The emulator whose operations take an hour.
    pub(crate) slow: String,
    pub(crate) project: String,
    /// The contents of an OpenAPI document.
    pub(crate) document: String,
}

impl Arguments {
    pub(crate) fn read() -> Result<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing"));
        Ok(Self {
            transport: next("the transport")?,
            quick: next("the quick emulator")?,
            slow: next("the slow emulator")?,
            project: next("the project")?,
            document: next("the document")?,
        })
    }
}

/// The names in the scenario.
pub(crate) struct Names {
    pub(crate) project: String,
    pub(crate) home: String,
    pub(crate) region: String,
    pub(crate) api: String,
    pub(crate) configs: [String; 3],
    pub(crate) gateway: String,
}

impl Names {
    pub(crate) fn of(project: &str) -> Self {
        let home = format!("projects/{project}/locations/global");
        let region = format!("projects/{project}/locations/us-central1");
        let api = format!("{home}/apis/shop");
        Self {
            project: format!("projects/{project}"),
            configs: [1, 2, 3].map(|n| format!("{api}/configs/v{n}")),
            gateway: format!("{region}/gateways/front"),
            home,
            region,
            api,
        }
    }
}

/// Prints the result of a step and flushes it.
pub(crate) fn report(step: &str, outcome: Value) -> Result<()> {
    let mut line = json!({"step": step});
    line["outcome"] = outcome;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Returns the last segment of a name.
pub(crate) fn id(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// Returns the error of a call that must fail.
pub(crate) fn refused<T, E>(outcome: std::result::Result<T, E>) -> Result<E> {
    match outcome {
        Ok(_) => Err("the call did not fail".into()),
        Err(error) => Ok(error),
    }
}
