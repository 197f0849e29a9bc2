//! The messages of the service under short paths, with constructors for the common ones.
//!
//! Every message here is generated from the protos; [`proto`](crate::proto) has all of them under their full names.
//!
//! ```
//! use apigateway_grpc::model::{ApiConfig, Gateway};
//!
//! let document = "swagger: '2.0'\ninfo: {title: Hello, version: '1'}\npaths: {}\n";
//! let config = ApiConfig::from_openapi("hello.yaml", document);
//! assert_eq!(config.openapi_documents.len(), 1);
//!
//! let gateway = Gateway::for_config("projects/p/locations/global/apis/hello/configs/v1");
//! assert!(gateway.api_config.ends_with("/configs/v1"));
//! ```

use std::path::Path;

use crate::error::Error;

use api_config::{File, OpenApiDocument};

#[doc(no_inline)]
pub use crate::proto::google::{
    cloud::apigateway::v1::{
        Api, ApiConfig, CreateApiConfigRequest, CreateApiRequest, CreateGatewayRequest,
        DeleteApiConfigRequest, DeleteApiRequest, DeleteGatewayRequest, Gateway,
        GetApiConfigRequest, GetApiRequest, GetGatewayRequest, ListApiConfigsRequest,
        ListApiConfigsResponse, ListApisRequest, ListApisResponse, ListGatewaysRequest,
        ListGatewaysResponse, OperationMetadata, UpdateApiConfigRequest, UpdateApiRequest,
        UpdateGatewayRequest, api, api_config, gateway, get_api_config_request, operation_metadata,
    },
    cloud::location::{GetLocationRequest, ListLocationsRequest, ListLocationsResponse, Location},
    iam::v1::{
        AuditConfig, AuditLogConfig, Binding, GetIamPolicyRequest, GetPolicyOptions, Policy,
        SetIamPolicyRequest, TestIamPermissionsRequest, TestIamPermissionsResponse,
    },
    longrunning::{
        CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
        ListOperationsResponse, Operation, WaitOperationRequest,
    },
};

impl ApiConfig {
    /// Returns a config with one OpenAPI document, in YAML or JSON. `path` is the name by which the service refers to the
    /// document in its diagnostics.
    #[must_use]
    pub fn from_openapi(path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            openapi_documents: vec![OpenApiDocument {
                document: Some(File {
                    path: path.into(),
                    contents: contents.into(),
                }),
            }],
            ..Self::default()
        }
    }

    /// Returns a config with the OpenAPI documents in these files. The service refers to each by its file name.
    ///
    /// This function accepts any file. With the feature `config-check`, `config_check::load_openapi` also rejects two files of
    /// the same name, and a file whose name does not end in `.json`, `.yaml` or `.yml`.
    ///
    /// Blocks while it reads the files.
    ///
    /// ```
    /// # let file = std::env::temp_dir().join(format!("hello-{}.yaml", std::process::id()));
    /// # std::fs::write(&file, "swagger: '2.0'").expect("a temporary file");
    /// use apigateway_grpc::model::ApiConfig;
    ///
    /// let config = ApiConfig::from_openapi_files([&file])?;
    /// assert_eq!(config.openapi_documents.len(), 1);
    /// # std::fs::remove_file(&file).expect("it is there");
    /// assert!(ApiConfig::from_openapi_files([&file]).is_err());
    /// # Ok::<(), apigateway_grpc::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read. The error names the file.
    pub fn from_openapi_files<P: AsRef<Path>>(
        files: impl IntoIterator<Item = P>,
    ) -> Result<Self, Error> {
        let read = |path: P| {
            let path = path.as_ref();
            let document = File::from_path(path).map_err(|error| {
                let path = path.display().to_string();
                let text = format!("cannot read the document {}", path.escape_debug());
                Error::argument_from(text, error)
            })?;
            Ok(OpenApiDocument {
                document: Some(document),
            })
        };
        let documents: Result<_, Error> = files.into_iter().map(read).collect();
        Ok(Self {
            openapi_documents: documents?,
            ..Self::default()
        })
    }
}

impl Gateway {
    /// Returns a gateway that serves a config, `projects/{project}/locations/global/apis/{api}/configs/{config}`.
    #[must_use]
    pub fn for_config(config: impl Into<String>) -> Self {
        Self {
            api_config: config.into(),
            ..Self::default()
        }
    }
}
