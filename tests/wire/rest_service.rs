//! The service's methods over REST. The verb, path, query, body and routing header of each method follow the contract. The
//! mixins' methods are in `rest_mixins.rs`.

use apigateway_grpc::prost_types::FieldMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use serde_json::{Value, json};

use crate::call::{parts, sent};

const LOCATION: &str = "projects/p/locations/l";
const GATEWAY: &str = "projects/p/locations/l/gateways/g";
const API: &str = "projects/p/locations/l/apis/a";
const CONFIG: &str = "projects/p/locations/l/apis/a/configs/c";

fn mask() -> Option<FieldMask> {
    Some(FieldMask {
        paths: vec!["display_name".into(), "labels".into()],
    })
}

#[tokio::test]
async fn gateways_are_listed_and_read_without_a_body() {
    let list = ListGatewaysRequest {
        parent: LOCATION.into(),
        page_size: 3,
        page_token: "a/b=".into(),
        filter: "state = ACTIVE".into(),
        order_by: "name desc".into(),
    };
    let request =
        sent(async |client| client.service_client().list_gateways(list).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations/l/gateways?pageSize=3&pageToken=a%2Fb%3D&filter=state%20%3D%20ACTIVE&orderBy=name%20desc",
            "parent=projects%2Fp%2Flocations%2Fl",
            Value::Null
        )
    );
    let get = GetGatewayRequest {
        name: GATEWAY.into(),
    };
    let request =
        sent(async |client| client.service_client().get_gateway(get).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations/l/gateways/g",
            "name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg",
            Value::Null
        )
    );
}

#[tokio::test]
async fn gateways_are_written_with_the_gateway_as_body() {
    let gateway = Gateway {
        name: GATEWAY.into(),
        display_name: "G".into(),
        api_config: CONFIG.into(),
        labels: [("k".into(), "v".into())].into(),
        ..Default::default()
    };
    let body =
        json!({"name": GATEWAY, "displayName": "G", "apiConfig": CONFIG, "labels": {"k": "v"}});
    let create = CreateGatewayRequest {
        parent: LOCATION.into(),
        gateway_id: "g".into(),
        gateway: Some(gateway.clone()),
    };
    let request = sent(async |client| {
        client
            .service_client()
            .create_gateway(create)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "POST /v1/projects/p/locations/l/gateways?gatewayId=g",
            "parent=projects%2Fp%2Flocations%2Fl",
            body.clone()
        )
    );
    let update = UpdateGatewayRequest {
        update_mask: mask(),
        gateway: Some(gateway),
    };
    let request = sent(async |client| {
        client
            .service_client()
            .update_gateway(update)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "PATCH /v1/projects/p/locations/l/gateways/g?updateMask=displayName%2Clabels",
            "gateway.name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg",
            body
        )
    );
    let delete = DeleteGatewayRequest {
        name: GATEWAY.into(),
    };
    let request = sent(async |client| {
        client
            .service_client()
            .delete_gateway(delete)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "DELETE /v1/projects/p/locations/l/gateways/g",
            "name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg",
            Value::Null
        )
    );
}

#[tokio::test]
async fn a_required_field_is_sent_even_when_it_is_empty() {
    let create = CreateGatewayRequest {
        parent: LOCATION.into(),
        ..Default::default()
    };
    let request = sent(async |client| {
        client
            .service_client()
            .create_gateway(create)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "POST /v1/projects/p/locations/l/gateways?gatewayId=",
            "parent=projects%2Fp%2Flocations%2Fl",
            // A missing gateway is not an empty one, so there is no body.
            json!(null)
        )
    );
}

#[tokio::test]
async fn apis_are_listed_and_read_without_a_body() {
    let list = ListApisRequest {
        parent: LOCATION.into(),
        ..Default::default()
    };
    let request =
        sent(async |client| client.service_client().list_apis(list).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations/l/apis",
            "parent=projects%2Fp%2Flocations%2Fl",
            Value::Null
        )
    );
    let get = GetApiRequest { name: API.into() };
    let request = sent(async |client| client.service_client().get_api(get).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations/l/apis/a",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            Value::Null
        )
    );
}

