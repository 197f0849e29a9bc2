//! Lists and updates over HTTP/JSON. The query has the same effect as the request message over gRPC.

use apigateway_grpc::emulator::{Emulator, Server};
use serde_json::json;

use crate::http::{ok, send};

const APIS: &str = "/v1/projects/p/locations/global/apis";

async fn names(server: &Server, query: &str) -> (String, String) {
    let page = ok(server, &format!("GET {APIS}?{query}"), "").await;
    let apis = page["apis"].as_array().cloned().unwrap_or_default();
    let names = apis
        .iter()
        .map(|api| api["displayName"].as_str().expect("a name").to_owned());
    let token = page["nextPageToken"].as_str().unwrap_or_default();
    (names.collect::<Vec<_>>().join(" "), token.to_owned())
}

#[tokio::test]
async fn lists_are_filtered_ordered_and_paged_by_their_query() {
    let server = Emulator::builder().start().await.expect("a free port");
    for (id, team) in [("b", "core"), ("a", "edge"), ("c", "core")] {
        let api = json!({"labels": {"team": team}}).to_string();
        ok(&server, &format!("POST {APIS}?apiId={id}"), &api).await;
    }
    for (query, expected) in [
        ("filter=labels.team%3Dcore", "b c"),
        ("filter=NOT%20labels.team%3D%22core%22", "a"),
        (
            "filter=(displayName%3Da%20OR%20displayName%3Db)%20AND%20state%3DACTIVE&pageToken=",
            "a b",
        ),
        ("orderBy=labels.team%20desc,%20name%20desc", "a c b"),
        ("filter=&orderBy=&pageToken=&pageSize=0", "a b c"),
    ] {
        assert_eq!(
            names(&server, query).await,
            (expected.into(), String::new()),
            "{query}"
        );
    }
    let (first, token) = names(&server, "orderBy=name%20desc&pageSize=2").await;
    // A page token needs no percent-encoding.
    assert!(
        token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    );
    let (second, end) = names(&server, &format!("orderBy=name%20desc&pageToken={token}")).await;
    assert_eq!(
        (first.as_str(), second.as_str(), end.as_str()),
        ("c b", "a", "")
    );
    let refused = send(&server, &format!("GET {APIS}?pageToken={token}"), "", "").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[tokio::test]
async fn an_error_names_a_valid_value() {
    let server = Emulator::builder().start().await.expect("a free port");
    let form = "1 to 63 characters of a-z, 0-9 and -, not beginning with -";
    let create = format!("POST {APIS}");
    let gateways = "/v1/projects/p/locations/us-east1/gateways";
    let policy = format!("POST {APIS}/a:setIamPolicy");
    let binding = |role: &str, member: &str| {
        let binding = json!({"role": role, "members": [member]});
        json!({"policy": {"bindings": [binding]}}).to_string()
    };
    for (line, body, expected) in [
        (
            create.clone(),
            String::new(),
            format!("api_id: must be set (over REST by the required query parameter `apiId`): {form}"),
        ),
        (
            format!("POST {APIS}/a/configs"),
            String::new(),
            format!("api_config_id: must be set (over REST by the required query parameter `apiConfigId`): {form}"),
        ),
        (
            format!("{create}?apiId=A"),
            String::new(),
            format!("api_id: invalid id `A`: must have {form}"),
        ),
        (
            format!("GET {APIS}?orderBy=name%20DESC"),
            String::new(),
            "order_by: invalid direction `DESC`: must be lowercase: `desc`".to_owned(),
        ),
        (
            format!("GET {APIS}?orderBy=name%20down"),
            String::new(),
            "order_by: invalid direction `down`: must be `asc`, `desc` or neither".to_owned(),
        ),
        (
            format!("GET {APIS}?orderBy=x"),
            String::new(),
            "order_by: unknown field `x`: must be one of name, create_time, update_time, labels, display_name, state, \
             managed_service"
                .to_owned(),
        ),
        (
            format!("GET {gateways}?filter=state%3DUP"),
            String::new(),
            "filter: at position 7: `state` must be one of CREATING, ACTIVE, FAILED, DELETING, UPDATING, not `UP`"
                .to_owned(),
        ),
        (
            policy.clone(),
            binding("viewer", "allUsers"),
            "policy.bindings[0].role: invalid role `viewer`: must be roles/{role}, projects/{project}/roles/{role} or \
             organizations/{organization}/roles/{role}"
                .to_owned(),
        ),
        (
            policy.clone(),
            binding("roles/viewer", "ana@example.com"),
            "policy.bindings[0].members: invalid principal `ana@example.com`: must be allUsers, allAuthenticatedUsers, or \
             user:, serviceAccount:, group: or domain: with an id, such as user:ana@example.com"
                .to_owned(),
        ),
    ] {
        let answer = send(&server, &line, "content-type: application/json\r\n", &body).await;
        assert_eq!(answer.status, 400, "{line}");
        let message = answer.body["error"]["message"].as_str().expect("text");
        assert!(message.contains(&expected), "{line}: {message}");
    }
}

#[tokio::test]
async fn the_paths_of_a_mask_have_either_spelling_and_can_name_labels() {
    let server = Emulator::builder().start().await.expect("a free port");
    let api = json!({"labels": {"k": "old", "kept": "x"}}).to_string();
    ok(&server, &format!("POST {APIS}?apiId=a"), &api).await;
    for (mask, name) in [
        ("displayName", "one"),
        ("display_name", "two"),
        ("*", "three"),
        // Output-only fields are ignored (AIP-161).
        ("name,displayName", "four"),
        ("state,displayName", "five"),
        ("updateTime,displayName", "six"),
        ("createTime.seconds,displayName", "seven"),
    ] {
        let api = json!({"displayName": name, "labels": {"kept": "x"}}).to_string();
        ok(&server, &format!("PATCH {APIS}/a?updateMask={mask}"), &api).await;
        let api = ok(&server, &format!("GET {APIS}/a"), "").await;
        assert_eq!(api["displayName"], name, "{mask}");
    }
    let api = json!({"labels": {"k": "new", "other": "y"}}).to_string();
    ok(
        &server,
        &format!("PATCH {APIS}/a?updateMask=labels.k"),
        &api,
    )
    .await;
    let api = ok(&server, &format!("GET {APIS}/a"), "").await;
    assert_eq!(api["labels"], json!({"k": "new", "kept": "x"}));
    for query in [
        "",
        "?updateMask=",
        "?updateMask=managedService",
        "?updateMask=nonsense",
    ] {
        let line = format!("PATCH {APIS}/a{query}");
        let refused = send(&server, &line, "content-type: application/json\r\n", "{}").await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.body);
        let violations = &refused.body["error"]["details"][1]["fieldViolations"];
        assert_eq!(
            violations[0]["field"], "update_mask",
            "{query}: {}",
            refused.body
        );
    }
}
