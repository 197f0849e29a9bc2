//! Resource arguments: an id, a full name or a URL, and the flags that complete an id.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::names::{ApiConfigName, ApiName, GatewayName, LocationName, OperationName};
use clap::Args;

use crate::context::Context;
use crate::failure::Failure;

/// The location of apis and configs.
pub(crate) const GLOBAL: &str = "global";

/// A positional argument that names a resource.
pub(crate) trait Resource: Args {
    /// Returns the full name of the resource. A gateway without a location is looked up.
    async fn name(&self, context: &Context, client: &ApiGateway) -> Result<String, Failure>;
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Api {
    /// Id or full name of the API.
    #[arg(value_name = "API")]
    id: String,
    #[command(flatten)]
    location: GlobalLocation,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Config {
    /// Id or full name of the config.
    #[arg(value_name = "API_CONFIG")]
    id: String,
    /// API of the config.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    #[command(flatten)]
    location: GlobalLocation,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Gateway {
    /// Id or full name of the gateway.
    #[arg(value_name = "GATEWAY")]
    id: String,
    /// Location of the gateway, such as us-central1. Without it, the gateway is looked up in all locations.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

/// APIs and configs are always in the location `global`. Scripts may pass it, so the flag accepts this value only.
#[derive(Clone, Debug, Args)]
struct GlobalLocation {
    #[arg(long, hide = true, value_parser = [GLOBAL])]
    location: Option<String>,
}

impl Resource for Api {
    async fn name(&self, context: &Context, _: &ApiGateway) -> Result<String, Failure> {
        self.full_name(context)
    }
}

impl Resource for Config {
    async fn name(&self, context: &Context, _: &ApiGateway) -> Result<String, Failure> {
        Ok(self.full_name(context)?.into())
    }
}

impl Resource for Gateway {
    async fn name(&self, context: &Context, client: &ApiGateway) -> Result<String, Failure> {
        if let Some(name) = full::<GatewayName>(&self.id)? {
            return Ok(name.into());
        }
        match context.settings.location(self.location.as_deref()).value {
            Some(_) => self.full_name(context),
            None => find_gateway(context, client, &self.id).await,
        }
    }
}

impl Api {
    pub(crate) fn full_name(&self, context: &Context) -> Result<String, Failure> {
        api(context, &self.id).map(Into::into)
    }
}

impl Config {
    pub(crate) fn full_name(&self, context: &Context) -> Result<ApiConfigName, Failure> {
        config(context, &self.id, self.api.as_deref())
    }
}

impl Gateway {
    /// Returns the full name for a gateway that may not exist yet.
    ///
    /// # Errors
    ///
    /// If no setting has a location.
    pub(crate) fn full_name(&self, context: &Context) -> Result<String, Failure> {
        if let Some(name) = full::<GatewayName>(&self.id)? {
            return Ok(name.into());
        }
        let location = context.settings.location(self.location.as_deref()).value;
        let location = location.ok_or_else(|| missing("gateway", "gateway", "location"))?;
        let name = valid(GatewayName::new(context.project()?, location, &self.id))?;
        Ok(name.into())
    }

    /// Returns true if a setting has a location.
    pub(crate) fn has_location(&self, context: &Context) -> bool {
        self.id.contains('/')
            || context
                .settings
                .location(self.location.as_deref())
                .value
                .is_some()
    }
}

/// Returns the name of an API, given by its id or full name.
pub(crate) fn api(context: &Context, text: &str) -> Result<ApiName, Failure> {
    match full(text)? {
        Some(name) => Ok(name),
        None => valid(ApiName::new(context.project()?, text)),
    }
}

/// Returns the name of a config, given by its full name, or by its id and the API.
pub(crate) fn config(
    context: &Context,
    text: &str,
    api_flag: Option<&str>,
) -> Result<ApiConfigName, Failure> {
    if let Some(name) = full(text)? {
        return Ok(name);
    }
    let parent = context.settings.api(api_flag).value;
    let parent = parent.ok_or_else(|| missing("api_config", "api-config", "api"))?;
    let parent = api(context, &parent)?;
    valid(ApiConfigName::new(parent.project(), parent.api(), text))
}

/// Returns the name of an operation, given by its full name, or by its id and the location.
pub(crate) fn operation(
    context: &Context,
    text: &str,
    location: Option<&str>,
) -> Result<String, Failure> {
    if let Some(name) = full::<OperationName>(text)? {
        return Ok(name.into());
    }
    let location = context.settings.location(location).value;
    let location = location.ok_or_else(|| missing("operation", "operation", "location"))?;
    let name = valid(OperationName::new(context.project()?, location, text))?;
    Ok(name.into())
}

/// Returns the name of a location, given by its id or full name. `-` means all locations.
pub(crate) fn location(context: &Context, text: &str) -> Result<String, Failure> {
    match full::<LocationName>(text)? {
        Some(name) => Ok(name.into()),
        None => Ok(valid(LocationName::new(context.project()?, text))?.into()),
    }
}

/// Parses a full name, alone or at the end of a URL. Returns `None` for an id.
fn full<N>(text: &str) -> Result<Option<N>, Failure>
where
    N: TryFrom<String, Error = apigateway_grpc::Error>,
{
    let path = match text.split_once("://") {
        Some((_, rest)) => rest
            .split_once('/')
            .map_or("", |(_, path)| path)
            .trim_start_matches("v1/"),
        None => text,
    };
    match path.contains('/') || text.contains("://") {
        true => valid(N::try_from(path.to_owned())).map(Some),
        false => Ok(None),
    }
}

/// Converts an error about a name to a usage error, since nothing was sent.
fn valid<N>(name: Result<N, apigateway_grpc::Error>) -> Result<N, Failure> {
    name.map_err(|error| Failure::usage(error.to_string()))
}

/// Looks up a gateway in all locations.
async fn find_gateway(context: &Context, client: &ApiGateway, id: &str) -> Result<String, Failure> {
    let mut found = Vec::new();
    let mut gateways = client.list_gateways(location(context, "-")?).items();
    while let Some(gateway) = gateways.next().await {
        let name = gateway?.name;
        if name.rsplit('/').next() == Some(id) {
            found.push(name);
        }
    }
    let missing = gateways.unreachable();
    match &found[..] {
        [] if missing.is_empty() => Err(format!(
            "NOT_FOUND: no location of project {} has a gateway `{id}`",
            context.project()?
        )
        .into()),
        [] => Err(format!(
            "gateway `{id}` was not found, and these locations did not respond: {}",
            missing.join(", ")
        )
        .into()),
        [name] => Ok(name.clone()),
        _ => Err(Failure::usage(format!(
            "argument --location: several locations have a gateway `{id}`: {}",
            found.join(", ")
        ))),
    }
}

/// Returns the error about a missing attribute of an id, in gcloud's words.
fn missing(argument: &str, resource: &str, attribute: &str) -> Failure {
    format!(
        "Error parsing [{argument}].\n\
         The [{resource}] resource is not properly specified.\n\
         Failed to find attribute [{attribute}]. The attribute can be set in the following ways:\n\
         - provide the argument `{argument}` on the command line with a fully specified name\n\
         - provide the argument `--{attribute}` on the command line"
    )
    .into()
}

/// Returns true if two names are of the same resource. The service may write the number of the project in place of its id, so
/// the projects are not compared. Both names are of the project of the command.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    within_project(a) == within_project(b)
}

/// Returns true if a resource is in a parent, such as a config in an API.
pub(crate) fn is_within(name: &str, parent: &str) -> bool {
    let rest = within_project(name).strip_prefix(within_project(parent));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn within_project(name: &str) -> &str {
    let rest = name.strip_prefix("projects/").unwrap_or(name);
    rest.split_once('/').map_or(rest, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_the_number_and_the_id_of_a_project_are_the_same() {
        let a = "projects/p/locations/global/apis/a";
        let numbered = "projects/123/locations/global/apis/a";
        assert!(is_same(a, numbered));
        assert!(!is_same(a, "projects/p/locations/global/apis/ab"));
        assert!(is_within(&format!("{a}/configs/c"), numbered));
        assert!(!is_within(&format!("{a}b/configs/c"), numbered));
        assert!(!is_within(a, numbered));
    }
}
