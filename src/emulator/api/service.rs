//! The methods of the service itself, each by the verb that it is of.

use tonic::{Request, Response, Status};

use super::intercept::Given;
use crate::emulator::Emulator;
use crate::emulator::list::request::Listing;
use crate::emulator::state::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayService;
use crate::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use crate::proto::google::cloud::apigateway::v1::*;
use crate::proto::google::longrunning::Operation;

type Answer<T> = Result<Response<T>, Status>;

/// A request's message, and what a fault has given with it.
pub(crate) fn open<T>(request: Request<T>) -> (Given, T) {
    let given = Given::of(request.extensions());
    (given, request.into_inner())
}

/// What the list requests of all kinds ask for.
macro_rules! listing {
    ($request:expr) => {{
        let (given, request) = open($request);
        let listing = Listing {
            parent: request.parent,
            page_size: request.page_size,
            page_token: request.page_token,
            filter: request.filter,
            order_by: request.order_by,
        };
        (given, listing)
    }};
}

#[tonic::async_trait]
impl ApiGatewayService for Emulator {
    async fn create_api(&self, request: Request<CreateApiRequest>) -> Answer<Operation> {
        let (given, request) = open(request);
        let CreateApiRequest {
            parent,
            api_id,
            api,
        } = request;
        let started = self.state.create(&given, &parent, &api_id, api)?;
        Ok(Response::new(started))
    }

    async fn create_api_config(
        &self,
        request: Request<CreateApiConfigRequest>,
    ) -> Answer<Operation> {
        let (given, request) = open(request);
        let (parent, id) = (request.parent, request.api_config_id);
        let started = self
            .state
            .create(&given, &parent, &id, request.api_config)?;
        Ok(Response::new(started))
    }

    async fn create_gateway(&self, request: Request<CreateGatewayRequest>) -> Answer<Operation> {
        let (given, request) = open(request);
        let (parent, id) = (request.parent, request.gateway_id);
        let started = self.state.create(&given, &parent, &id, request.gateway)?;
        Ok(Response::new(started))
    }

    async fn get_api(&self, request: Request<GetApiRequest>) -> Answer<Api> {
        let (given, request) = open(request);
        let found = self.state.get(&given, &request.name, Resource::basic)?;
        Ok(Response::new(found))
    }

    async fn get_api_config(&self, request: Request<GetApiConfigRequest>) -> Answer<ApiConfig> {
        let (given, request) = open(request);
        let show = match request.view() {
            ConfigView::Full => ApiConfig::full,
            ConfigView::Basic | ConfigView::Unspecified => ApiConfig::basic,
        };
        let found = self.state.get(&given, &request.name, show)?;
        Ok(Response::new(found))
    }

    async fn get_gateway(&self, request: Request<GetGatewayRequest>) -> Answer<Gateway> {
        let (given, request) = open(request);
        let found = self.state.get(&given, &request.name, Resource::basic)?;
        Ok(Response::new(found))
    }

    async fn list_apis(&self, request: Request<ListApisRequest>) -> Answer<ListApisResponse> {
        let (given, listing) = listing!(request);
        let (apis, next_page_token) = self.state.list(&given, &listing)?;
        Ok(Response::new(ListApisResponse {
            apis,
            next_page_token,
            unreachable_locations: self.state.world.missed(&listing.parent),
        }))
    }

    async fn list_api_configs(
        &self,
        request: Request<ListApiConfigsRequest>,
    ) -> Answer<ListApiConfigsResponse> {
        let (given, listing) = listing!(request);
        let (api_configs, next_page_token) = self.state.list(&given, &listing)?;
        Ok(Response::new(ListApiConfigsResponse {
            api_configs,
            next_page_token,
            unreachable_locations: self.state.world.missed(&listing.parent),
        }))
    }

    async fn list_gateways(
        &self,
        request: Request<ListGatewaysRequest>,
    ) -> Answer<ListGatewaysResponse> {
        let (given, listing) = listing!(request);
        let (gateways, next_page_token) = self.state.list(&given, &listing)?;
        Ok(Response::new(ListGatewaysResponse {
            gateways,
            next_page_token,
            unreachable_locations: self.state.world.missed(&listing.parent),
        }))
    }

    async fn update_api(&self, request: Request<UpdateApiRequest>) -> Answer<Operation> {
        let (given, request) = open(request);
        let mask = request.update_mask.as_ref();
        let started = self.state.update(&given, request.api, mask)?;
        Ok(Response::new(started))
    }

    async fn update_api_config(
        &self,
        request: Request<UpdateApiConfigRequest>,
    ) -> Answer<Operation> {
        let (given, request) = open(request);
        let mask = request.update_mask.as_ref();
        let started = self.state.update(&given, request.api_config, mask)?;
        Ok(Response::new(started))
    }

    async fn update_gateway(&self, request: Request<UpdateGatewayRequest>) -> Answer<Operation> {
        let (given, request) = open(request);
        let mask = request.update_mask.as_ref();
        let started = self.state.update(&given, request.gateway, mask)?;
        Ok(Response::new(started))
    }

    async fn delete_api(&self, request: Request<DeleteApiRequest>) -> Answer<Operation> {
        let (given, request) = open(request);
        let started = self.state.delete::<Api>(&given, &request.name)?;
        Ok(Response::new(started))
    }

    async fn delete_api_config(
        &self,
        request: Request<DeleteApiConfigRequest>,
    ) -> Answer<Operation> {
        let (given, request) = open(request);
        let started = self.state.delete::<ApiConfig>(&given, &request.name)?;
        Ok(Response::new(started))
    }

    async fn delete_gateway(&self, request: Request<DeleteGatewayRequest>) -> Answer<Operation> {
        let (given, request) = open(request);
        let started = self.state.delete::<Gateway>(&given, &request.name)?;
        Ok(Response::new(started))
    }
}
