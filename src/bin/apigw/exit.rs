//! Exit codes.

use std::process::ExitCode;

/// The result of a command. `apigw help exit-codes` lists the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command succeeded.
    Success = 0,
    /// The service returned an error, or a file, the credentials or the network failed.
    Failure = 1,
    /// Wrong usage; nothing was sent.
    Usage = 2,
    /// An operation that was waited for ended in an error.
    OperationFailed = 3,
    /// An operation that was waited for was cancelled.
    Cancelled = 4,
    /// A check found a problem or a difference.
    Found = 5,
    /// Some locations did not respond.
    Incomplete = 6,
    /// An operation completed although its cancellation was requested.
    CompletedAnyway = 7,
    /// The wait timed out; the operation may still be running.
    TimedOut = 124,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Returns one exit code for several operations. In descending order of precedence: the command was interrupted, an
    /// operation could not be read, an operation failed, was cancelled, completed despite a cancellation, timed out, succeeded.
    pub(crate) fn of_many(ends: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| match exit {
            Self::Interrupted | Self::Terminated => 6,
            Self::Failure | Self::Usage => 5,
            Self::OperationFailed => 4,
            Self::Cancelled => 3,
            Self::CompletedAnyway => 2,
            Self::TimedOut => 1,
            Self::Success | Self::Found | Self::Incomplete => 0,
        };
        ends.into_iter().max_by_key(rank).unwrap_or(Self::Success)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The help page `exit-codes`.
pub(crate) const PAGE: &str = "\
Exit codes of apigw:

    0  success; a command that describes a failed operation succeeds, too
    1  failed: the service returned an error; the network, the credentials or a file failed; no project, location or
       API is set; or a prompt was declined
    2  wrong usage, also an invalid name; nothing was sent
    3  an operation that was waited for ended in an error
    4  an operation that was waited for was cancelled
    5  a check found something: api-configs validate, a create or deploy of a faulty file, api-configs diff --exit-code,
       gateways deploy --dry-run --exit-code, doctor
    6  some locations did not respond, with --require-complete
    7  operations cancel --wait: the operation completed anyway
  124  the wait timed out; the operation may still be running
  130  interrupted (SIGINT); the operation continues
  143  terminated (SIGTERM); the operation continues

Of several operations: 130 or 143 if interrupted, else 1 if one could not be read, else 3, 4, 7, 124, 0.
With --no-exit-status, 3 and 4 become 0. A closed pipe is 0.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_of_highest_precedence_is_returned() {
        use Exit::{Cancelled, Failure, OperationFailed, Success, TimedOut};
        for (ends, exit) in [
            (&[][..], Success),
            (&[Success, TimedOut], TimedOut),
            (&[Cancelled, TimedOut], Cancelled),
            (&[Cancelled, OperationFailed, Success], OperationFailed),
            (&[OperationFailed, Failure], Failure),
        ] {
            assert_eq!(Exit::of_many(ends.iter().copied()), exit, "{ends:?}");
        }
    }
}