#[tokio::test]
async fn apis_are_written_with_the_api_as_body() {
    let api = Api {
        name: API.into(),
        display_name: "A".into(),
        state: api::State::Active.into(),
        ..Default::default()
    };
    let body = json!({"name": API, "displayName": "A", "state": "ACTIVE"});
    let create = CreateApiRequest {
        parent: LOCATION.into(),
        api_id: "a".into(),
        api: Some(api.clone()),
    };
    let request =
        sent(async |client| client.service_client().create_api(create).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "POST /v1/projects/p/locations/l/apis?apiId=a",
            "parent=projects%2Fp%2Flocations%2Fl",
            body.clone()
        )
    );
    let update = UpdateApiRequest {
        update_mask: mask(),
        api: Some(api),
    };
    let request =
        sent(async |client| client.service_client().update_api(update).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "PATCH /v1/projects/p/locations/l/apis/a?updateMask=displayName%2Clabels",
            "api.name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            body
        )
    );
    let delete = DeleteApiRequest { name: API.into() };
    let request =
        sent(async |client| client.service_client().delete_api(delete).await.map(drop)).await;
    assert_eq!(
        parts(&request),
        (
            "DELETE /v1/projects/p/locations/l/apis/a",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            Value::Null
        )
    );
}

#[tokio::test]
async fn configs_are_listed_and_read_with_the_view_by_name() {
    let list = ListApiConfigsRequest {
        parent: API.into(),
        page_size: -1,
        ..Default::default()
    };
    let request = sent(async |client| {
        client
            .service_client()
            .list_api_configs(list)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "GET /v1/projects/p/locations/l/apis/a/configs?pageSize=-1",
            "parent=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            Value::Null
        )
    );
    // A view that this client does not know is sent as its number.
    let views = [
        (0, ""),
        (ConfigView::Full.into(), "?view=FULL"),
        (77, "?view=77"),
    ];
    for (view, query) in views {
        let get = GetApiConfigRequest {
            name: CONFIG.into(),
            view,
        };
        let request =
            sent(async |client| client.service_client().get_api_config(get).await.map(drop)).await;
        assert_eq!(
            parts(&request),
            (
                format!("GET /v1/projects/p/locations/l/apis/a/configs/c{query}").as_str(),
                "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa%2Fconfigs%2Fc",
                Value::Null
            )
        );
    }
}

#[tokio::test]
async fn configs_are_written_with_the_config_as_body_and_its_files_in_base64() {
    let file = api_config::File {
        path: "openapi.yaml".into(),
        contents: vec![0xfb, 0xff, 0],
    };
    let config = ApiConfig {
        name: CONFIG.into(),
        openapi_documents: vec![api_config::OpenApiDocument {
            document: Some(file),
        }],
        ..Default::default()
    };
    let body = json!({
        "name": CONFIG,
        "openapiDocuments": [{"document": {"path": "openapi.yaml", "contents": "+/8A"}}]
    });
    let create = CreateApiConfigRequest {
        parent: API.into(),
        api_config_id: "c".into(),
        api_config: Some(config.clone()),
    };
    let request = sent(async |client| {
        client
            .service_client()
            .create_api_config(create)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "POST /v1/projects/p/locations/l/apis/a/configs?apiConfigId=c",
            "parent=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            body.clone()
        )
    );
    let update = UpdateApiConfigRequest {
        update_mask: mask(),
        api_config: Some(config),
    };
    let request = sent(async |client| {
        client
            .service_client()
            .update_api_config(update)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "PATCH /v1/projects/p/locations/l/apis/a/configs/c?updateMask=displayName%2Clabels",
            "api_config.name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa%2Fconfigs%2Fc",
            body
        )
    );
    let delete = DeleteApiConfigRequest {
        name: CONFIG.into(),
    };
    let request = sent(async |client| {
        client
            .service_client()
            .delete_api_config(delete)
            .await
            .map(drop)
    })
    .await;
    assert_eq!(
        parts(&request),
        (
            "DELETE /v1/projects/p/locations/l/apis/a/configs/c",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa%2Fconfigs%2Fc",
            Value::Null
        )
    );
}
