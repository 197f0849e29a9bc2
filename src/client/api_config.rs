//! The methods for API configs.

use super::ApiGateway;
use super::field_mask::UpdateMask;
use super::list::List;
use crate::error::Error;
use crate::operation::Operation;
use crate::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use crate::proto::google::cloud::apigateway::v1::{
    ApiConfig, CreateApiConfigRequest, DeleteApiConfigRequest, GetApiConfigRequest,
    ListApiConfigsRequest, UpdateApiConfigRequest,
};

impl ApiGateway {
    /// Starts to create a config of an API, `projects/{project}/locations/global/apis/{api}`.
    ///
    /// A config has OpenAPI documents or gRPC services, not both. The contents of a config never change; create another config
    /// for each version of the API.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # use apigateway_grpc::{ApiGateway, emulator::Emulator, model::Api};
    /// # let emulator = Emulator::builder().build();
    /// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// # let api = client.create_api("projects/p/locations/global", "hello", Api::default()).await?.await?.name;
    /// use apigateway_grpc::model::ApiConfig;
    ///
    /// // From files: `ApiConfig::from_openapi_files(["hello.yaml"])?`.
    /// let document = "\
    /// swagger: '2.0'
    /// info: {title: hello, version: '1'}
    /// paths:
    ///   /hello:
    ///     get:
    ///       operationId: hello
    ///       x-google-backend: {address: 'https://hello.example'}
    ///       responses: {'200': {description: a greeting}}
    /// ";
    /// let config = ApiConfig::from_openapi("hello.yaml", document);
    /// let config = client.create_api_config(&api, "v1", config).await?.await?;
    /// assert!(config.name.ends_with("/apis/hello/configs/v1"));
    ///
    /// // A document with faults is an error of the operation, with a diagnostic for each fault.
    /// let faulty = ApiConfig::from_openapi("hello.yaml", "swagger: '2.0'");
    /// let error = client.create_api_config(&api, "v2", faulty).await?.await.expect_err("faults");
    /// for diagnostic in error.diagnostics() {
    ///     println!("{}: {}", diagnostic.location, diagnostic.message);
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// If the name of the parent is invalid, or the id is not 1 to 63 characters of a-z, 0-9 and `-`, nothing is sent. If the
    /// call fails, the error names the config.
    pub async fn create_api_config(
        &self,
        parent: impl Into<String>,
        id: impl Into<String>,
        config: ApiConfig,
    ) -> Result<Operation<ApiConfig>, Error> {
        let request = CreateApiConfigRequest {
            parent: parent.into(),
            api_config_id: id.into(),
            api_config: Some(config),
        };
        self.send(request).await
    }

    /// Reads a config, `projects/{project}/locations/global/apis/{api}/configs/{api_config}`, without its documents and files.
    ///
    /// # Errors
    ///
    /// If the name is invalid, nothing is sent. If the call fails, the error names the config.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let builder = apigateway_grpc::ApiGateway::builder().endpoint("http://127.0.0.1:1");
    /// # let client = builder.anonymous().build()?;
    /// let refused = client.get_api_config("projects/p/locations/global/apis/a").await;
    /// assert!(refused.is_err_and(|error| error.is_invalid_name()), "it is the name of an api");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_api_config(&self, name: impl Into<String>) -> Result<ApiConfig, Error> {
        self.view_api_config(name.into(), ConfigView::Unspecified)
            .await
    }

    /// Reads a config with its OpenAPI documents or the files of its gRPC services.
    ///
    /// # Errors
    ///
    /// As [`get_api_config`](Self::get_api_config).
    pub async fn get_api_config_full(&self, name: impl Into<String>) -> Result<ApiConfig, Error> {
        self.view_api_config(name.into(), ConfigView::Full).await
    }

    async fn view_api_config(&self, name: String, view: ConfigView) -> Result<ApiConfig, Error> {
        let view = view.into();
        self.send(GetApiConfigRequest { name, view }).await
    }

    /// Starts to update the config with the name `config.name`. Only the fields in the mask are written.
    ///
    /// # Errors
    ///
    /// If the name is invalid, the mask is empty, or a path of the mask is not a field of the message, nothing is sent. If the
    /// call fails, the error names the config.
    pub async fn update_api_config(
        &self,
        config: ApiConfig,
        mask: impl Into<UpdateMask>,
    ) -> Result<Operation<ApiConfig>, Error> {
        let request = UpdateApiConfigRequest {
            update_mask: self.mask(mask, &config.name, "update api config")?,
            api_config: Some(config),
        };
        self.send(request).await
    }

    /// Starts to delete a config, `projects/{project}/locations/global/apis/{api}/configs/{api_config}`. A config that a
    /// gateway uses cannot be deleted.
    ///
    /// # Errors
    ///
    /// As [`get_api_config`](Self::get_api_config).
    pub async fn delete_api_config(&self, name: impl Into<String>) -> Result<Operation<()>, Error> {
        let request = DeleteApiConfigRequest { name: name.into() };
        self.send(request).await
    }

    /// Lists the configs of an API, `projects/{project}/locations/global/apis/{api}`, without their documents and files.
    pub fn list_api_configs(&self, parent: impl Into<String>) -> List<ListApiConfigsRequest> {
        self.list(ListApiConfigsRequest {
            parent: parent.into(),
            ..ListApiConfigsRequest::default()
        })
    }
}
