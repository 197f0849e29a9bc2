//! Apis: create, get, list, delete.

use tonic::{Request, Response, Status};

use super::state::page;
use super::{Emulator, fault};
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayService;
use crate::proto::google::cloud::apigateway::v1::{
    Api, CreateApiRequest, DeleteApiRequest, GetApiRequest, ListApisRequest, ListApisResponse, api,
};
use crate::proto::google::longrunning::Operation;

const API: &str = "API";

/// The most apis on a page, and how many a page has where none is asked for.
const PAGE: usize = 100;

#[tonic::async_trait]
impl ApiGatewayService for Emulator {
    async fn create_api(
        &self,
        request: Request<CreateApiRequest>,
    ) -> Result<Response<Operation>, Status> {
        let CreateApiRequest {
            parent,
            api_id,
            api,
        } = request.into_inner();
        let project = global(&parent)?;
        check_id(&api_id)?;
        let name = format!("{parent}/apis/{api_id}");
        let mut tables = self.state.now();
        if tables.apis.contains_key(&name) {
            return Err(fault::already_exists(API, &name));
        }
        let operation = self.state.start(&mut tables, "create", &name);
        let mut api = api.unwrap_or_default();
        let created = self.state.time(tokio::time::Instant::now());
        if api.display_name.is_empty() {
            api.display_name.clone_from(&api_id);
        }
        if api.managed_service.is_empty() {
            api.managed_service = format!(
                "{api_id}-{:08x}.apigateway.{project}.cloud.goog",
                hash(&name)
            );
        }
        let state = api::State::Creating.into();
        let api = Api {
            name: name.clone(),
            create_time: Some(created),
            update_time: Some(created),
            state,
            ..api
        };
        tables.apis.insert(name, api);
        Ok(Response::new(operation))
    }

    async fn get_api(&self, request: Request<GetApiRequest>) -> Result<Response<Api>, Status> {
        let name = request.into_inner().name;
        let tables = self.state.now();
        let api = tables
            .apis
            .get(&name)
            .ok_or_else(|| fault::not_found(API, &name))?;
        Ok(Response::new(api.clone()))
    }

    async fn list_apis(
        &self,
        request: Request<ListApisRequest>,
    ) -> Result<Response<ListApisResponse>, Status> {
        let request = request.into_inner();
        global(&request.parent)?;
        if !request.filter.is_empty() || !request.order_by.is_empty() {
            return Err(Status::unimplemented(
                "the emulator does not filter or order apis yet",
            ));
        }
        let size = page_size(request.page_size)?;
        let prefix = format!("{}/apis/", request.parent);
        let tables = self.state.now();
        let (apis, next_page_token) = page(
            &tables.apis,
            &prefix,
            &request.page_token,
            size,
            |_, api| Some(api.clone()),
        );
        Ok(Response::new(ListApisResponse {
            apis,
            next_page_token,
            unreachable_locations: Vec::new(),
        }))
    }

    async fn delete_api(
        &self,
        request: Request<DeleteApiRequest>,
    ) -> Result<Response<Operation>, Status> {
        let name = request.into_inner().name;
        let mut tables = self.state.now();
        if !tables.apis.contains_key(&name) {
            return Err(fault::not_found(API, &name));
        }
        if let Some(operation) = tables.under_way(&name) {
            return Err(fault::busy(API, &name, operation));
        }
        let operation = self.state.start(&mut tables, "delete", &name);
        tables.set_state(
            &name,
            api::State::Deleting,
            self.state.time(tokio::time::Instant::now()),
        );
        Ok(Response::new(operation))
    }
}

/// The project of `projects/*/locations/global`, where apis live.
fn global(parent: &str) -> Result<&str, Status> {
    match parent.split('/').collect::<Vec<_>>()[..] {
        ["projects", project, "locations", "global"] if !project.is_empty() => Ok(project),
        _ => Err(fault::invalid(
            "parent",
            "must be projects/{project}/locations/global",
        )),
    }
}

fn check_id(id: &str) -> Result<(), Status> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 63 || id.starts_with('-') || !id.bytes().all(fits) {
        return Err(fault::invalid(
            "api_id",
            "must be 1 to 63 of a-z, 0-9 and -, not beginning with -",
        ));
    }
    Ok(())
}

/// Zero leaves it to the server; a size too large is coerced (AIP-158).
pub(super) fn page_size(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(PAGE)),
        Err(_) => Err(fault::invalid("page_size", "must not be negative")),
    }
}

/// FNV-1a, so that a service's name is the same in every run.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
