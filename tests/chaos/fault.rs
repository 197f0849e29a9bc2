//! The table of faults, and the expected results.

use std::time::Duration;

use apigateway_grpc::Transport;
use apigateway_grpc::tonic::Code::{
    self, DeadlineExceeded, Internal, Unauthenticated, Unavailable, Unknown,
};
use h2::Reason;

use crate::front::Habit;
use crate::liar::Lie;
use crate::proxy::{Act, End, Orders};
use crate::source::Trouble;

/// A fault, and the expected results of the calls during it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) how: &'static str,
    pub(crate) inject: Inject,
    pub(crate) grpc: Outcome,
    /// `None` if the fault does not exist over REST.
    pub(crate) rest: Option<Outcome>,
    pub(crate) fallback: Outcome,
    /// True if the wait for an operation survives the fault. If not, the wait ends in an error, and the operation may be
    /// awaited again.
    pub(crate) outlived: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Inject {
    /// A fault of the network between the client and the server.
    Line(Orders),
    /// The server stops, and returns at another address behind the proxy.
    Restart,
    /// The server stops permanently. Its name resolves to another server, from the start or from the end of the fault.
    Name {
        at_once: bool,
    },
    /// A fault of the server.
    Server(Habit),
    Source(Trouble),
    /// During the fault, a server that breaks the rules replaces the emulator.
    Liar(Lie),
}

