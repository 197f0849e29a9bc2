//! Locations: `global` and the regions that have gateways.

use tonic::{Request, Response, Status};

use crate::emulator::Emulator;
use crate::emulator::error::violations::Violations;
use crate::emulator::list::field::{Fields, Kind, Value};
use crate::emulator::list::filter::Filter;
use crate::emulator::list::page_token::Cursor;
use crate::emulator::list::request::page_size;
use crate::emulator::state::location::{LOCATIONS, Place};
use crate::emulator::state::table::page;
use crate::names::ProjectName;
use crate::proto::google::cloud::location::locations_server::Locations;
use crate::proto::google::cloud::location::{
    GetLocationRequest, ListLocationsRequest, ListLocationsResponse, Location,
};

#[tonic::async_trait]
impl Locations for Emulator {
    async fn list_locations(
        &self,
        request: Request<ListLocationsRequest>,
    ) -> Result<Response<ListLocationsResponse>, Status> {
        let request = request.into_inner();
        let mut wrong = Violations::default();
        wrong.name("name", &request.name, &[ProjectName::PATTERN]);
        let size = wrong.keep(page_size(request.page_size)).unwrap_or_default();
        let filter = wrong.keep(Filter::of::<Location>(&request.filter));
        let filter = filter.unwrap_or_default();
        let list = ["locations", &request.name, &request.filter];
        let cursor = wrong.keep(Cursor::read(&request.page_token, &list));
        let cursor = cursor.unwrap_or_default();
        wrong.check()?;
        // `global` comes before `us-…`, in the order of the names.
        let mut all = LOCATIONS;
        all.sort_unstable();
        let all = all.into_iter().map(|id| location(&request.name, id));
        let shown = all.filter(|location| location.name > cursor.name && filter.has(location));
        let (locations, last) = page(
            shown.map(|location| (location.name.clone(), location)),
            size,
        );
        Ok(Response::new(ListLocationsResponse {
            locations,
            next_page_token: last.map_or_else(String::new, |last| last.token(&list)),
        }))
    }

    async fn get_location(
        &self,
        request: Request<GetLocationRequest>,
    ) -> Result<Response<Location>, Status> {
        let name = request.into_inner().name;
        Place::of("name", &name, false)?;
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
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("name", Kind::Text),
        ("location_id", Kind::Text),
        ("display_name", Kind::Text),
        ("labels", Kind::Map),
    ];

    fn value(&self, path: &str) -> Value<'_> {
        match path {
            "name" => Value::text(&self.name),
            "location_id" => Value::text(&self.location_id),
            "display_name" => Value::text(&self.display_name),
            "labels" => Value::Map(&self.labels),
            _ => Value::Unset,
        }
    }
}
