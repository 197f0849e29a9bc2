//! Configs of apis.

use super::ApiGateway;
use super::field_mask::Mask;
use super::list::List;
use crate::error::Error;
use crate::operation::Operation;
use crate::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use crate::proto::google::cloud::apigateway::v1::{
    ApiConfig, CreateApiConfigRequest, DeleteApiConfigRequest, GetApiConfigRequest,
    ListApiConfigsRequest, UpdateApiConfigRequest,
};

impl ApiGateway {
    /// Starts to create a config of an api, `projects/{project}/locations/global/apis/{api}`.
    ///
    /// A config has OpenAPI documents or gRPC services, not both. Its contents never change: there is
    /// another config for another version of the api.
    ///
    /// # Errors
    ///
    /// If the parent's name is not of its form, or the id is not one of at most 63 of a-z, 0-9 and `-`,
    /// nothing is sent. If the call fails, the error names the config.
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

    /// Reads a config, `projects/{project}/locations/global/apis/{api}/configs/{api_config}`, without its
    /// sources.
    ///
    /// # Errors
    ///
    /// If the name is not of its form, nothing is sent. If the call fails, the error names the config.
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

    /// Reads a config with its sources: the OpenAPI documents, or the files of the gRPC services.
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

    /// Starts to write the fields of `mask` of the config with the name that `config` has.
    ///
    /// # Errors
    ///
    /// If the name is not of its form, or the mask is empty or has a path that is no field of a config,
    /// nothing is sent. If the call fails, the error names the config.
    pub async fn update_api_config(
        &self,
        config: ApiConfig,
        mask: impl Into<Mask>,
    ) -> Result<Operation<ApiConfig>, Error> {
        let request = UpdateApiConfigRequest {
            update_mask: self.mask(mask, &config.name, "update api config")?,
            api_config: Some(config),
        };
        self.send(request).await
    }

    /// Starts to delete a config. One that a gateway uses cannot be deleted.
    ///
    /// # Errors
    ///
    /// As [`get_api_config`](Self::get_api_config).
    pub async fn delete_api_config(&self, name: impl Into<String>) -> Result<Operation<()>, Error> {
        let request = DeleteApiConfigRequest { name: name.into() };
        self.send(request).await
    }

    /// The configs of an api, without their sources.
    pub fn list_api_configs(&self, parent: impl Into<String>) -> List<ListApiConfigsRequest> {
        self.list(ListApiConfigsRequest {
            parent: parent.into(),
            ..ListApiConfigsRequest::default()
        })
    }
}