/// The expected results of the calls during a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// All calls are answered.
    Answered,
    /// No call is answered, and each error has one of these codes.
    Refused(&'static [Code]),
    /// Some calls fail, each with one of these codes.
    Partly(&'static [Code]),
    /// Some calls may fail, each with one of these codes, depending on the moment.
    Perhaps(&'static [Code]),
}

impl Outcome {
    /// The codes that an error may have.
    pub(crate) fn codes(self) -> &'static [Code] {
        match self {
            Self::Answered => &[],
            Self::Refused(codes) | Self::Partly(codes) | Self::Perhaps(codes) => codes,
        }
    }
}

impl Fault {
    pub(crate) fn outcome(&self, transport: Transport) -> Option<Outcome> {
        match transport {
            Transport::Rest => self.rest,
            Transport::Grpc => Some(self.grpc),
            _ => Some(self.fallback),
        }
    }

    /// A fault of the network, with the same results over all transports.
    const fn line(name: &'static str, how: &'static str, orders: Orders, outcome: Outcome) -> Self {
        Self {
            name,
            how,
            inject: Inject::Line(orders),
            grpc: outcome,
            rest: Some(outcome),
            fallback: outcome,
            outlived: true,
        }
    }

    /// A fault of HTTP/2.
    pub(crate) const fn server(
        name: &'static str,
        how: &'static str,
        habit: Habit,
        outcome: Outcome,
    ) -> Self {
        Self {
            inject: Inject::Server(habit),
            rest: None,
            ..Self::line(name, how, Orders::PASS, outcome)
        }
    }

    const fn source(
        name: &'static str,
        how: &'static str,
        trouble: Trouble,
        outcome: Outcome,
    ) -> Self {
        Self {
            inject: Inject::Source(trouble),
            ..Self::line(name, how, Orders::PASS, outcome)
        }
    }
}

const GONE: &[Code] = &[Unavailable, DeadlineExceeded];
const BROKEN: &[Code] = &[Unavailable, DeadlineExceeded, Internal];
const SENSELESS: &[Code] = &[Unavailable, DeadlineExceeded, Internal, Unknown];

pub(crate) const REFUSING: Orders = Orders {
    open: Act::Reset,
    new: Act::Pass,
    refuse: true,
};

/// Open connections go silent, new connections work.
pub(crate) const HALF_OPEN: Orders = Orders {
    open: Act::Swallow,
    new: Act::Pass,
    refuse: false,
};

/// Resets open connections; new ones pass.
pub(crate) const ANEW: Orders = anew(Act::Pass);

/// Resets open connections, so that the fault affects the connections that replace them.
const fn anew(new: Act) -> Orders {
    Orders {
        open: Act::Reset,
        new,
        refuse: false,
    }
}

const PORTAL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 36\r\nconnection: close\r\n\r\n<html><h1>Welcome! Log in</h1></html";
const BAD_GATEWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const FAULTS: &[Fault] = &[
    Fault::line(
        "refused",
        "nobody listens; open connections are reset",
        REFUSING,
        Outcome::Refused(GONE),
    ),
    Fault::line(
        "reset when accepted",
        "each connection is reset at once",
        Orders::all(Act::Reset),
        Outcome::Refused(GONE),
    ),
    Fault::line(
        "closed when accepted",
        "each connection is closed at once",
        Orders::all(Act::Close),
        Outcome::Refused(GONE),
    ),
    Fault::line(
        "reset before the reply",
        "reset at the first byte to the client",
        Orders::all(Act::Down(0, End::Reset)),
        Outcome::Refused(BROKEN),
    ),
    Fault::line(
        "reset within the reply",
        "reset after 110 bytes to the client",
        Orders::all(Act::Down(110, End::Reset)),
        Outcome::Partly(BROKEN),
    ),
    Fault::line(
        "reset after the reply",
        "reset 20 ms after the last byte to the client",
        Orders::all(Act::ResetIdle(millis(20))),
        Outcome::Perhaps(BROKEN),
    ),
    Fault::line(
        "half-open",
        "open connections swallow all, new ones work",
        HALF_OPEN,
        Outcome::Partly(GONE),
    ),
    Fault::line(
        "blackhole",
        "nothing passes on any connection",
        Orders::all(Act::Hold),
        Outcome::Refused(GONE),
    ),
    Fault::line(
        "trickle",
        "64 bytes every 5 ms, both ways",
        Orders::all(Act::Trickle(64, millis(5))),
        Outcome::Answered,
    ),
    Fault::line(
        "cut within a frame",
        "closed after 15 bytes to the client",
        Orders::all(Act::Down(15, End::Close)),
        Outcome::Refused(BROKEN),
    ),
    Fault::line(
        "bytes lost",
        "7 bytes are missing after the 30th",
        Orders::all(Act::Down(30, End::Lose(7))),
        Outcome::Perhaps(SENSELESS),
    ),
    Fault::line(
        "delay beyond the deadline",
        "bytes to the client are delayed by 3 s",
        Orders::all(Act::Delay(millis(3000))),
        Outcome::Refused(GONE),
    ),
    Fault {
        inject: Inject::Restart,
        ..Fault::line(
            "server restart",
            "the server stops, and is back after the fault",
            REFUSING,
            Outcome::Refused(GONE),
        )
    },
    Fault {
        inject: Inject::Name { at_once: true },
        ..Fault::line(
            "DNS change",
            "the server stops, its name resolves to another server",
            REFUSING,
            Outcome::Answered,
        )
    },
    Fault {
        inject: Inject::Name { at_once: false },
        ..Fault::line(
            "late DNS change",
            "the server stops, its name resolves to another server after the fault",
            REFUSING,
            Outcome::Refused(GONE),
        )
    },
    Fault {
        rest: Some(Outcome::Answered),
        fallback: Outcome::Answered,
        ..Fault::line(
            "proxy without HTTP/2",
            "a connection that begins with HTTP/2 is reset",
            anew(Act::NoHttp2),
            Outcome::Refused(GONE),
        )
    },
    Fault::line(
        "captive portal",
        "a page of HTML with 200, whatever is asked",
        anew(Act::Answer(PORTAL)),
        Outcome::Refused(GONE),
    ),
    Fault::line(
        "bad gateway page",
        "a page of HTML with 502, whatever is asked",
        anew(Act::Answer(BAD_GATEWAY)),
        Outcome::Refused(GONE),
    ),
    Fault::server(
        "GOAWAY storm",
        "the server sends GOAWAY on a connection after 300 ms",
        Habit::Age(millis(300)),
        Outcome::Answered,
    ),
    Fault::server(
        "stream refused",
        "every second call is reset with REFUSED_STREAM",
        Habit::Resets(2, Reason::REFUSED_STREAM),
        Outcome::Perhaps(GONE),
    ),
    Fault::server(
        "stream reset",
        "every third call is reset with INTERNAL_ERROR",
        Habit::Resets(3, Reason::INTERNAL_ERROR),
        Outcome::Partly(BROKEN),
    ),
    Fault::server(
        "one stream at a time",
        "SETTINGS_MAX_CONCURRENT_STREAMS is 1",
        Habit::Streams(1),
        Outcome::Answered,
    ),
    Fault::source(
        "slow token",
        "each token takes 300 ms",
        Trouble::Slow(millis(300)),
        Outcome::Answered,
    ),
    Fault::source(
        "token that never comes",
        "the source does not answer",
        Trouble::Hangs,
        Outcome::Refused(GONE),
    ),
    Fault::source(
        "no token",
        "the source fails with a transient error",
        Trouble::Fails,
        Outcome::Refused(GONE),
    ),
    Fault::source(
        "expired token",
        "the first one is refused, the next is good",
        Trouble::Expired,
        Outcome::Answered,
    ),
    Fault {
        outlived: false,
        ..Fault::source(
            "wrong clock",
            "the clock of the server differs, so it refuses all tokens",
            Trouble::OtherTime,
            Outcome::Refused(&[Unauthenticated]),
        )
    },
];
