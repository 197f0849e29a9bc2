//! Who may do what with a resource: kept, and never enforced.

use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::mask::snake;
use super::resource::Resource;
use super::state::Tables;
use super::violations::Violations;
use super::{Emulator, refusal};
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};
use crate::proto::google::iam::v1::iam_policy_server::IamPolicy;
use crate::proto::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest,
    TestIamPermissionsResponse,
};

#[tonic::async_trait]
impl IamPolicy for Emulator {
    async fn get_iam_policy(
        &self,
        request: Request<GetIamPolicyRequest>,
    ) -> Result<Response<Policy>, Status> {
        let resource = request.into_inner().resource;
        check_name(&resource)?;
        let tables = self.state.now();
        check(&tables, &resource)?;
        Ok(Response::new(policy(&tables, &resource)))
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
        if given.is_none() {
            wrong.add("policy", "must be given");
        }
        wrong.check()?;
        let given = given.unwrap_or_default();
        let mut tables = self.state.now();
        let kind = check(&tables, &resource)?;
        let mut policy = policy(&tables, &resource);
        if !given.etag.is_empty() && given.etag != policy.etag {
            return Err(refusal::changed(kind, &resource));
        }
        take(&mut policy, given, update_mask)?;
        tables.revision += 1;
        policy.etag = tables.revision.to_be_bytes().to_vec();
        tables.policies.insert(resource, policy.clone());
        Ok(Response::new(policy))
    }

    async fn test_iam_permissions(
        &self,
        request: Request<TestIamPermissionsRequest>,
    ) -> Result<Response<TestIamPermissionsResponse>, Status> {
        let request = request.into_inner();
        let mut wrong = Violations::default();
        wrong.keep(check_name(&request.resource));
        if request.permissions.iter().any(|name| name.contains('*')) {
            wrong.add("permissions", "must have no wildcards");
        }
        wrong.check()?;
        // Nobody is refused anything here; but on nothing, nobody may do anything.
        let mut permissions = request.permissions;
        if check(&self.state.now(), &request.resource).is_err() {
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
    Err(refusal::not_found(kind, name))
}

/// The policy that was set, or one that allows nobody anything.
fn policy(tables: &Tables, resource: &str) -> Policy {
    let set = tables.policies.get(resource).cloned();
    set.unwrap_or_else(|| Policy {
        etag: 0_u64.to_be_bytes().to_vec(),
        ..Default::default()
    })
}

/// Without a mask, all of the policy is taken over.
fn take(policy: &mut Policy, given: Policy, mask: Option<FieldMask>) -> Result<(), Status> {
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        *policy = given;
        return Ok(());
    }
    for path in paths {
        match snake(&path).as_str() {
            "bindings" => policy.bindings.clone_from(&given.bindings),
            "audit_configs" => policy.audit_configs.clone_from(&given.audit_configs),
            "version" => policy.version = given.version,
            "etag" => {}
            _ => {
                let why = format!("`{path}` is no field of a policy");
                return Err(refusal::invalid("update_mask", &why));
            }
        }
    }
    Ok(())
}
