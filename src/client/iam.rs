//! Who may do what with a gateway, an api or a config.

use super::ApiGateway;
use crate::error::Error;
use crate::proto::google::iam::v1::{
    GetIamPolicyRequest, Policy, SetIamPolicyRequest, TestIamPermissionsRequest,
};

impl ApiGateway {
    /// Reads the policy of a gateway, an api or a config. One without a policy has an empty one.
    ///
    /// Conditions are shown only if version 3 is asked for, which takes the whole request. Otherwise the role of a
    /// binding with a condition ends with `_withcond_` and a hash. Do not write such a policy: its conditions are missing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let builder = apigateway_grpc::ApiGateway::builder().endpoint("http://127.0.0.1:1");
    /// # let client = builder.anonymous().build()?;
    /// use apigateway_grpc::proto::google::iam::v1::{GetIamPolicyRequest, GetPolicyOptions};
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
    /// If the name has none of the three forms, nothing is sent. If the call fails, the error names the
    /// resource.
    pub async fn get_iam_policy(&self, resource: impl Into<String>) -> Result<Policy, Error> {
        let request = GetIamPolicyRequest {
            resource: resource.into(),
            options: None,
        };
        self.send(request).await
    }

    /// Replaces the bindings of the policy of a gateway, an api or a config. With the `etag` of the policy that was
    /// read, it is refused as ABORTED if the policy was changed since. The audit configs are replaced only by a whole
    /// request whose `update_mask` names them, and bindings with conditions need a policy of `version` 3.
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

    /// Which of the permissions, such as `apigateway.gateways.get`, the caller has on a gateway, an api or a
    /// config. On one that does not exist it has none.
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
