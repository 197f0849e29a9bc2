//! The methods for gateways.

use super::ApiGateway;
use super::field_mask::UpdateMask;
use super::list::List;
use crate::error::Error;
use crate::operation::Operation;
use crate::proto::google::cloud::apigateway::v1::{
    CreateGatewayRequest, DeleteGatewayRequest, Gateway, GetGatewayRequest, ListGatewaysRequest,
    UpdateGatewayRequest,
};

impl ApiGateway {
    /// Starts to create a gateway in a region, `projects/{project}/locations/{location}`. The gateway serves the config that
    /// `gateway.api_config` names.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # let builder = apigateway_grpc::ApiGateway::builder().endpoint("http://127.0.0.1:1");
    /// # let client = builder.anonymous().build()?;
    /// use apigateway_grpc::names::ApiConfigName;
    /// use apigateway_grpc::model::Gateway;
    ///
    /// let gateway = Gateway::for_config(ApiConfigName::new("p", "hello", "v1")?);
    /// let name = "projects/p/locations/us-west1/gateways/g";
    /// let refused = client.create_gateway("projects/p/locations/us-west1", name, gateway).await;
    /// let refused = refused.expect_err("a full name is not an id").to_string();
    /// assert!(refused.contains("a full name is not an id, use `g`"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the name of the parent is invalid, or the id is not 1 to 63 characters of a-z, 0-9 and `-`, nothing is sent. If the
    /// call fails, the error names the gateway.
    pub async fn create_gateway(
        &self,
        parent: impl Into<String>,
        id: impl Into<String>,
        gateway: Gateway,
    ) -> Result<Operation<Gateway>, Error> {
        let request = CreateGatewayRequest {
            parent: parent.into(),
            gateway_id: id.into(),
            gateway: Some(gateway),
        };
        self.send(request).await
    }

    /// Reads a gateway, `projects/{project}/locations/{location}/gateways/{gateway}`.
    ///
    /// # Errors
    ///
    /// If the name is invalid, nothing is sent. If the call fails, the error names the gateway.
    pub async fn get_gateway(&self, name: impl Into<String>) -> Result<Gateway, Error> {
        let request = GetGatewayRequest { name: name.into() };
        self.send(request).await
    }

    /// Starts to update the gateway with the name `gateway.name`. Only the fields in the mask are written. The mask
    /// `["api_config"]` makes the gateway serve another config.
    ///
    /// # Errors
    ///
    /// If the name is invalid, the mask is empty, or a path of the mask is not a field of the message, nothing is sent. If the
    /// call fails, the error names the gateway.
    pub async fn update_gateway(
        &self,
        gateway: Gateway,
        mask: impl Into<UpdateMask>,
    ) -> Result<Operation<Gateway>, Error> {
        let request = UpdateGatewayRequest {
            update_mask: self.mask(mask, &gateway.name, "update gateway")?,
            gateway: Some(gateway),
        };
        self.send(request).await
    }

    /// Starts to delete a gateway, `projects/{project}/locations/{location}/gateways/{gateway}`.
    ///
    /// # Errors
    ///
    /// As [`get_gateway`](Self::get_gateway).
    pub async fn delete_gateway(&self, name: impl Into<String>) -> Result<Operation<()>, Error> {
        let request = DeleteGatewayRequest { name: name.into() };
        self.send(request).await
    }

    /// Lists the gateways of a location, or of all locations, `projects/{project}/locations/-`. A list of all locations returns
    /// the gateways of the reachable locations, and names the other locations in
    /// [`unreachable`](super::list::Page::unreachable).
    pub fn list_gateways(&self, parent: impl Into<String>) -> List<ListGatewaysRequest> {
        self.list(ListGatewaysRequest {
            parent: parent.into(),
            ..ListGatewaysRequest::default()
        })
    }
}
