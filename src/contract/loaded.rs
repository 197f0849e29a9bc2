//! The contract of a client: the methods that the layers know.

#[cfg(feature = "google")]
use std::sync::Arc;

use super::{METHODS, Method, MethodRef};

/// The methods of a service, with what the layers need to know of each.
///
/// A contract is cheap to clone.
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
#[derive(Debug)]
struct Loaded {
    /// Sorted by path.
    methods: Arc<[Method]>,
    default_host: Option<String>,
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
            Source::Loaded(loaded) => loaded.index(path).map(|index| &loaded.methods[index]),
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
    #[must_use]
    pub fn default_host(&self) -> Option<&str> {
        match &self.source {
            Source::ApiGateway => Some("apigateway.googleapis.com"),
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => loaded.default_host.as_deref(),
        }
    }

    /// Returns the method with this gRPC path, to be shared by the layers of a call.
    pub(crate) fn lookup(&self, path: &str) -> Option<MethodRef> {
        match &self.source {
            Source::ApiGateway => Method::find(path).map(MethodRef::Static),
            #[cfg(feature = "google")]
            Source::Loaded(loaded) => loaded
                .index(path)
                .map(|index| MethodRef::Loaded(Arc::clone(&loaded.methods), index)),
        }
    }
}

#[cfg(feature = "google")]
impl Loaded {
    fn index(&self, path: &str) -> Option<usize> {
        let by_path = |method: &Method| (*method.path).cmp(path);
        self.methods.binary_search_by(by_path).ok()
    }
}
