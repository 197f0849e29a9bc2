//! The rules of an IAM policy: its versions, its fields and who is in it (`google/iam/v1/policy.proto`).

use prost::Message as _;
use prost_types::FieldMask;
use tonic::Status;

use crate::emulator::api::update_mask::snake;
use crate::emulator::error::violations::Violations;
use crate::proto::google::iam::v1::audit_log_config::LogType;
use crate::proto::google::iam::v1::{AuditConfig, Binding, Policy};
use crate::proto::google::r#type::Expr;

/// The versions that a policy can have.
const VERSIONS: [i32; 3] = [0, 1, 3];
/// The version of a policy with conditions.
pub(crate) const CONDITIONS: i32 = 3;
/// The mark after the role of a conditional binding in a policy of version 1. A hash of the condition follows.
const WITHCOND: &str = "_withcond_";
/// The most principals of a policy, and the most groups among them.
const PRINCIPALS: usize = 1500;
const GROUPS: usize = 250;
/// The principals that have no id.
const ALL: [&str; 2] = ["allUsers", "allAuthenticatedUsers"];
/// The prefixes of all other principals. Those of projects and of identity pools are not in policy.proto, but in the
/// documentation of IAM.
const KINDS: [&str; 12] = [
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
pub(crate) struct Written {
    bindings: bool,
    audit_configs: bool,
}

impl Written {
    /// Reads the update mask of SetIamPolicy. Without a mask, it is `bindings, etag`. The version follows from the
    /// bindings, and the etag is compared whether the mask has it or not.
    ///
    /// # Errors
    ///
    /// If paths lead to what is no field of a policy. The error names each of them.
    pub(crate) fn of(mask: Option<&FieldMask>) -> Result<Self, Status> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let mut written = Self {
            bindings: paths.is_empty(),
            audit_configs: false,
        };
        let mut wrong = Violations::default();
        for path in paths {
            match snake(path).as_str() {
                "*" => (written.bindings, written.audit_configs) = (true, true),
                "bindings" => written.bindings = true,
                "audit_configs" => written.audit_configs = true,
                "version" | "etag" => {}
                _ => {
                    let why = format!("`{}` is no field of a policy", path.escape_debug());
                    wrong.add("update_mask", why);
                }
            }
        }
        wrong.check().map(|()| written)
    }

    /// Notes what is wrong by itself with the fields that are written.
    pub(crate) fn note(self, given: &Policy, wrong: &mut Violations) {
        note_version("policy.version", given.version, wrong);
        if self.bindings {
            note_bindings(given, wrong);
        }
        if self.audit_configs {
            for (index, config) in given.audit_configs.iter().enumerate() {
                note_audit(&format!("policy.audit_configs[{index}]"), config, wrong);
            }
        }
    }

    /// Writes the fields to the stored policy.
    ///
    /// # Errors
    ///
    /// If the bindings of a policy with conditions were read and are written at a lower version than 3. Without an
    /// etag they are replaced, and the conditions lost.
    pub(crate) fn write(self, given: Policy, stored: &mut Policy) -> Result<(), Status> {
        if self.bindings {
            let loses = has_conditions(stored) && given.version < CONDITIONS;
            if loses && !given.etag.is_empty() {
                let mut wrong = Violations::default();
                let why = "must be 3: the policy that the etag is of has conditions";
                wrong.add("policy.version", why);
                return wrong.check();
            }
            stored.bindings = given.bindings;
        }
        if self.audit_configs {
            stored.audit_configs = given.audit_configs;
        }
        Ok(())
    }
}

/// Notes that a version is invalid.
pub(crate) fn note_version(field: &str, version: i32, wrong: &mut Violations) {
    if !VERSIONS.contains(&version) {
        wrong.add(field, format!("must be 0, 1 or 3, not {version}"));
    }
}

