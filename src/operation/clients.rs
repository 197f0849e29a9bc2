//! The generated clients over one stack, and the profile of their service.

use std::sync::Arc;
use std::time::Duration;

use crate::call::CallOptions;
use crate::contract::Method;
use crate::operation::profile::ServiceProfile;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_client::ApiGatewayServiceClient;
use crate::proto::google::cloud::location::locations_client::LocationsClient;
use crate::proto::google::iam::v1::iam_policy_client::IamPolicyClient;
use crate::proto::google::longrunning::operations_client::OperationsClient;
use crate::stack::Stack;

/// Creates generated clients that limit the size of responses.
#[derive(Clone, Debug)]
pub struct Clients {
    stack: Stack,
    max_response_size: usize,
    /// Default timeout of the client's calls, if one is set. It applies to calls whose options have no timeout.
    timeout: Option<Duration>,
    profile: Arc<dyn ServiceProfile>,
}

impl Clients {
    pub(crate) fn new(
        stack: Stack,
        max_response_size: usize,
        timeout: Option<Duration>,
        profile: Arc<dyn ServiceProfile>,
    ) -> Self {
        Self {
            stack,
            max_response_size,
            timeout,
            profile,
        }
    }

    /// Returns the same clients with these options for their calls. Options that are `None` keep their previous values.
    pub(crate) fn with_options(&self, options: CallOptions) -> Self {
        Self {
            stack: self.stack.with_options(options),
            max_response_size: self.max_response_size,
            timeout: self.timeout,
            profile: Arc::clone(&self.profile),
        }
    }

    /// Returns the timeout of a call of this method, from the options, from the client, or from the contract, in this order.
    pub(crate) fn timeout(&self, method: &Method) -> Duration {
        let options = self.stack.options().and_then(|options| options.timeout);
        let set = options.or(self.timeout);
        set.unwrap_or_else(|| method.default_timeout())
    }

    pub(crate) fn service(&self) -> ApiGatewayServiceClient<Stack> {
        ApiGatewayServiceClient::new(self.stack()).max_decoding_message_size(self.max_response_size)
    }

    pub(crate) fn operations(&self) -> OperationsClient<Stack> {
        OperationsClient::new(self.stack()).max_decoding_message_size(self.max_response_size)
    }

    pub(crate) fn locations(&self) -> LocationsClient<Stack> {
        LocationsClient::new(self.stack()).max_decoding_message_size(self.max_response_size)
    }

    pub(crate) fn iam_policy(&self) -> IamPolicyClient<Stack> {
        IamPolicyClient::new(self.stack()).max_decoding_message_size(self.max_response_size)
    }

    pub(crate) fn max_response_size(&self) -> usize {
        self.max_response_size
    }

    pub(crate) fn profile(&self) -> &dyn ServiceProfile {
        &*self.profile
    }

    pub(crate) fn stack(&self) -> Stack {
        self.stack.clone()
    }
}
