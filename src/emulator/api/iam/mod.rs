//! The service `IAMPolicy`. Policies are stored but not enforced.

mod policy;

use tonic::{Request, Response, Status};

use super::bearer_auth::TokenGrant;
use super::core::Services;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::state::Tables;
use crate::emulator::state::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::iam_policy_server::IamPolicy;
use crate::proto::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest,
    TestIamPermissionsResponse,
};
use policy::{CONDITIONS, PolicyMask, at_version, check_version};

/// The etag of a policy that was never set: `ACAB` in JSON, as in the service.
const NEVER_SET: [u8; 3] = [0x00, 0x20, 0x01];

#[tonic::async_trait]
impl IamPolicy for Services {
    async fn get_iam_policy(
        &self,
        request: Request<GetIamPolicyRequest>,
    ) -> Result<Response<Policy>, Status> {
        let GetIamPolicyRequest { resource, options } = request.into_inner();
        let version = options.unwrap_or_default().requested_policy_version;
        let mut violations = Violations::default();
        violations.take(check_name(&resource));
        check_version("options.requested_policy_version", version, &mut violations);
        violations.check()?;
        let tables = self.0.state.lock();
        check_exists(&tables, &resource)?;
        let set = tables.policies.get(&resource).cloned();
        Ok(Response::new(match set {
            Some(policy) => at_version(policy, version),
            None => empty(),
        }))
    }

    async fn set_iam_policy(
        &self,
        request: Request<SetIamPolicyRequest>,
    ) -> Result<Response<Policy>, Status> {
        let SetIamPolicyRequest {
            resource,
            policy: given,
            update_mask,
        } = request.into_inner();
        let mut violations = Violations::default();
        violations.take(check_name(&resource));
        let mask = violations.take(PolicyMask::parse(update_mask.as_ref()));
        match (&given, mask) {
            (None, _) => violations.add("policy", "must be set"),
            (Some(given), Some(mask)) => mask.check(given, &mut violations),
            (Some(_), None) => {}
        }
        violations.check()?;
        // Always matches: the checks above return an error if the policy is missing or the mask is invalid.
        let (Some(given), Some(mask)) = (given, mask) else {
            return Err(error::invalid("policy", "must be set"));
        };
        let mut tables = self.0.state.lock();
        let kind = check_exists(&tables, &resource)?;
        let set = tables.policies.get(&resource).cloned();
        let mut policy = set.unwrap_or_else(empty);
        if !given.etag.is_empty() && given.etag != policy.etag {
            return Err(error::etag_mismatch(kind, &resource));
        }
        mask.write(given, &mut policy)?;
        tables.policies_set += 1;
        policy.etag = tables.policies_set.to_be_bytes().to_vec();
        // The response has all conditions. Only GetIamPolicy can request a lower version.
        let policy = at_version(policy, CONDITIONS);
        tables.policies.insert(resource, policy.clone());
        Ok(Response::new(policy))
    }

    async fn test_iam_permissions(
        &self,
        request: Request<TestIamPermissionsRequest>,
    ) -> Result<Response<TestIamPermissionsResponse>, Status> {
        let has_none = request.extensions().get() == Some(&TokenGrant::Nothing);
        let request = request.into_inner();
        let mut violations = Violations::default();
        violations.take(check_name(&request.resource));
        let mut names = request.permissions.iter();
        if request.permissions.is_empty() {
            violations.add("permissions", "must have at least one permission");
        } else if names.any(|name| name.is_empty() || name.contains('*')) {
            violations.add("permissions", "must have no wildcards and no empty names");
        }
        violations.check()?;
        // A caller has all permissions, unless its token has none or the resource does not exist.
        let mut permissions = request.permissions;
        if has_none || check_exists(&self.0.state.lock(), &request.resource).is_err() {
            permissions.clear();
        }
        Ok(Response::new(TestIamPermissionsResponse { permissions }))
    }
}

/// Adds the violations of a policy that is imported.
pub(in crate::emulator) fn check_policy(policy: &Policy, violations: &mut Violations) {
    PolicyMask::ALL.check(policy, violations);
}

fn check_name(resource: &str) -> Result<(), Status> {
    let patterns = [Gateway::PATTERN, Api::PATTERN, ApiConfig::PATTERN];
    let mut violations = Violations::default();
    violations.name("resource", resource, &patterns);
    violations.check()
}

/// Returns the kind of an existing resource.
fn check_exists(tables: &Tables, name: &str) -> Result<&'static str, Status> {
    let (kind, found) = match name.split('/').nth_back(1) {
        Some(Gateway::COLLECTION) => (Gateway::KIND, tables.gateways.get(name).is_some()),
        Some(ApiConfig::COLLECTION) => (ApiConfig::KIND, tables.configs.get(name).is_some()),
        _ => (Api::KIND, tables.apis.get(name).is_some()),
    };
    if found {
        return Ok(kind);
    }
    Err(error::not_found(kind, name))
}

/// Returns the policy of a resource whose policy was never set.
fn empty() -> Policy {
    Policy {
        etag: NEVER_SET.to_vec(),
        ..Default::default()
    }
}
