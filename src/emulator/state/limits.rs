//! The service's limits on the number of resources.

use tonic::Status;

use super::location::project;
use super::resource::Resource;
use super::tables::Tables;
use crate::emulator::error::{self, QuotaExceeded};
use crate::proto::google::cloud::apigateway::v1::{ApiConfig, Gateway};

/// Maximum number of resources of each kind, in any state.
///
/// [`Default`] has the numbers of API Gateway's page [Quotas and limits]. They can be raised for a project.
///
/// [Quotas and limits]: https://docs.cloud.google.com/api-gateway/docs/quotas
///
/// ```
/// use apigateway_grpc::emulator::Limits;
///
/// let mut limits = Limits::default();
/// assert_eq!((limits.apis, limits.api_configs, limits.gateways), (50, 100, 50));
/// limits.gateways = 2;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum number of APIs of a project, 50 by default.
    pub apis: usize,
    /// Maximum number of configs of an API, 100 by default.
    pub api_configs: usize,
    /// Maximum number of gateways of a project in a region, 50 by default.
    pub gateways: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            apis: 50,
            api_configs: 100,
            gateways: 50,
        }
    }
}

/// The limit of one kind of resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) most: usize,
    /// The id of the quota, which is our invention: the service's id is not published.
    pub(crate) id: &'static str,
    /// The plural of the kind, in messages.
    pub(crate) things: &'static str,
}

impl Limits {
    /// Checks that a parent can have one more resource of a kind.
    ///
    /// # Errors
    ///
    /// RESOURCE_EXHAUSTED if a parent has reached the limit of a kind.
    pub(crate) fn check<R: Resource>(self, tables: &Tables, parent: &str) -> Result<(), Status> {
        let limit = self.of::<R>();
        let prefix = format!("{parent}/{}/", R::COLLECTION);
        let rows = R::table(tables).rows().range(prefix.clone()..);
        let within = rows.take_while(|(name, _)| name.starts_with(&prefix));
        if within.take(limit.most).count() < limit.most {
            return Ok(());
        }
        Err(error::quota_exceeded(&QuotaExceeded {
            project: project(parent),
            parent,
            collection: R::COLLECTION,
            limit: limit.most,
            id: limit.id,
            things: limit.things,
        }))
    }

    fn of<R: Resource>(self) -> Limit {
        let limit = |most, id, things| Limit { most, id, things };
        match R::COLLECTION {
            Gateway::COLLECTION => limit(self.gateways, "GatewaysPerProjectPerRegion", "gateways"),
            ApiConfig::COLLECTION => limit(self.api_configs, "ApiConfigsPerApi", "API configs"),
            _ => limit(self.apis, "ApisPerProject", "APIs"),
        }
    }
}
