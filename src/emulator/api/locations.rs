//! The service `Locations`: `global`, and the regions in which API Gateway offers gateways.

use tonic::{Request, Response, Status};

use super::core::Services;
use crate::emulator::error::violations::Violations;
use crate::emulator::list::field::{FieldType, FieldValue, Fields};
use crate::emulator::list::filter::Filter;
use crate::emulator::list::page::page;
use crate::emulator::list::page_token::PageToken;
use crate::emulator::list::request::page_size;
use crate::emulator::state::location::{LOCATIONS, LocationKind};
use crate::names::ProjectName;
use crate::proto::google::cloud::location::locations_server::Locations;
use crate::proto::google::cloud::location::{
    GetLocationRequest, ListLocationsRequest, ListLocationsResponse, Location,
};

#[tonic::async_trait]
impl Locations for Services {
    async fn list_locations(
        &self,
        request: Request<ListLocationsRequest>,
    ) -> Result<Response<ListLocationsResponse>, Status> {
        let request = request.into_inner();
        let mut violations = Violations::default();
        violations.name("name", &request.name, &[ProjectName::PATTERN]);
        let size = violations
            .take(page_size(request.page_size))
            .unwrap_or_default();
        let filter = violations.take(Filter::parse::<Location>(&request.filter));
        let filter = filter.unwrap_or_default();
        let list = ["locations", &request.name, &request.filter];
        let start = violations.take(PageToken::parse(&request.page_token, &list));
        let start = start.unwrap_or_default();
        violations.check()?;
        // Locations are listed in the order of their names.
        let mut all = LOCATIONS;
        all.sort_unstable();
        let all = all.into_iter().map(|id| location(&request.name, id));
        let listed = all.filter(|location| location.name > start.name && filter.matches(location));
        let (locations, next) = page(
            listed.map(|location| (location.name.clone(), location)),
            size,
        );
        Ok(Response::new(ListLocationsResponse {
            locations,
            next_page_token: next.map_or_else(String::new, |next| next.into_text(&list)),
        }))
    }

    async fn get_location(
        &self,
        request: Request<GetLocationRequest>,
    ) -> Result<Response<Location>, Status> {
        let name = request.into_inner().name;
        LocationKind::parse("name", &name, false)?;
        let (project, id) = name.split_once("/locations/").unwrap_or_default();
        Ok(Response::new(location(project, id)))
    }
}

fn location(project: &str, id: &str) -> Location {
    Location {
        name: format!("{project}/locations/{id}"),
        location_id: id.to_owned(),
        display_name: id.to_owned(),
        ..Default::default()
    }
}

impl Fields for Location {
    const FIELDS: &'static [(&'static str, FieldType)] = &[
        ("name", FieldType::Text),
        ("location_id", FieldType::Text),
        ("display_name", FieldType::Text),
        ("labels", FieldType::Map),
    ];

    fn value(&self, path: &str) -> FieldValue<'_> {
        match path {
            "name" => FieldValue::text(&self.name),
            "location_id" => FieldValue::text(&self.location_id),
            "display_name" => FieldValue::text(&self.display_name),
            "labels" => FieldValue::Map(&self.labels),
            _ => FieldValue::Unset,
        }
    }
}
