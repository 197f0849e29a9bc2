//! IAM policies: etags, versions, masks and violations (`google/iam/v1/*.proto`).

use apigateway_grpc::ApiGateway;
use apigateway_grpc::prost_types::FieldMask;
use apigateway_grpc::proto::google::iam::v1::audit_log_config::LogType;
use apigateway_grpc::proto::google::iam::v1::*;
use apigateway_grpc::proto::google::r#type::Expr;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::{API, RUNS, client, created, delete};

const ROLE: &str = "roles/apigateway.viewer";
const MEMBER: &str = "user:who@example.com";

fn binding(role: &str) -> Binding {
    Binding {
        role: role.into(),
        members: vec![MEMBER.into()],
        condition: None,
    }
}

fn conditional() -> Binding {
    Binding {
        condition: Some(Expr {
            title: "t".into(),
            expression: "true".into(),
            ..Default::default()
        }),
        ..binding(ROLE)
    }
}

fn of(version: i32, bindings: &[Binding], etag: &[u8]) -> Policy {
    Policy {
        version,
        bindings: bindings.to_vec(),
        etag: etag.to_vec(),
        ..Default::default()
    }
}

fn audit() -> AuditConfig {
    AuditConfig {
        service: "allServices".into(),
        audit_log_configs: vec![AuditLogConfig {
            log_type: LogType::DataRead.into(),
            exempted_members: vec![MEMBER.into()],
        }],
    }
}

async fn write(client: &ApiGateway, policy: Policy, paths: &[&str]) -> Result<Policy, Status> {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = SetIamPolicyRequest {
        resource: API.into(),
        policy: Some(policy),
        update_mask: (!paths.is_empty()).then_some(FieldMask { paths }),
    };
    let set = client.iam_policy_client().set_iam_policy(request).await?;
    Ok(set.into_inner())
}

async fn set(client: &ApiGateway, policy: Policy) -> Result<Policy, Status> {
    write(client, policy, &[]).await
}

/// Returns the policy. `version` is the requested version, if the request has one.
async fn get(client: &ApiGateway, version: Option<i32>) -> Result<Policy, Status> {
    let request = GetIamPolicyRequest {
        resource: API.into(),
        options: version.map(|requested_policy_version| GetPolicyOptions {
            requested_policy_version,
        }),
    };
    let policy = client.iam_policy_client().get_iam_policy(request).await?;
    Ok(policy.into_inner())
}

/// Returns the fields of a BadRequest.
fn fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    let status = answer.expect_err("a refusal");
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_details_bad_request().expect("details");
    let fields = details.field_violations.into_iter();
    let fields = fields.map(|violation| violation.field);
    fields.collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_set_only_with_the_etag_of_the_current_policy() {
    let client = client();
    let missing = get(&client, None).await.expect_err("no such api");
    assert_eq!(missing.code(), Code::NotFound);
    let missing = set(&client, of(0, &[binding(ROLE)], b"")).await;
    assert_eq!(missing.expect_err("no such api").code(), Code::NotFound);
    created(&client, "a").await;
    let first = get(&client, None).await.expect("an empty one");
    assert_eq!((first.version, first.bindings.len()), (0, 0));
    // The service's etag of a new policy, `ACAB` in base64.
    assert_eq!(first.etag, [0x00, 0x20, 0x01]);
    let read = of(0, &[binding("roles/one")], &first.etag);
    let second = set(&client, read).await.expect("the etag is current");
    assert_ne!(second.etag, first.etag);
    assert_eq!(get(&client, None).await.expect("it exists"), second);
    let stale = of(0, &[binding("roles/two")], &first.etag);
    let stale = set(&client, stale).await.expect_err("stale");
    assert_eq!(stale.code(), Code::Aborted);
    let third = set(&client, of(0, &[binding("roles/three")], b"")).await;
    let third = third.expect("without an etag");
    assert_eq!(third.bindings[0].role, "roles/three");
    // The policy is removed with its resource.
    delete(&client, API).await.expect("it exists");
    tokio::time::advance(RUNS).await;
    created(&client, "a").await;
    assert_eq!(get(&client, None).await.expect("a new one"), first);
}

