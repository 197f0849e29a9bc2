//! The methods for locations.

use super::ApiGateway;
use super::list::List;
use crate::error::Error;
use crate::proto::google::cloud::location::{GetLocationRequest, ListLocationsRequest, Location};

impl ApiGateway {
    /// Reads a location, `projects/{project}/locations/{location}`.
    ///
    /// # Errors
    ///
    /// If the name is invalid, nothing is sent. If the call fails, the error names the location.
    pub async fn get_location(&self, name: impl Into<String>) -> Result<Location, Error> {
        let request = GetLocationRequest { name: name.into() };
        self.send(request).await
    }

    /// Lists the locations of the service that a project, `projects/{project}`, can use.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let builder = apigateway_grpc::ApiGateway::builder().endpoint("http://127.0.0.1:1");
    /// # let client = builder.anonymous().build()?;
    /// let refused = client.list_locations("p").items().next().await.expect("an error");
    /// assert!(refused.is_err_and(|error| error.to_string().ends_with("must match projects/{project}")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_locations(&self, project: impl Into<String>) -> List<ListLocationsRequest> {
        self.list(ListLocationsRequest {
            name: project.into(),
            ..ListLocationsRequest::default()
        })
    }
}
