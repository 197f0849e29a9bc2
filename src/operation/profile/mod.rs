//! Profiles of services. A profile has the properties of a service that are needed to wait for its operations.
//!
//! Each client has a profile. [`ApiGatewayProfile`] is the profile of [`ApiGateway`](crate::ApiGateway), and
//! [`StandardProfile`] is for services without special rules. Every method of [`ServiceProfile`] except
//! [`service`](ServiceProfile::service) has a default that is sound for any service: operations are polled and listed, and
//! nothing is concluded from their metadata or their targets.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use apigateway_grpc::operation::Schedule;
//! use apigateway_grpc::operation::profile::{ServiceProfile, Verb};
//!
//! /// Operations of databases take minutes.
//! #[derive(Debug)]
//! struct Spanner;
//!
//! impl ServiceProfile for Spanner {
//!     fn service(&self) -> &str {
//!         "spanner.googleapis.com"
//!     }
//!
//!     fn schedule(&self, _verb: Verb, _target: Option<&str>) -> Arc<Schedule> {
//!         Arc::new(Schedule::default().total_timeout(Duration::from_secs(4 * 3600)))
//!     }
//! }
//!
//! let operation = "projects/p/instances/i/databases/d/operations/o";
//! let parent = Spanner.list_parent(operation);
//! assert_eq!(parent.as_deref(), Some("projects/p/instances/i/databases/d"));
//! ```

mod api_gateway;
mod standard;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use prost_types::Any;
use tonic::Status;

use super::schedule::Schedule;
use crate::stack::Stack;

pub use super::verb::Verb;
pub use api_gateway::ApiGatewayProfile;
pub use standard::StandardProfile;

/// The properties of a service that are needed to wait for its operations.
///
/// No method is called under a lock of this crate. If a method panics, the wait or the call that needed the method panics. If
/// it panics in a probe by a [`Watcher`](super::Watcher), the waits that needed the probe end with an error.
pub trait ServiceProfile: fmt::Debug + Send + Sync + 'static {
    /// Returns the name of the service, which is its host, such as `spanner.googleapis.com`. A [`Handle`](super::Handle) keeps
    /// this name, and only a client of the same service resumes the handle.
    fn service(&self) -> &str;

    /// Returns the parent by which `ListOperations` lists an operation. `None` if the operation cannot be listed: a
    /// [`Watcher`](super::Watcher) then polls it on its own. The default is the part of the name before the last
    /// `/operations/`.
    fn list_parent<'a>(&self, operation: &'a str) -> Option<Cow<'a, str>> {
        let (parent, _) = operation.rsplit_once("/operations/")?;
        Some(parent.into())
    }

    /// Returns the schedule of the polls for a verb and the full name of a target, if they are known. The default is
    /// [`Schedule::default`].
    ///
    /// The schedule is shared, since a program may have very many waits.
    fn schedule(&self, verb: Verb, target: Option<&str>) -> Arc<Schedule> {
        static DEFAULT: LazyLock<Arc<Schedule>> = LazyLock::new(Arc::default);
        let _ = (verb, target);
        Arc::clone(&DEFAULT)
    }

    /// Returns the facts in the metadata of an operation. The default is no facts.
    fn facts(&self, metadata: &Any) -> Facts {
        let _ = metadata;
        Facts::default()
    }

    /// Reads the target of an operation whose outcome the server does not report: the server no longer knows the operation, or
    /// the operation is done with neither a response nor an error. The future is dropped after the [poll
    /// timeout](Schedule::poll_timeout) at the latest. The calls of the request's stack make a single attempt. NOT_FOUND means
    /// that the target does not exist.
    ///
    /// A ready target proves that a create succeeded, and becomes its result. A missing target proves that a delete succeeded,
    /// with `google.protobuf.Empty` as its result. If an operation other than a delete is done without a result, a ready target is
    /// its result.
    ///
    /// The default is `None`: the target proves nothing.
    fn read_target(&self, request: TargetRequest) -> Option<TargetFuture> {
        drop(request);
        None
    }

    /// Returns true if a method deletes its target. A missing target then proves that the operation succeeded. `method` is the
    /// name of the method or its full path. The default is true for a name that begins with `Delete`.
    fn deletes(&self, method: &str) -> bool {
        simple_name(method).starts_with("Delete")
    }
}

