//! The commands for IAM policies, which are the same for all resources.

use std::path::{Path, PathBuf};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::iam::v1::{
    Binding, GetIamPolicyRequest, GetPolicyOptions, Policy, SetIamPolicyRequest,
};
use apigateway_grpc::proto::google::r#type::Expr;
use apigateway_grpc::tonic::Code;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::resource::Resource;
use crate::{files, output};

/// Maximum number of attempts to change a policy that somebody else changes meanwhile.
const ATTEMPTS: u32 = 5;

#[derive(Debug, Subcommand)]
pub(crate) enum Command<R: Resource> {
    /// Print the IAM policy.
    GetIamPolicy(Get<R>),
    /// Replace the IAM policy with the one in a file.
    SetIamPolicy(Set<R>),
    /// Add a binding to the IAM policy.
    AddIamPolicyBinding(Change<R>),
    /// Remove a binding from the IAM policy.
    RemoveIamPolicyBinding(Change<R>),
    /// Print which of the given permissions the caller has.
    TestIamPermissions(Test<R>),
}

#[derive(Debug, Args)]
pub(crate) struct Get<R: Resource> {
    #[command(flatten)]
    resource: R,
}

#[derive(Debug, Args)]
pub(crate) struct Set<R: Resource> {
    #[command(flatten)]
    resource: R,
    /// A policy in JSON or YAML, as `get-iam-policy` prints it; - for standard input.
    #[arg(value_name = "POLICY_FILE")]
    file: PathBuf,
    #[command(flatten)]
    conflict: Conflict,
}

#[derive(Debug, Args)]
pub(crate) struct Change<R: Resource> {
    #[command(flatten)]
    resource: R,
    /// Principal, such as user:ann@example.com.
    #[arg(long, value_name = "PRINCIPAL")]
    member: String,
    /// Role, such as roles/apigateway.viewer.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Condition of the binding: `expression=EXPRESSION,title=TITLE,description=TEXT`, or None.
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    condition: Option<Condition>,
    #[command(flatten)]
    conflict: Conflict,
}

#[derive(Debug, Args)]
pub(crate) struct Test<R: Resource> {
    #[command(flatten)]
    resource: R,
    /// Permissions to test, such as apigateway.gateways.get.
    #[arg(value_name = "PERMISSION", required = true)]
    permissions: Vec<String>,
}

#[derive(Debug, Args)]
struct Conflict {
    /// Action if somebody else changes the policy between the read and the write.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "retry|fail",
        hide_possible_values = true
    )]
    etag_conflict: OnConflict,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// Read the policy again and apply the change again.
    #[default]
    Retry,
    /// Fail with ABORTED.
    Fail,
}

#[derive(Clone, Debug)]
struct Condition(Option<Expr>);

impl<R: Resource> Command<R> {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        match self {
            Self::GetIamPolicy(get) => get.run(context).await,
            Self::SetIamPolicy(set) => set.run(context).await,
            Self::AddIamPolicyBinding(change) => change.run(context, add).await,
            Self::RemoveIamPolicyBinding(change) => change.run(context, remove).await,
            Self::TestIamPermissions(test) => test.run(context).await,
        }
    }
}

impl<R: Resource> Get<R> {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let resource = self.resource.name(context, &client).await?;
        context.print(&output::json(&read(&client, &resource).await?)?)?;
        Ok(Exit::Success)
    }
}

impl<R: Resource> Set<R> {
    async fn run(self, context: &Context) -> CommandResult {
        let policy = policy(&self.file)?;
        let client = context.client()?;
        let resource = self.resource.name(context, &client).await?;
        let written = match self.conflict.etag_conflict {
            OnConflict::Fail => write(&client, &resource, policy).await?,
            OnConflict::Retry => {
                let replaced = |current: &mut Policy| {
                    let etag = std::mem::take(&mut current.etag);
                    *current = Policy {
                        etag,
                        ..policy.clone()
                    };
                    Ok(())
                };
                match write(&client, &resource, policy.clone()).await {
                    Err(failure) if failure.code() == Some(Code::Aborted) => {
                        change(&client, &resource, OnConflict::Retry, replaced).await?
                    }
                    written => written?,
                }
            }
        };
        context.print(&output::json(&written)?)?;
        Ok(Exit::Success)
    }
}

impl<R: Resource> Change<R> {
    async fn run(
        self,
        context: &Context,
        apply: fn(&mut Policy, &str, &str, Option<&Expr>) -> Result<(), Failure>,
    ) -> CommandResult {
        let client = context.client()?;
        let resource = self.resource.name(context, &client).await?;
        let condition = self.condition.and_then(|condition| condition.0);
        let apply =
            |policy: &mut Policy| apply(policy, &self.member, &self.role, condition.as_ref());
        let written = change(&client, &resource, self.conflict.etag_conflict, apply).await?;
        context.print(&output::json(&written)?)?;
        Ok(Exit::Success)
    }
}

impl<R: Resource> Test<R> {
    async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let resource = self.resource.name(context, &client).await?;
        let allowed = client
            .test_iam_permissions(resource, self.permissions)
            .await?;
        context.print(&serde_json::json!({ "permissions": allowed }))?;
        Ok(Exit::Success)
    }
}

