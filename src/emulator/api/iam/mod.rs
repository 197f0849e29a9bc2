//! IAM policies of resources: kept, and never enforced.

mod policy;

use tonic::{Request, Response, Status};

use super::bearer_auth::Allowed;
use crate::emulator::error::violations::Violations;
use crate::emulator::state::Tables;
use crate::emulator::state::resource::Resource;
use crate::emulator::{Emulator, error};
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::iam_policy_server::IamPolicy;
use crate::proto::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest,
    TestIamPermissionsResponse,
};
use policy::{CONDITIONS, Written, note_version, shown};

/// The etag of a policy that was never set, `ACAB` in JSON, as the service has it.
const NEVER_SET: [u8; 3] = [0x00, 0x20, 0x01];

#[tonic::async_trait]
impl IamPolicy for Emulator {
    async fn get_iam_policy(
        &self,
        request: Request<GetIamPolicyRequest>,
    ) -> Result<Response<Policy>, Status> {
        let GetIamPolicyRequest { resource, options } = request.into_inner();
        let version = options.unwrap_or_default().requested_policy_version;
        let mut wrong = Violations::default();
        wrong.keep(check_name(&resource));
        note_version("options.requested_policy_version", version, &mut wrong);
        wrong.check()?;
        let tables = self.state.now();
        check(&tables, &resource)?;
        let set = tables.policies.get(&resource).cloned();
        Ok(Response::new(match set {
            Some(policy) => shown(policy, version),
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
        let mut wrong = Violations::default();
        wrong.keep(check_name(&resource));
        let written = wrong.keep(Written::of(update_mask.as_ref()));
        match (&given, written) {
            (None, _) => wrong.add("policy", "must be given"),
            (Some(given), Some(written)) => written.note(given, &mut wrong),
            (Some(_), None) => {}
        }
        wrong.check()?;
        // Both are there: what is missing was refused.
        let (Some(given), Some(written)) = (given, written) else {
            return Err(error::invalid("policy", "must be given"));
        };
        let mut tables = self.state.now();
        let kind = check(&tables, &resource)?;
        let set = tables.policies.get(&resource).cloned();
        let mut policy = set.unwrap_or_else(empty);
        if !given.etag.is_empty() && given.etag != policy.etag {
            return Err(error::changed(kind, &resource));
        }
        written.write(given, &mut policy)?;
        tables.revision += 1;
        policy.etag = tables.revision.to_be_bytes().to_vec();
        // What is written is answered whole: only a read can ask for less.
        let policy = shown(policy, CONDITIONS);
        tables.policies.insert(resource, policy.clone());
        Ok(Response::new(policy))
    }

    async fn test_iam_permissions(
        &self,
        request: Request<TestIamPermissionsRequest>,
    ) -> Result<Response<TestIamPermissionsResponse>, Status> {
        let has_none = request.extensions().get() == Some(&Allowed::Nothing);
        let request = request.into_inner();
        let mut wrong = Violations::default();
        wrong.keep(check_name(&request.resource));
        let mut names = request.permissions.iter();
        if request.permissions.is_empty() {
            wrong.add("permissions", "must have a permission");
        } else if names.any(|name| name.is_empty() || name.contains('*')) {
            wrong.add("permissions", "must have no wildcards and no empty names");
        }
        wrong.check()?;
        // A caller has all permissions unless its token has none; on a resource that does not exist, nobody has any.
        let mut permissions = request.permissions;
        if has_none || check(&self.state.now(), &request.resource).is_err() {
            permissions.clear();
        }
        Ok(Response::new(TestIamPermissionsResponse { permissions }))
    }
}

fn check_name(resource: &str) -> Result<(), Status> {
    let patterns = [Gateway::PATTERN, Api::PATTERN, ApiConfig::PATTERN];
    let mut wrong = Violations::default();
    wrong.name("resource", resource, &patterns);
    wrong.check()
}

/// The kind of a resource that is there.
fn check(tables: &Tables, name: &str) -> Result<&'static str, Status> {
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

/// The policy of a resource whose policy was never set.
fn empty() -> Policy {
    Policy {
        etag: NEVER_SET.to_vec(),
        ..Default::default()
    }
}