/// Returns the policy in the lowest version that can show it, but at most in the one that is asked for.
///
/// Below version 3 no condition is shown. The role of a conditional binding then ends with `_withcond_` and a hash of
/// its condition, as IAM's documentation on these roles has it.
pub(crate) fn shown(mut policy: Policy, version: i32) -> Policy {
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

/// Twenty hexadecimal digits, the same in every run: FNV-1a.
fn hash(condition: &Expr) -> String {
    let bytes = condition.encode_to_vec();
    let hash = bytes.iter().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d,
        |hash: u128, byte| (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b),
    );
    format!("{:020x}", hash >> 48)
}

fn note_bindings(given: &Policy, wrong: &mut Violations) {
    if has_conditions(given) && given.version != CONDITIONS && VERSIONS.contains(&given.version) {
        let why = format!(
            "must be 3, not {}: a binding has a condition",
            given.version
        );
        wrong.add("policy.version", why);
    }
    for (index, binding) in given.bindings.iter().enumerate() {
        note_binding(&format!("policy.bindings[{index}]"), binding, wrong);
    }
    let members = || given.bindings.iter().flat_map(|binding| &binding.members);
    let groups = members().filter(|member| member.starts_with(GROUP));
    for (count, most, what) in [
        (members().count(), PRINCIPALS, "principals"),
        (groups.count(), GROUPS, "groups"),
    ] {
        if count > most {
            wrong.add(
                "policy.bindings",
                format!("have {count} {what}, more than {most}"),
            );
        }
    }
}

fn note_binding(field: &str, binding: &Binding, wrong: &mut Violations) {
    let role = &binding.role;
    if role.is_empty() {
        wrong.add(&format!("{field}.role"), "must be given");
    } else if role.contains(WITHCOND) {
        let why = format!(
            "`{}` is no role but stands for a condition that was not read: read the policy at version 3",
            role.escape_debug()
        );
        wrong.add(&format!("{field}.role"), why);
    }
    if binding.members.is_empty() {
        wrong.add(&format!("{field}.members"), "must have a principal");
    }
    note_members(&format!("{field}.members"), &binding.members, wrong);
    if let Some(condition) = &binding.condition
        && condition.expression.is_empty()
    {
        let field = format!("{field}.condition.expression");
        wrong.add(&field, "must be given");
    }
}

fn note_audit(field: &str, config: &AuditConfig, wrong: &mut Violations) {
    if config.service.is_empty() {
        wrong.add(&format!("{field}.service"), "must be given");
    }
    if config.audit_log_configs.is_empty() {
        let field = format!("{field}.audit_log_configs");
        wrong.add(&field, "must have a configuration");
    }
    for (index, log) in config.audit_log_configs.iter().enumerate() {
        let field = format!("{field}.audit_log_configs[{index}]");
        if !matches!(LogType::try_from(log.log_type), Ok(kind) if kind != LogType::Unspecified) {
            let why = "must be ADMIN_READ, DATA_WRITE or DATA_READ";
            wrong.add(&format!("{field}.log_type"), why);
        }
        let field = format!("{field}.exempted_members");
        note_members(&field, &log.exempted_members, wrong);
    }
}

fn note_members(field: &str, members: &[String], wrong: &mut Violations) {
    for member in members {
        let kind = KINDS.iter().find(|kind| member.starts_with(**kind));
        let is_known = kind.is_some_and(|kind| member.len() > kind.len());
        if !(is_known || ALL.contains(&member.as_str())) {
            let why = format!("`{}` is no principal", member.escape_debug());
            wrong.add(field, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paths: &[&str]) -> Option<(bool, bool)> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let written = Written::of(Some(&FieldMask { paths })).ok()?;
        Some((written.bindings, written.audit_configs))
    }

    #[test]
    fn a_mask_names_fields_of_a_policy() {
        for (paths, expected) in [
            (&[][..], Some((true, false))),
            (&["bindings", "etag"], Some((true, false))),
            (&["auditConfigs"], Some((false, true))),
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
            Written::of(None).ok(),
            Written::of(Some(&FieldMask::default())).ok()
        );
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
            let mut wrong = Violations::default();
            note_members("members", &[member.to_owned()], &mut wrong);
            assert_eq!(wrong.check().is_ok(), is_known, "{member}");
        }
    }
}