/// Reads a policy at version 3, since lower versions have no conditions.
async fn read(client: &ApiGateway, resource: &str) -> Result<Policy, Failure> {
    let request = GetIamPolicyRequest {
        resource: resource.to_owned(),
        options: Some(GetPolicyOptions {
            requested_policy_version: 3,
        }),
    };
    Ok(client.send(request).await?)
}

async fn write(client: &ApiGateway, resource: &str, mut policy: Policy) -> Result<Policy, Failure> {
    if policy
        .bindings
        .iter()
        .any(|binding| binding.condition.is_some())
    {
        policy.version = 3;
    }
    let request = SetIamPolicyRequest {
        resource: resource.to_owned(),
        policy: Some(policy),
        update_mask: None,
    };
    Ok(client.send(request).await?)
}

/// Reads the policy, applies the change and writes it with the etag that was read. With `Retry`, all of this is repeated
/// if somebody else has changed the policy meanwhile.
async fn change(
    client: &ApiGateway,
    resource: &str,
    on_conflict: OnConflict,
    apply: impl Fn(&mut Policy) -> Result<(), Failure>,
) -> Result<Policy, Failure> {
    let mut attempt = 1;
    loop {
        let mut policy = read(client, resource).await?;
        apply(&mut policy)?;
        match write(client, resource, policy).await {
            Err(failure)
                if failure.code() == Some(Code::Aborted)
                    && on_conflict == OnConflict::Retry
                    && attempt < ATTEMPTS =>
            {
                tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                attempt += 1;
            }
            written => return written,
        }
    }
}

fn add(
    policy: &mut Policy,
    member: &str,
    role: &str,
    condition: Option<&Expr>,
) -> Result<(), Failure> {
    let found = policy
        .bindings
        .iter_mut()
        .find(|binding| binding.role == role && binding.condition.as_ref() == condition);
    match found {
        Some(binding) if binding.members.iter().any(|present| present == member) => {}
        Some(binding) => binding.members.push(member.to_owned()),
        None => policy.bindings.push(Binding {
            role: role.to_owned(),
            members: vec![member.to_owned()],
            condition: condition.cloned(),
        }),
    }
    Ok(())
}

fn remove(
    policy: &mut Policy,
    member: &str,
    role: &str,
    condition: Option<&Expr>,
) -> Result<(), Failure> {
    let found = policy.bindings.iter_mut().find(|binding| {
        binding.role == role
            && binding.condition.as_ref() == condition
            && binding.members.iter().any(|present| present == member)
    });
    let binding = found.ok_or_else(|| {
        Failure::from("Policy binding with the specified principal and role not found!".to_owned())
    })?;
    binding.members.retain(|present| present != member);
    policy
        .bindings
        .retain(|binding| !binding.members.is_empty());
    Ok(())
}

/// Reads a policy file in JSON or YAML.
fn policy(file: &Path) -> Result<Policy, Failure> {
    let content = match file.as_os_str() == "-" {
        true => {
            files::read_all(std::io::stdin()).map_err(|error| format!("standard input: {error}"))?
        }
        false => crate::client::content("policy file", file)?,
    };
    let text = String::from_utf8_lossy(&content);
    let invalid = |error: &dyn std::fmt::Display| {
        Failure::from(format!("invalid policy {}: {error}", file.display()))
    };
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| invalid(&error))?;
    let fields = value
        .as_object()
        .ok_or_else(|| invalid(&"expected a mapping"))?;
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut policy = Policy::default();
    for (key, value) in fields {
        match key.as_str() {
            "version" => {
                policy.version = value
                    .as_i64()
                    .and_then(|version| i32::try_from(version).ok())
                    .unwrap_or_default()
            }
            "etag" => {
                use base64::Engine as _;
                let etag = value.as_str().unwrap_or_default();
                policy.etag = base64::engine::general_purpose::STANDARD
                    .decode(etag)
                    .map_err(|error| invalid(&error))?;
            }
            "bindings" => {
                for binding in value.as_array().into_iter().flatten() {
                    let members = binding.get("members").and_then(Value::as_array);
                    policy.bindings.push(Binding {
                        role: text(binding, "role"),
                        members: members
                            .into_iter()
                            .flatten()
                            .filter_map(|member| member.as_str().map(str::to_owned))
                            .collect(),
                        condition: binding.get("condition").map(|condition| Expr {
                            expression: text(condition, "expression"),
                            title: text(condition, "title"),
                            description: text(condition, "description"),
                            location: text(condition, "location"),
                        }),
                    });
                }
            }
            other => {
                return Err(invalid(&format_args!(
                    "unknown field `{other}`: expected bindings, etag or version"
                )));
            }
        }
    }
    Ok(policy)
}

fn condition(text: &str) -> Result<Condition, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Condition(None));
    }
    let mut expr = Expr::default();
    for part in crate::labels::list(text) {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("invalid part `{part}`: expected KEY=VALUE"))?;
        let field = match key {
            "expression" => &mut expr.expression,
            "title" => &mut expr.title,
            "description" => &mut expr.description,
            _ => {
                return Err(format!(
                    "unknown key `{key}`: expected expression, title or description"
                ));
            }
        };
        *field = value.to_owned();
    }
    match expr.expression.is_empty() || expr.title.is_empty() {
        true => Err("expression and title are required".to_owned()),
        false => Ok(Condition(Some(expr))),
    }
}
