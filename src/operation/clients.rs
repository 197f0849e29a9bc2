//! The generated clients over one stack, and the profile of their service.

use std::sync::Arc;
use std::time::Duration;

use crate::call::CallOptions;
use crate::contract::{self, Contract, Method};
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
    /// Shared, since each wait has a copy of the clients.
    settings: Arc<Settings>,
}

/// The settings that all clients of a service share.
#[derive(Debug)]
struct Settings {
    contract: Contract,
    max_response_size: usize,
    /// Default timeout of the client's calls, if one is set. It applies to calls whose options have no timeout.
    timeout: Option<Duration>,
    profile: Arc<dyn ServiceProfile>,
}

impl Clients {
    pub(crate) fn new(
        stack: Stack,
        contract: Contract,
        max_response_size: usize,
        timeout: Option<Duration>,
        profile: Arc<dyn ServiceProfile>,
    ) -> Self {
        let settings = Settings {
            contract,
            max_response_size,
            timeout,
            profile,
        };
        Self {
            stack,
            settings: Arc::new(settings),
        }
    }

    /// Returns the same clients with these options for their calls. Options that are `None` keep their previous values.
    pub(crate) fn with_options(&self, options: CallOptions) -> Self {
        Self {
            stack: self.stack.with_options(options),
            settings: Arc::clone(&self.settings),
        }
    }

    /// Returns the contract of the client.
    #[cfg(feature = "google")]
    pub(crate) fn contract(&self) -> &Contract {
        &self.settings.contract
    }

    /// Returns the timeout of a call of this method, from the options, from the client, from the client's contract, or from the
    /// built-in contract, in this order.
    pub(crate) fn timeout(&self, method: &'static Method) -> Duration {
        let options = self.stack.options().and_then(|options| options.timeout);
        let of_contract = || {
            self.settings
                .contract
                .lookup(&method.path)?
                .default_timeout()
        };
        let set = options.or(self.settings.timeout).or_else(of_contract);
        set.or(method.default_timeout())
            .unwrap_or(contract::DEFAULT_TIMEOUT)
    }

    pub(crate) fn service(&self) -> ApiGatewayServiceClient<Stack> {
        ApiGatewayServiceClient::new(self.stack())
            .max_decoding_message_size(self.max_response_size())
    }

    pub(crate) fn operations(&self) -> OperationsClient<Stack> {
        OperationsClient::new(self.stack()).max_decoding_message_size(self.max_response_size())
    }

    pub(crate) fn locations(&self) -> LocationsClient<Stack> {
        LocationsClient::new(self.stack()).max_decoding_message_size(self.max_response_size())
    }

    pub(crate) fn iam_policy(&self) -> IamPolicyClient<Stack> {
        IamPolicyClient::new(self.stack()).max_decoding_message_size(self.max_response_size())
    }

    pub(crate) fn max_response_size(&self) -> usize {
        self.settings.max_response_size
    }

    pub(crate) fn profile(&self) -> &dyn ServiceProfile {
        &*self.settings.profile
    }

    pub(crate) fn stack(&self) -> Stack {
        self.stack.clone()
    }
}
