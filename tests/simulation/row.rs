//! What a kind of faults did to the calls over one transport, and all of it as a table.

use std::fmt::Write as _;

use apigateway_grpc::Transport;

use crate::plan::Fault;

#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) calls: usize,
    /// Calls that ended in an error.
    pub(crate) failed: usize,
    /// Calls that ended in what they should not have: another message, another error, another time.
    pub(crate) wrong: usize,
    /// Calls that did not end.
    pub(crate) lost: usize,
    /// Operations that were waited for.
    pub(crate) waits: usize,
    /// Those that a server lost with its state.
    pub(crate) expired: usize,
    /// What should not have been, in words.
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

    /// The same of a call, which is counted.
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

/// The rows as Markdown.
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
