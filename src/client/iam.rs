//! The methods for IAM policies of gateways, APIs and configs.

use super::ApiGateway;
use crate::error::Error;
use crate::proto::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest,
};

impl ApiGateway {
    /// Reads the IAM policy of a gateway, an API or a config. A resource without a policy has an empty one.
    ///
    /// The service returns conditions only if the request asks for policy version 3, as below. Otherwise the role of a binding
    /// with a condition ends with `_withcond_` and a hash. Do not write such a policy back: its conditions are missing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let builder = apigateway_grpc::ApiGateway::builder().endpoint("http://127.0.0.1:1");
    /// # let client = builder.anonymous().build()?;
    /// use apigateway_grpc::model::{GetIamPolicyRequest, GetPolicyOptions};
    ///
    /// let request = GetIamPolicyRequest {
    ///     resource: "gateways/g".into(),
    ///     options: Some(GetPolicyOptions { requested_policy_version: 3 }),
    /// };
    /// assert!(client.send(request).await.is_err_and(|error| error.is_invalid_name()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If `resource` is not the name of a gateway, an API or a config, nothing is sent. If the call fails, the error names the
    /// resource.
    pub async fn get_iam_policy(&self, resource: impl Into<String>) -> Result<Policy, Error> {
        let request = GetIamPolicyRequest {
            resource: resource.into(),
            options: None,
        };
        self.send(request).await
    }

    /// Replaces the bindings of the IAM policy of a gateway, an API or a config. If `policy` has the `etag` of an earlier read,
    /// the call fails with ABORTED when the policy has changed since then. To replace the audit configs, send a
    /// `SetIamPolicyRequest` whose `update_mask` names them. Bindings with conditions need a policy of `version` 3.
    ///
    /// # Errors
    ///
    /// As [`get_iam_policy`](Self::get_iam_policy).
    pub async fn set_iam_policy(
        &self,
        resource: impl Into<String>,
        policy: Policy,
    ) -> Result<Policy, Error> {
        let request = SetIamPolicyRequest {
            resource: resource.into(),
            policy: Some(policy),
            update_mask: None,
        };
        self.send(request).await
    }

    /// Returns the subset of `permissions` that the caller has on a gateway, an API or a config. A permission is a name such as
    /// `apigateway.gateways.get`. For a resource that does not exist, the result is empty.
    ///
    /// # Errors
    ///
    /// As [`get_iam_policy`](Self::get_iam_policy).
    pub async fn test_iam_permissions<P: Into<String>>(
        &self,
        resource: impl Into<String>,
        permissions: impl IntoIterator<Item = P>,
    ) -> Result<Vec<String>, Error> {
        let request = TestIamPermissionsRequest {
            resource: resource.into(),
            permissions: permissions.into_iter().map(Into::into).collect(),
        };
        Ok(self.send(request).await?.permissions)
    }
}