/// Returns the name of a method without its service.
pub(crate) fn simple_name(method: &str) -> &str {
    method.rsplit(['/', '.']).next().unwrap_or_default()
}

/// The verb, the target and the start time of an operation, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The verb of the method that started the operation.
    pub verb: Verb,
    /// The full name of the resource that the operation is about; `None` if it is unknown.
    pub target: Option<String>,
    /// The time at which the operation began, by the server's clock; `None` if it is unknown.
    pub began: Option<SystemTime>,
}

/// The future that [`ServiceProfile::read_target`] returns.
pub type TargetFuture = Pin<Box<dyn Future<Output = Result<TargetState, Status>> + Send>>;

/// The request to read the target of an operation.
#[derive(Clone, Debug)]
pub struct TargetRequest {
    pub(crate) stack: Stack,
    pub(crate) name: String,
    pub(crate) max_response_size: usize,
}

impl TargetRequest {
    /// Returns the full name of the target.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the stack for a generated client of the service. Its calls make a single attempt.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.stack.clone()
    }

    /// Returns the maximum size of a response message in bytes, for `max_decoding_message_size` of a generated client.
    #[must_use]
    pub fn max_response_size(&self) -> usize {
        self.max_response_size
    }
}

/// The parts of a target's state that can prove how an operation ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TargetState {
    /// The stage of the target's life.
    pub stage: TargetStage,
    /// The time at which the target was created, by the server's clock; `None` if it is unknown. A target that is older than a
    /// create proves nothing.
    pub created: Option<SystemTime>,
    /// The target itself, which becomes the result of the operation if the target proves its success.
    pub resource: Any,
}

impl TargetState {
    /// Returns the state of a target whose time of creation is unknown.
    #[must_use]
    pub fn new(stage: TargetStage, resource: Any) -> Self {
        Self {
            stage,
            created: None,
            resource,
        }
    }
}

/// The stage of a resource's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetStage {
    /// The resource is ready for use.
    Ready,
    /// The resource is being created or updated.
    Changing,
    /// The resource is being deleted.
    Deleting,
    /// The resource has failed, or its state is unknown.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Plain;

    impl ServiceProfile for Plain {
        fn service(&self) -> &str {
            "plain.googleapis.com"
        }
    }

    #[test]
    fn the_default_parent_is_the_part_before_the_last_operations_segment() {
        let cases = [
            (
                "projects/p/locations/l/operations/o",
                Some("projects/p/locations/l"),
            ),
            (
                "projects/p/instances/i/databases/d/operations/o",
                Some("projects/p/instances/i/databases/d"),
            ),
            ("a/operations/b/operations/c", Some("a/operations/b")),
            ("operations/o", None),
            ("1234567890", None),
            ("", None),
        ];
        for (operation, parent) in cases {
            let found = Plain.list_parent(operation);
            assert_eq!(found.as_deref(), parent, "{operation}");
        }
    }

    #[test]
    fn only_a_method_whose_name_begins_with_delete_deletes() {
        let service = "google.spanner.admin.database.v1.DatabaseAdmin";
        assert!(Plain.deletes(&format!("/{service}/DeleteBackup")));
        assert!(Plain.deletes(&format!("{service}.DeleteBackup")));
        assert!(Plain.deletes("DeleteBackup"));
        for method in ["UpdateDatabaseDdl", "CreateBackup", "UndeleteKey", ""] {
            assert!(!Plain.deletes(method), "{method}");
        }
    }

    #[test]
    fn nothing_is_concluded_by_default() {
        assert_eq!(Plain.facts(&Any::default()), Facts::default());
        let schedule = Plain.schedule(Verb::Create, Some("projects/p/x/y"));
        assert_eq!(*schedule, Schedule::default());
    }
}
