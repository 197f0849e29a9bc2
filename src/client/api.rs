//! The methods for APIs.

use super::ApiGateway;
use super::field_mask::UpdateMask;
use super::list::List;
use crate::error::Error;
use crate::operation::Operation;
use crate::proto::google::cloud::apigateway::v1::{
    Api, CreateApiRequest, DeleteApiRequest, GetApiRequest, ListApisRequest, UpdateApiRequest,
};

impl ApiGateway {
    /// Starts to create an API in a location, `projects/{project}/locations/global`.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # use apigateway_grpc::{ApiGateway, emulator::Emulator};
    /// # let emulator = Emulator::builder().build();
    /// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// use apigateway_grpc::names::LocationName;
    /// use apigateway_grpc::model::Api;
    ///
    /// let parent = LocationName::new("p", "global")?;
    /// let api = Api { display_name: "Hello".into(), ..Api::default() };
    /// let operation = client.create_api(parent, "hello", api).await?;
    /// println!("started {}", operation.name());
    /// let api = operation.await?;
    /// assert_eq!(api.display_name, "Hello");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// If the name of the parent is invalid, or the id is not 1 to 63 characters of a-z, 0-9 and `-`, nothing is sent. If the
    /// call fails, the error names the API.
    pub async fn create_api(
        &self,
        parent: impl Into<String>,
        id: impl Into<String>,
        api: Api,
    ) -> Result<Operation<Api>, Error> {
        let request = CreateApiRequest {
            parent: parent.into(),
            api_id: id.into(),
            api: Some(api),
        };
        self.send(request).await
    }

    /// Reads an API, `projects/{project}/locations/global/apis/{api}`.
    ///
    /// # Errors
    ///
    /// If the name is invalid, nothing is sent. If the call fails, the error names the API.
    pub async fn get_api(&self, name: impl Into<String>) -> Result<Api, Error> {
        let request = GetApiRequest { name: name.into() };
        self.send(request).await
    }

    /// Starts to update the API with the name `api.name`. Only the fields in the mask are written.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let builder = apigateway_grpc::ApiGateway::builder().endpoint("http://127.0.0.1:1");
    /// # let client = builder.anonymous().build()?;
    /// use apigateway_grpc::field_mask::UpdateMask;
    /// use apigateway_grpc::model::Api;
    ///
    /// let old = Api { name: "projects/p/locations/global/apis/a".into(), ..Api::default() };
    /// let new = old.clone();
    /// // A list of paths, such as `["display_name"]`, is also a valid mask.
    /// let refused = client.update_api(new.clone(), UpdateMask::between(&old, &new)).await;
    /// assert!(refused.is_err_and(|error| error.to_string().contains("nothing changed")));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the name is invalid, the mask is empty, or a path of the mask is not a field of the message, nothing is sent. If the
    /// call fails, the error names the API.
    pub async fn update_api(
        &self,
        api: Api,
        mask: impl Into<UpdateMask>,
    ) -> Result<Operation<Api>, Error> {
        let request = UpdateApiRequest {
            update_mask: self.mask(mask, &api.name, "update api")?,
            api: Some(api),
        };
        self.send(request).await
    }

    /// Starts to delete an API, `projects/{project}/locations/global/apis/{api}`. An API that has configs cannot be deleted.
    ///
    /// # Errors
    ///
    /// As [`get_api`](Self::get_api).
    pub async fn delete_api(&self, name: impl Into<String>) -> Result<Operation<()>, Error> {
        let request = DeleteApiRequest { name: name.into() };
        self.send(request).await
    }

    /// Lists the APIs of a location, `projects/{project}/locations/global`; [`list`](crate::client::list) has an example.
    pub fn list_apis(&self, parent: impl Into<String>) -> List<ListApisRequest> {
        self.list(ListApisRequest {
            parent: parent.into(),
            ..ListApisRequest::default()
        })
    }
}
