//! The results of the calls during a fault over one transport, and the table of all results.

use std::fmt::Write as _;

use apigateway_grpc::Transport;

use crate::fault::Fault;

pub(crate) struct Row {
    pub(crate) fault: &'static Fault,
    pub(crate) transport: Transport,
    pub(crate) calls: usize,
    /// Number of calls that ended in an error.
    pub(crate) failed: usize,
    /// Number of calls with an unexpected message or error.
    pub(crate) wrong: usize,
    /// Number of calls that did not end.
    pub(crate) lost: usize,
    /// Descriptions of violations.
    pub(crate) complaints: Vec<String>,
}

impl Row {
    pub(crate) fn new(fault: &'static Fault, transport: Transport) -> Self {
        Self {
            fault,
            transport,
            calls: 0,
            failed: 0,
            wrong: 0,
            lost: 0,
            complaints: Vec::new(),
        }
    }

    pub(crate) fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }

    pub(crate) fn complain_if(&mut self, so: bool, what: impl Into<String>) {
        if so {
            self.complain(what);
        }
    }
}

pub(crate) fn named(transport: Transport) -> &'static str {
    match transport {
        Transport::Grpc => "gRPC",
        Transport::Rest => "REST",
        Transport::GrpcWithRestFallback => "fallback",
        _ => "another",
    }
}

/// Returns the rows as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | how injected | transport | calls | failed | wrong | lost |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Fault { name, how, .. } = row.fault;
        let transport = named(row.transport);
        writeln!(
            text,
            "| {name} | {how} | {transport} | {} | {} | {} | {} |",
            row.calls, row.failed, row.wrong, row.lost
        )
        .expect("a string takes it all");
    }
    text
}