#[tokio::test(start_paused = true)]
async fn conditions_are_returned_at_version_3_and_lower_versions_return_a_role_suffix_instead() {
    let client = client();
    created(&client, "a").await;
    let bindings = [conditional(), binding("roles/editor")];
    let whole = set(&client, of(3, &bindings, b""))
        .await
        .expect("version 3");
    assert_eq!((whole.version, &whole.bindings[..]), (3, &bindings[..]));
    assert_eq!(get(&client, Some(3)).await.expect("it exists"), whole);
    for version in [None, Some(0), Some(1)] {
        let shown = get(&client, version).await.expect("it exists");
        assert_eq!((shown.version, &shown.etag), (1, &whole.etag));
        let [hidden, plain] = &shown.bindings[..] else {
            panic!("not two: {shown:?}");
        };
        assert_eq!(hidden.condition, None);
        assert_eq!(hidden.members, [MEMBER]);
        let hash = hidden.role.strip_prefix(&format!("{ROLE}_withcond_"));
        let hash = hash.expect("a marked role");
        assert_eq!(hash.len(), 20, "{hash}");
        assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        assert_eq!(*plain, binding("roles/editor"));
    }
    for version in [2, 4, -1] {
        let refused = get(&client, Some(version)).await;
        assert_eq!(fields(refused), "options.requested_policy_version");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_conditions_has_version_1_at_any_requested_version() {
    let client = client();
    created(&client, "a").await;
    for written in [0, 1, 3] {
        let set = set(&client, of(written, &[binding(ROLE)], b"")).await;
        assert_eq!(set.expect("a valid version").version, 1);
        for version in [None, Some(0), Some(1), Some(3)] {
            let shown = get(&client, version).await.expect("it exists");
            assert_eq!(
                (shown.version, &shown.bindings[..]),
                (1, &[binding(ROLE)][..])
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_are_written_at_version_3_only() {
    let client = client();
    created(&client, "a").await;
    for version in [0, 1] {
        let refused = set(&client, of(version, &[conditional()], b"")).await;
        assert_eq!(fields(refused), "policy.version", "{version}");
    }
    for version in [2, 4, -1] {
        let refused = set(&client, of(version, &[], b"")).await;
        assert_eq!(fields(refused), "policy.version", "{version}");
        let refused = write(&client, of(version, &[], b""), &["audit_configs"]).await;
        assert_eq!(fields(refused), "policy.version", "{version}");
    }
    let before = get(&client, Some(3)).await.expect("it exists");
    assert!(before.bindings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn conditions_are_lost_only_without_an_etag() {
    let client = client();
    created(&client, "a").await;
    let whole = set(&client, of(3, &[conditional()], b"")).await;
    let whole = whole.expect("version 3");
    // Two writes are rejected: the policy as it was read at version 1, and a policy without bindings that has the same etag.
    let read = get(&client, Some(1)).await.expect("it exists");
    let refused = set(&client, read).await;
    assert_eq!(fields(refused), "policy.bindings[0].role");
    for version in [0, 1] {
        let refused = set(&client, of(version, &[], &whole.etag)).await;
        assert_eq!(fields(refused), "policy.version", "{version}");
    }
    assert_eq!(get(&client, Some(3)).await.expect("it exists"), whole);
    // At version 3 conditions can be removed. Writing other fields does not touch bindings.
    let others = Policy {
        audit_configs: vec![audit()],
        ..of(1, &[], &whole.etag)
    };
    let set_others = write(&client, others, &["audit_configs"]).await;
    let set_others = set_others.expect("no binding is written");
    assert_eq!(set_others.bindings, whole.bindings);
    let removed = set(&client, of(3, &[], &set_others.etag)).await;
    assert_eq!(removed.expect("version 3").version, 1);
    set(&client, of(3, &[conditional()], b""))
        .await
        .expect("version 3");
    let replaced = set(&client, of(1, &[binding(ROLE)], b"")).await;
    assert_eq!(replaced.expect("no etag").bindings, [binding(ROLE)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_mask_only_bindings_are_written_and_with_a_mask_its_fields() {
    let client = client();
    created(&client, "a").await;
    let both = || Policy {
        audit_configs: vec![audit()],
        ..of(0, &[binding(ROLE)], b"")
    };
    let counts = |policy: Policy| (policy.bindings.len(), policy.audit_configs.len());
    for (paths, expected) in [
        (&[][..], (1, 0)),
        (&["bindings", "etag"], (1, 0)),
        (&["audit_configs", "bindings"], (1, 1)),
    ] {
        let set = write(&client, both(), paths).await.expect("valid");
        assert_eq!(counts(set), expected, "{paths:?}");
    }
    let nothing = || of(0, &[], b"");
    for (paths, expected) in [
        (&["etag"][..], (1, 1)),
        (&["version"], (1, 1)),
        (&[], (0, 1)),
        (&["audit_configs"], (0, 0)),
    ] {
        let set = write(&client, nothing(), paths).await.expect("valid");
        assert_eq!(counts(set), expected, "{paths:?}");
    }
    let set = write(&client, both(), &["*"]).await.expect("valid");
    assert_eq!(counts(set), (1, 1));
    let paths = ["bindings.role", "nonsense"];
    let refused = write(&client, both(), &paths).await;
    assert_eq!(fields(refused), "update_mask update_mask");
    // The etag is compared even if the mask does not have it.
    let stale = of(0, &[binding(ROLE)], b"stale");
    let stale = write(&client, stale, &["bindings"]).await;
    assert_eq!(stale.expect_err("stale").code(), Code::Aborted);
}

#[tokio::test(start_paused = true)]
async fn one_error_reports_all_violations_of_a_policy() {
    let client = client();
    created(&client, "a").await;
    let policy = Policy {
        version: 1,
        bindings: vec![
            Binding::default(),
            Binding {
                members: vec!["someone".into(), "allUsers".into(), "user:".into()],
                ..binding("roles/x_withcond_2b17cc25d2cd9e2c54d8")
            },
            Binding {
                condition: Some(Expr::default()),
                ..binding(ROLE)
            },
        ],
        audit_configs: vec![
            AuditConfig::default(),
            AuditConfig {
                service: "allServices".into(),
                audit_log_configs: vec![AuditLogConfig {
                    log_type: 0,
                    exempted_members: vec!["nobody".into()],
                }],
            },
        ],
        etag: Vec::new(),
    };
    let bindings = "policy.version policy.bindings[0].role policy.bindings[0].members policy.bindings[1].role \
        policy.bindings[1].members policy.bindings[1].members policy.bindings[2].condition.expression";
    let refused = set(&client, policy.clone()).await;
    assert_eq!(fields(refused), bindings);
    let refused = write(&client, policy, &["audit_configs"]).await;
    assert_eq!(
        fields(refused),
        "policy.audit_configs[0].service policy.audit_configs[0].audit_log_configs \
         policy.audit_configs[1].audit_log_configs[0].log_type \
         policy.audit_configs[1].audit_log_configs[0].exempted_members"
    );
    let unknown = AuditConfig {
        audit_log_configs: vec![AuditLogConfig {
            log_type: 99,
            ..Default::default()
        }],
        ..audit()
    };
    let policy = Policy {
        audit_configs: vec![unknown],
        ..Default::default()
    };
    let refused = write(&client, policy, &["audit_configs"]).await;
    let field = "policy.audit_configs[0].audit_log_configs[0].log_type";
    assert_eq!(fields(refused), field);
}

#[tokio::test(start_paused = true)]
async fn a_policy_has_at_most_1500_principals_and_250_groups() {
    let client = client();
    created(&client, "a").await;
    let members = |kind: &str, count: usize| Binding {
        members: vec![format!("{kind}:a@example.com"); count],
        ..binding(ROLE)
    };
    for (bindings, is_valid) in [
        (vec![members("user", 1000), members("user", 500)], true),
        (vec![members("user", 1000), members("user", 501)], false),
        (vec![members("group", 250)], true),
        (vec![members("group", 200), members("group", 51)], false),
    ] {
        let answer = set(&client, of(0, &bindings, b"")).await;
        match is_valid {
            true => drop(answer.expect("within the limits")),
            false => assert_eq!(fields(answer), "policy.bindings"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_resource_has_no_permissions() {
    let client = client();
    created(&client, "a").await;
    let test = async |resource: &str, permissions: &[&str]| {
        let permissions = permissions.iter().map(|name| (*name).to_owned());
        let request = TestIamPermissionsRequest {
            resource: resource.into(),
            permissions: permissions.collect(),
        };
        let granted = client
            .iam_policy_client()
            .test_iam_permissions(request)
            .await?;
        Ok::<_, Status>(granted.into_inner().permissions)
    };
    for (resource, expected) in [(API, 1), ("projects/p/locations/global/apis/none", 0)] {
        let granted = test(resource, &["apigateway.apis.get"]).await;
        assert_eq!(granted.expect("an answer").len(), expected, "{resource}");
    }
    for permissions in [&[][..], &[""], &["apigateway.*"], &["*"]] {
        let refused = test(API, permissions).await;
        assert_eq!(fields(refused), "permissions", "{permissions:?}");
    }
}
