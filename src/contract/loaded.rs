//! The contract: the methods of a service, with their settings.

#[cfg(feature = "google")]
use std::fmt;
#[cfg(feature = "google")]
use std::sync::{Arc, LazyLock};

#[cfg(feature = "google")]
use super::reader;
use super::{METHODS, Method, MethodRef};

/// The methods of a service, each with the settings that the layers apply to its calls.
///
/// [`Contract::api_gateway`] is built in; `Contract::builder` loads another one at run time (feature `google`). A contract is
/// cheap to clone.
///
/// ```
/// use apigateway_grpc::contract::Contract;
///
/// let contract = Contract::api_gateway();
/// let get = contract.find("/google.longrunning.Operations/GetOperation");
/// assert!(get.is_some_and(|method| method.is_idempotent()));
/// ```
#[derive(Clone, Debug)]
pub struct Contract {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// The built-in table.
    ApiGateway,
    /// A contract that was loaded at run time.
    #[cfg(feature = "google")]
    Loaded(Arc<Loaded>),
}

/// A contract that was loaded at run time.
#[cfg(feature = "google")]
pub(super) struct Loaded {
    /// Sorted by path.
    pub(super) methods: Arc<[Method]>,
    pub(super) default_host: Option<String>,
    pub(super) unsupported: Vec<Unsupported>,
    /// The sources of the HTTP rules.
    #[cfg(feature = "rest")]
    pub(super) descriptor_set: Box<[u8]>,
    /// The `http` sections of the service configurations, each as a configuration in JSON.
    #[cfg(feature = "rest")]
    pub(super) http_configs: Vec<String>,
}

impl Contract {
    /// Returns the contract of API Gateway, with its operations, locations and IAM policies.
    #[must_use]
    pub const fn api_gateway() -> Self {
        Self {
            source: Source::ApiGateway,
        }
    }

    /// Returns all methods, sorted by path.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        match &self.source {
            Source::ApiGateway => &METHODS,
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => &loaded.methods,
        }
    }

    /// Returns the method with this gRPC path, `/package.Service/Method`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Method> {
        match &self.source {
            Source::ApiGateway => Method::find(path),
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => {
                index(&loaded.methods, path).map(|index| &loaded.methods[index])
            }
        }
    }

    /// Returns the full names of the services, sorted.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        let names = self.methods().iter().map(Method::service);
        names.filter(move |name| last.replace(*name) != Some(*name))
    }

    /// Returns the host of the service, such as `spanner.googleapis.com`: the `name` of the service configuration, or the
    /// `google.api.default_host` of the first service that has one. `None` if there is neither.
    ///
    /// The default hosts of `google.longrunning.Operations`, `google.cloud.location.Locations` and `google.iam.v1.IAMPolicy` are
    /// used only if the contract has no other service, since many services include these services at their own hosts.
    #[must_use]
    pub fn default_host(&self) -> Option<&str> {
        match &self.source {
            Source::ApiGateway => Some("apigateway.googleapis.com"),
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => loaded.default_host.as_deref(),
        }
    }

    /// Returns the descriptor set and the service configurations of the HTTP rules; `None` for the built-in contract.
    #[cfg(feature = "rest")]
    pub(crate) fn http_sources(&self) -> Option<(&[u8], &[String])> {
        match &self.source {
            Source::ApiGateway => None,
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => Some((&loaded.descriptor_set, &loaded.http_configs)),
        }
    }

    /// Returns the method with this gRPC path, to be shared by the layers of a call. The methods of operations are always found,
    /// since every client can call them.
    pub(crate) fn lookup(&self, path: &str) -> Option<MethodRef> {
        match &self.source {
            Source::ApiGateway => Method::find(path).map(MethodRef::Static),
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => {
                find_ref(&loaded.methods, path).or_else(|| find_ref(&OPERATIONS, path))
            }
        }
    }
}

#[cfg(feature = "google")]
impl Contract {
    pub(super) fn of_loaded(loaded: Loaded) -> Self {
        Self {
            source: Source::Loaded(Arc::new(loaded)),
        }
    }

    /// Returns the parts of the sources that the contract does not serve, with the reasons.
    ///
    /// All other parts are served. For HTTP rules that REST does not serve, see `transcode::Rules::unserved`.
    #[must_use]
    pub fn unsupported(&self) -> &[Unsupported] {
        match &self.source {
            Source::ApiGateway => &[],
            Source::Loaded(loaded) => &loaded.unsupported,
        }
    }
}

#[cfg(feature = "google")]
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("default_host", &self.default_host)
            .field("methods", &self.methods.len())
            .field("unsupported", &self.unsupported.len())
            .finish_non_exhaustive()
    }
}

/// The methods of `google.longrunning.Operations`, for a contract without this service. They have the settings of a method that
/// no configuration selects.
#[cfg(feature = "google")]
static OPERATIONS: LazyLock<Arc<[Method]>> = LazyLock::new(|| {
    let contract = Contract::builder(crate::proto::FILE_DESCRIPTOR_SET)
        .service("google.longrunning.Operations")
        .build()
        .expect("the embedded descriptor set is valid");
    match contract.source {
        Source::Loaded(loaded) => Arc::clone(&loaded.methods),
        Source::ApiGateway => Arc::default(),
    }
});

#[cfg(feature = "google")]
fn index(methods: &[Method], path: &str) -> Option<usize> {
    let by_path = |method: &Method| (*method.path).cmp(path);
    methods.binary_search_by(by_path).ok()
}

#[cfg(feature = "google")]
fn find_ref(methods: &Arc<[Method]>, path: &str) -> Option<MethodRef> {
    let index = index(methods, path)?;
    Some(MethodRef::Loaded(Arc::clone(methods), index))
}

/// A part of a contract's sources that is not served.
#[cfg(feature = "google")]
#[derive(Clone, PartialEq, Eq)]
pub struct Unsupported(pub(super) reader::Unsupported);

#[cfg(feature = "google")]
impl Unsupported {
    /// Returns the full name of the method, `package.Service.Method`, or the selector of a rule that selects no method: the name
    /// of a method, the name of a service, or a prefix with `.*`.
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.0.selector
    }

    /// Returns the part that is not served, and the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

#[cfg(feature = "google")]
impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.selector(), self.reason())
    }
}

#[cfg(feature = "google")]
impl fmt::Debug for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
