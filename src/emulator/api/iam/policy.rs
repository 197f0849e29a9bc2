//! The rules of an IAM policy: its versions, fields and principals (`google/iam/v1/policy.proto`).

use prost::Message as _;
use prost_types::FieldMask;
use tonic::Status;

use crate::emulator::error::violations::{Violations, is_project_id, shortened};
use crate::proto::google::iam::v1::audit_log_config::LogType;
use crate::proto::google::iam::v1::{AuditConfig, Binding, Policy};
use crate::proto::google::r#type::Expr;

/// The valid versions of a policy.
const VERSIONS: [i32; 3] = [0, 1, 3];
/// The version of a policy with conditions.
pub(crate) const CONDITIONS: i32 = 3;
/// The mark after the role of a conditional binding in a policy of version 1. A hash of the condition follows.
const WITHCOND: &str = "_withcond_";
/// Maximum number of principals of a policy, and of groups among them.
const MAX_PRINCIPALS: usize = 1500;
const MAX_GROUPS: usize = 250;
/// The principals that have no id.
const PRINCIPALS_WITHOUT_ID: [&str; 2] = ["allUsers", "allAuthenticatedUsers"];
/// The prefixes of all other principals. Those of projects and of identity pools are not in policy.proto, but in the
/// documentation of IAM.
const PRINCIPAL_PREFIXES: [&str; 12] = [
    "user:",
    "serviceAccount:",
    "group:",
    "domain:",
    "deleted:user:",
    "deleted:serviceAccount:",
    "deleted:group:",
    "projectOwner:",
    "projectEditor:",
    "projectViewer:",
    "principal://",
    "principalSet://",
];
const GROUP: &str = "group:";

/// The fields of a policy that a request writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PolicyMask {
    bindings: bool,
    audit_configs: bool,
}

impl PolicyMask {
    /// The mask with all fields.
    pub(crate) const ALL: Self = Self {
        bindings: true,
        audit_configs: true,
    };

    /// Parses the update mask of SetIamPolicy. The default is `bindings, etag`. The version follows from the bindings, and the
    /// etag is always compared.
    ///
    /// # Errors
    ///
    /// If the mask has unknown fields. The error names each of them.
    pub(crate) fn parse(mask: Option<&FieldMask>) -> Result<Self, Status> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let mut parsed = Self {
            bindings: paths.is_empty(),
            audit_configs: false,
        };
        let mut violations = Violations::default();
        for path in paths {
            match path.as_str() {
                "*" => (parsed.bindings, parsed.audit_configs) = (true, true),
                "bindings" => parsed.bindings = true,
                "audit_configs" => parsed.audit_configs = true,
                "version" | "etag" => {}
                _ => {
                    let why = format!(
                        "unknown field `{}`: must be `*`, bindings, audit_configs, version or etag",
                        shortened(path)
                    );
                    violations.add("update_mask", why);
                }
            }
        }
        violations.check().map(|()| parsed)
    }

    /// Adds the violations of the fields that are written.
    pub(crate) fn check(self, given: &Policy, violations: &mut Violations) {
        check_version("policy.version", given.version, violations);
        if self.bindings {
            check_bindings(given, violations);
        }
        if self.audit_configs {
            for (index, config) in given.audit_configs.iter().enumerate() {
                check_audit_config(
                    &format!("policy.audit_configs[{index}]"),
                    config,
                    violations,
                );
            }
        }
    }

    /// Writes the fields to the stored policy.
    ///
    /// # Errors
    ///
    /// If a policy with conditions was read (the request has its etag) and is written at a version below 3. Without an etag the
    /// bindings are replaced and the conditions are lost.
    pub(crate) fn write(self, given: Policy, stored: &mut Policy) -> Result<(), Status> {
        if self.bindings {
            let loses = has_conditions(stored) && given.version < CONDITIONS;
            if loses && !given.etag.is_empty() {
                let mut violations = Violations::default();
                let why = "must be 3: the policy with this etag has conditions";
                violations.add("policy.version", why);
                return violations.check();
            }
            stored.bindings = given.bindings;
        }
        if self.audit_configs {
            stored.audit_configs = given.audit_configs;
        }
        Ok(())
    }
}

