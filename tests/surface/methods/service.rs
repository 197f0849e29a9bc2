//! The rows of the service's own methods.

use apigateway_grpc::prost_types::FieldMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::get_api_config_request::ConfigView;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;

use super::rows::{API, L, Row, row};

const CONFIG: &str = "projects/p/locations/l/apis/a/configs/c";
const GATEWAY: &str = "projects/p/locations/l/gateways/g";

fn mask() -> Option<FieldMask> {
    let paths = vec!["display_name".to_owned(), "labels".to_owned()];
    Some(FieldMask { paths })
}

const MASKED: [&str; 2] = ["display_name", "labels"];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = apis();
    rows.extend(configs());
    rows.extend(gateways());
    rows
}

fn apis() -> Vec<Row> {
    let (name, parent) = (API.to_owned(), L.to_owned());
    let api = || Api {
        name: API.into(),
        display_name: "A".into(),
        labels: [("k".into(), "v".into())].into(),
        ..Api::default()
    };
    let create = CreateApiRequest {
        parent: parent.clone(),
        api_id: "a".into(),
        api: Some(api()),
    };
    let update = UpdateApiRequest {
        update_mask: mask(),
        api: Some(api()),
    };
    let list = ListApisRequest {
        parent,
        page_size: 3,
        page_token: "t".into(),
        filter: "f".into(),
        order_by: "name".into(),
    };
    vec![
        row(
            create,
            "POST /v1/projects/p/locations/l/apis?apiId=a",
            "parent=projects%2Fp%2Flocations%2Fl",
            move |client| async move { Ok(client.create_api(L, "a", api()).await?.name().into()) },
        ),
        row(
            GetApiRequest { name: name.clone() },
            "GET /v1/projects/p/locations/l/apis/a",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            |client| async move { Ok(client.get_api(API).await?.name) },
        ),
        row(
            update,
            "PATCH /v1/projects/p/locations/l/apis/a?updateMask=displayName%2Clabels",
            "api.name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            move |client| async move { Ok(client.update_api(api(), MASKED).await?.name().into()) },
        ),
        row(
            DeleteApiRequest { name },
            "DELETE /v1/projects/p/locations/l/apis/a",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            |client| async move { Ok(client.delete_api(API).await?.name().into()) },
        ),
        row(
            list,
            "GET /v1/projects/p/locations/l/apis?pageSize=3&pageToken=t&filter=f&orderBy=name",
            "parent=projects%2Fp%2Flocations%2Fl",
            |client| async move {
                let list = client.list_apis(L).page_size(3).filter("f");
                Ok(list.order_by("name").page("t").await?.items.remove(0).name)
            },
        ),
    ]
}

fn configs() -> Vec<Row> {
    let (name, parent) = (CONFIG.to_owned(), API.to_owned());
    let config = || ApiConfig {
        name: CONFIG.into(),
        display_name: "C".into(),
        ..ApiConfig::default()
    };
    let create = CreateApiConfigRequest {
        parent: parent.clone(),
        api_config_id: "c".into(),
        api_config: Some(config()),
    };
    let get = GetApiConfigRequest {
        name: name.clone(),
        view: ConfigView::Full.into(),
    };
    let update = UpdateApiConfigRequest {
        update_mask: mask(),
        api_config: Some(config()),
    };
    let list = ListApiConfigsRequest {
        parent,
        ..ListApiConfigsRequest::default()
    };
    vec![
        row(
            create,
            "POST /v1/projects/p/locations/l/apis/a/configs?apiConfigId=c",
            "parent=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            move |client| async move {
                Ok(client
                    .create_api_config(API, "c", config())
                    .await?
                    .name()
                    .into())
            },
        ),
        row(
            get,
            "GET /v1/projects/p/locations/l/apis/a/configs/c?view=FULL",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa%2Fconfigs%2Fc",
            |client| async move {
                client.get_api_config(CONFIG).await?;
                Ok(client.get_api_config_full(CONFIG).await?.name)
            },
        ),
        row(
            update,
            "PATCH /v1/projects/p/locations/l/apis/a/configs/c?updateMask=displayName%2Clabels",
            "api_config.name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa%2Fconfigs%2Fc",
            move |client| async move {
                Ok(client
                    .update_api_config(config(), MASKED)
                    .await?
                    .name()
                    .into())
            },
        ),
        row(
            DeleteApiConfigRequest { name },
            "DELETE /v1/projects/p/locations/l/apis/a/configs/c",
            "name=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa%2Fconfigs%2Fc",
            |client| async move { Ok(client.delete_api_config(CONFIG).await?.name().into()) },
        ),
        row(
            list,
            "GET /v1/projects/p/locations/l/apis/a/configs",
            "parent=projects%2Fp%2Flocations%2Fl%2Fapis%2Fa",
            |client| async move {
                Ok(client
                    .list_api_configs(API)
                    .first_page()
                    .await?
                    .items
                    .remove(0)
                    .name)
            },
        ),
    ]
}

fn gateways() -> Vec<Row> {
    let (name, parent) = (GATEWAY.to_owned(), L.to_owned());
    let gateway = || Gateway {
        name: GATEWAY.into(),
        api_config: CONFIG.into(),
        ..Gateway::default()
    };
    let create = CreateGatewayRequest {
        parent: parent.clone(),
        gateway_id: "g".into(),
        gateway: Some(gateway()),
    };
    let update = UpdateGatewayRequest {
        update_mask: mask(),
        gateway: Some(gateway()),
    };
    let list = ListGatewaysRequest {
        parent,
        ..ListGatewaysRequest::default()
    };
    vec![
        row(
            create,
            "POST /v1/projects/p/locations/l/gateways?gatewayId=g",
            "parent=projects%2Fp%2Flocations%2Fl",
            move |client| async move {
                Ok(client
                    .create_gateway(L, "g", gateway())
                    .await?
                    .name()
                    .into())
            },
        ),
        row(
            GetGatewayRequest { name: name.clone() },
            "GET /v1/projects/p/locations/l/gateways/g",
            "name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg",
            |client| async move { Ok(client.get_gateway(GATEWAY).await?.name) },
        ),
        row(
            update,
            "PATCH /v1/projects/p/locations/l/gateways/g?updateMask=displayName%2Clabels",
            "gateway.name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg",
            move |client| async move {
                Ok(client
                    .update_gateway(gateway(), MASKED)
                    .await?
                    .name()
                    .into())
            },
        ),
        row(
            DeleteGatewayRequest { name },
            "DELETE /v1/projects/p/locations/l/gateways/g",
            "name=projects%2Fp%2Flocations%2Fl%2Fgateways%2Fg",
            |client| async move { Ok(client.delete_gateway(GATEWAY).await?.name().into()) },
        ),
        row(
            list,
            "GET /v1/projects/p/locations/l/gateways",
            "parent=projects%2Fp%2Flocations%2Fl",
            |client| async move {
                Ok(client
                    .list_gateways(L)
                    .first_page()
                    .await?
                    .items
                    .remove(0)
                    .name)
            },
        ),
    ]
}
