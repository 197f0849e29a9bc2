//! The methods of `ApiGatewayService`. Each calls the generic method of its verb.

use tonic::{Request, Response, Status};

use super::core::Services;
use super::intercept::FaultEffect;
use crate::emulator::list::request::ListRequest;
use crate::emulator::state::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayService;
use crate::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use crate::proto::google::cloud::apigateway::v1::*;
use crate::proto::google::longrunning::Operation;

type Answer<T> = Result<Response<T>, Status>;

/// Returns the message of a request, and the effect of a fault on the call.
pub(super) fn open<T>(request: Request<T>) -> (FaultEffect, T) {
    let effect = FaultEffect::of(request.extensions());
    (effect, request.into_inner())
}

/// Opens a list request of any kind.
macro_rules! open_list {
    ($request:expr) => {{
        let (effect, request) = open($request);
        let list = ListRequest {
            parent: request.parent,
            page_size: request.page_size,
            page_token: request.page_token,
            filter: request.filter,
            order_by: request.order_by,
        };
        (effect, list)
    }};
}

#[tonic::async_trait]
impl ApiGatewayService for Services {
    async fn create_api(&self, request: Request<CreateApiRequest>) -> Answer<Operation> {
        let (effect, request) = open(request);
        let CreateApiRequest {
            parent,
            api_id,
            api,
        } = request;
        let started = self.0.create(&effect, &parent, &api_id, api)?;
        Ok(Response::new(started))
    }

    async fn create_api_config(
        &self,
        request: Request<CreateApiConfigRequest>,
    ) -> Answer<Operation> {
        let (effect, request) = open(request);
        let (parent, id) = (request.parent, request.api_config_id);
        let started = self.0.create(&effect, &parent, &id, request.api_config)?;
        Ok(Response::new(started))
    }

    async fn create_gateway(&self, request: Request<CreateGatewayRequest>) -> Answer<Operation> {
        let (effect, request) = open(request);
        let (parent, id) = (request.parent, request.gateway_id);
        let started = self.0.create(&effect, &parent, &id, request.gateway)?;
        Ok(Response::new(started))
    }

    async fn get_api(&self, request: Request<GetApiRequest>) -> Answer<Api> {
        let (effect, request) = open(request);
        let found = self.0.get(&effect, &request.name, Resource::basic_view)?;
        Ok(Response::new(found))
    }

    async fn get_api_config(&self, request: Request<GetApiConfigRequest>) -> Answer<ApiConfig> {
        let (effect, request) = open(request);
        let view = match request.view() {
            ConfigView::Full => ApiConfig::full_view,
            ConfigView::Basic | ConfigView::Unspecified => ApiConfig::basic_view,
        };
        let found = self.0.get(&effect, &request.name, view)?;
        Ok(Response::new(found))
    }

    async fn get_gateway(&self, request: Request<GetGatewayRequest>) -> Answer<Gateway> {
        let (effect, request) = open(request);
        let found = self.0.get(&effect, &request.name, Resource::basic_view)?;
        Ok(Response::new(found))
    }

    async fn list_apis(&self, request: Request<ListApisRequest>) -> Answer<ListApisResponse> {
        let (effect, list) = open_list!(request);
        let (apis, next_page_token) = self.0.list(&effect, &list)?;
        Ok(Response::new(ListApisResponse {
            apis,
            next_page_token,
            unreachable_locations: self.0.environment.unreachable_locations(&list.parent),
        }))
    }

    async fn list_api_configs(
        &self,
        request: Request<ListApiConfigsRequest>,
    ) -> Answer<ListApiConfigsResponse> {
        let (effect, list) = open_list!(request);
        let (api_configs, next_page_token) = self.0.list(&effect, &list)?;
        Ok(Response::new(ListApiConfigsResponse {
            api_configs,
            next_page_token,
            unreachable_locations: self.0.environment.unreachable_locations(&list.parent),
        }))
    }

    async fn list_gateways(
        &self,
        request: Request<ListGatewaysRequest>,
    ) -> Answer<ListGatewaysResponse> {
        let (effect, list) = open_list!(request);
        let (gateways, next_page_token) = self.0.list(&effect, &list)?;
        Ok(Response::new(ListGatewaysResponse {
            gateways,
            next_page_token,
            unreachable_locations: self.0.environment.unreachable_locations(&list.parent),
        }))
    }

    async fn update_api(&self, request: Request<UpdateApiRequest>) -> Answer<Operation> {
        let (effect, request) = open(request);
        let mask = request.update_mask.as_ref();
        let started = self.0.update(&effect, request.api, mask)?;
        Ok(Response::new(started))
    }

    async fn update_api_config(
        &self,
        request: Request<UpdateApiConfigRequest>,
    ) -> Answer<Operation> {
        let (effect, request) = open(request);
        let mask = request.update_mask.as_ref();
        let started = self.0.update(&effect, request.api_config, mask)?;
        Ok(Response::new(started))
    }

    async fn update_gateway(&self, request: Request<UpdateGatewayRequest>) -> Answer<Operation> {
        let (effect, request) = open(request);
        let mask = request.update_mask.as_ref();
        let started = self.0.update(&effect, request.gateway, mask)?;
        Ok(Response::new(started))
    }

    async fn delete_api(&self, request: Request<DeleteApiRequest>) -> Answer<Operation> {
        let (effect, request) = open(request);
        let started = self.0.delete::<Api>(&effect, &request.name)?;
        Ok(Response::new(started))
    }

    async fn delete_api_config(
        &self,
        request: Request<DeleteApiConfigRequest>,
    ) -> Answer<Operation> {
        let (effect, request) = open(request);
        let started = self.0.delete::<ApiConfig>(&effect, &request.name)?;
        Ok(Response::new(started))
    }

    async fn delete_gateway(&self, request: Request<DeleteGatewayRequest>) -> Answer<Operation> {
        let (effect, request) = open(request);
        let started = self.0.delete::<Gateway>(&effect, &request.name)?;
        Ok(Response::new(started))
    }
}