/// Adds a violation if a version is invalid.
pub(crate) fn check_version(field: &str, version: i32, violations: &mut Violations) {
    if !VERSIONS.contains(&version) {
        violations.add(field, format!("must be 0, 1 or 3, not {version}"));
    }
}

/// Returns the policy at version 3 if it has conditions and version 3 is requested, and otherwise at version 1.
///
/// Below version 3 a policy has no conditions. The role of a conditional binding then ends with `_withcond_` and a hash of its
/// condition, as IAM's documentation describes.
pub(crate) fn at_version(mut policy: Policy, version: i32) -> Policy {
    policy.version = match has_conditions(&policy) {
        true if version >= CONDITIONS => CONDITIONS,
        _ => 1,
    };
    if policy.version < CONDITIONS {
        for binding in &mut policy.bindings {
            if let Some(condition) = binding.condition.take() {
                let hash = hash(&condition);
                binding.role.push_str(&format!("{WITHCOND}{hash}"));
            }
        }
    }
    policy
}

fn has_conditions(policy: &Policy) -> bool {
    let mut bindings = policy.bindings.iter();
    bindings.any(|binding| binding.condition.is_some())
}

/// Returns twenty hexadecimal digits of FNV-1a, which are the same in every run.
fn hash(condition: &Expr) -> String {
    let bytes = condition.encode_to_vec();
    let hash = bytes.iter().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d,
        |hash: u128, byte| (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b),
    );
    format!("{:020x}", hash >> 48)
}

fn check_bindings(given: &Policy, violations: &mut Violations) {
    if has_conditions(given) && given.version != CONDITIONS && VERSIONS.contains(&given.version) {
        let why = format!(
            "must be 3, not {}: a binding has a condition",
            given.version
        );
        violations.add("policy.version", why);
    }
    for (index, binding) in given.bindings.iter().enumerate() {
        check_binding(&format!("policy.bindings[{index}]"), binding, violations);
    }
    let members = || given.bindings.iter().flat_map(|binding| &binding.members);
    let groups = members().filter(|member| member.starts_with(GROUP));
    for (count, most, what) in [
        (members().count(), MAX_PRINCIPALS, "principals"),
        (groups.count(), MAX_GROUPS, "groups"),
    ] {
        if count > most {
            violations.add(
                "policy.bindings",
                format!("must have at most {most} {what}, not {count}"),
            );
        }
    }
}

fn check_binding(field: &str, binding: &Binding, violations: &mut Violations) {
    let role = &binding.role;
    if role.is_empty() {
        let why = "must be set to a role, such as roles/apigateway.viewer";
        violations.add(&format!("{field}.role"), why);
    } else if role.contains(WITHCOND) {
        let why = format!(
            "invalid role `{}`: stands for a conditional binding in a policy below version 3; read the policy at version 3",
            role.escape_debug()
        );
        violations.add(&format!("{field}.role"), why);
    } else if !is_role(role) {
        let why = format!(
            "invalid role `{}`: must be roles/{{role}}, projects/{{project}}/roles/{{role}} or \
             organizations/{{organization}}/roles/{{role}}",
            shortened(role)
        );
        violations.add(&format!("{field}.role"), why);
    }
    if binding.members.is_empty() {
        violations.add(
            &format!("{field}.members"),
            "must have at least one principal",
        );
    }
    check_members(&format!("{field}.members"), &binding.members, violations);
    if let Some(condition) = &binding.condition
        && condition.expression.is_empty()
    {
        let field = format!("{field}.condition.expression");
        violations.add(&field, "must be set");
    }
}

