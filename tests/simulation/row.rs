//! The effects of a kind of fault on the calls over one transport, as a table.

use std::fmt::Write as _;

use apigateway_grpc::Transport;

use crate::plan::Fault;

#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) calls: usize,
    /// Calls that ended in an error.
    pub(crate) failed: usize,
    /// Calls with an unexpected message, error or time.
    pub(crate) wrong: usize,
    /// Calls that did not end.
    pub(crate) lost: usize,
    /// Operations that were awaited.
    pub(crate) waits: usize,
    /// Operations that a server lost with its state.
    pub(crate) expired: usize,
    /// Descriptions of unexpected results.
    pub(crate) complaints: Vec<String>,
}

impl Row {
    pub(crate) fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    pub(crate) fn complain_if(&mut self, so: bool, what: impl FnOnce() -> String) {
        if so {
            self.complain(what());
        }
    }

    /// Adds and counts an unexpected result of a call.
    pub(crate) fn wrong_if(&mut self, so: bool, what: impl FnOnce() -> String) {
        self.wrong += usize::from(so);
        self.complain_if(so, what);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.waits += other.waits;
        self.expired += other.expired;
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

/// Returns the rows as Markdown.
pub(crate) fn table(rows: &[(Fault, Transport, Row)]) -> String {
    let mut text = String::from(
        "| fault | how injected | transport | calls | failed | wrong | lost | waits | of them expired |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (fault, transport, row) in rows {
        let (name, how, transport) = (fault.name(), fault.how(), named(*transport));
        let Row {
            calls,
            failed,
            wrong,
            lost,
            waits,
            expired,
            ..
        } = row;
        writeln!(
            text,
            "| {name} | {how} | {transport} | {calls} | {failed} | {wrong} | {lost} | {waits} | {expired} |"
        )
        .expect("a string takes it all");
    }
    text
}