/// Returns true if a text is the name of a predefined role, or of a custom role of a project or an organization.
fn is_role(text: &str) -> bool {
    let is_id = |id: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !id.is_empty() && id.bytes().all(fits)
    };
    match text.split('/').collect::<Vec<_>>()[..] {
        ["roles", role] => is_id(role),
        ["projects", project, "roles", role] => is_project_id(project) && is_id(role),
        ["organizations", organization, "roles", role] => is_id(organization) && is_id(role),
        _ => false,
    }
}

fn check_audit_config(field: &str, config: &AuditConfig, violations: &mut Violations) {
    if config.service.is_empty() {
        violations.add(&format!("{field}.service"), "must be set");
    }
    if config.audit_log_configs.is_empty() {
        let field = format!("{field}.audit_log_configs");
        violations.add(&field, "must have at least one configuration");
    }
    for (index, log) in config.audit_log_configs.iter().enumerate() {
        let field = format!("{field}.audit_log_configs[{index}]");
        if !matches!(LogType::try_from(log.log_type), Ok(kind) if kind != LogType::Unspecified) {
            let why = "must be ADMIN_READ, DATA_WRITE or DATA_READ";
            violations.add(&format!("{field}.log_type"), why);
        }
        let field = format!("{field}.exempted_members");
        check_members(&field, &log.exempted_members, violations);
    }
}

fn check_members(field: &str, members: &[String], violations: &mut Violations) {
    for member in members {
        let kind = PRINCIPAL_PREFIXES
            .iter()
            .find(|kind| member.starts_with(**kind));
        let is_known = kind.is_some_and(|kind| member.len() > kind.len());
        if !(is_known || PRINCIPALS_WITHOUT_ID.contains(&member.as_str())) {
            let why = format!(
                "invalid principal `{}`: must be allUsers, allAuthenticatedUsers, or user:, serviceAccount:, group: or \
                 domain: with an id, such as user:ana@example.com",
                shortened(member)
            );
            violations.add(field, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paths: &[&str]) -> Option<(bool, bool)> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mask = PolicyMask::parse(Some(&FieldMask { paths })).ok()?;
        Some((mask.bindings, mask.audit_configs))
    }

    #[test]
    fn a_mask_names_fields_of_a_policy() {
        for (paths, expected) in [
            (&[][..], Some((true, false))),
            (&["bindings", "etag"], Some((true, false))),
            (&["auditConfigs"], None),
            (&["audit_configs", "version"], Some((false, true))),
            (&["*"], Some((true, true))),
            (&["etag"], Some((false, false))),
            (&["bindings.role"], None),
            (&["bindings.0"], None),
            (&["policy.bindings"], None),
            (&["bindings", ""], None),
        ] {
            assert_eq!(written(paths), expected, "{paths:?}");
        }
        assert_eq!(
            PolicyMask::parse(None).ok(),
            PolicyMask::parse(Some(&FieldMask::default())).ok()
        );
    }

    #[test]
    fn a_role_is_predefined_or_of_a_project_or_an_organization() {
        for (role, is_valid) in [
            ("roles/owner", true),
            ("roles/apigateway.viewer", true),
            ("projects/p-1/roles/my_role", true),
            ("organizations/12/roles/myRole", true),
            ("", false),
            ("owner", false),
            ("roles/", false),
            ("roles/a b", false),
            ("roles/a/b", false),
            ("role/owner", false),
            ("projects//roles/x", false),
            ("projects/p/roles/", false),
            ("folders/1/roles/x", false),
        ] {
            assert_eq!(is_role(role), is_valid, "{role}");
        }
    }

    #[test]
    fn a_principal_has_a_kind_and_an_id() {
        for (member, is_known) in [
            ("allUsers", true),
            ("allAuthenticatedUsers", true),
            ("user:a@example.com", true),
            ("deleted:group:a@example.com?uid=1", true),
            ("principalSet://goog/public:all", true),
            ("", false),
            ("user:", false),
            ("a@example.com", false),
            ("users:a@example.com", false),
            ("allusers", false),
        ] {
            let mut violations = Violations::default();
            check_members("members", &[member.to_owned()], &mut violations);
            assert_eq!(violations.check().is_ok(), is_known, "{member}");
        }
    }
}
