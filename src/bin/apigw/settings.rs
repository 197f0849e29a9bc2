//! `apigw config`.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::output;

const TABLE: &str = "table(setting,value,source)";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print each setting with its value and source. Secrets are never printed.
    Show,
}

impl Command {
    pub(crate) fn run(self, context: &Context) -> CommandResult {
        if let Some(error) = &context.settings.properties.error {
            output::warning(&format!("gcloud's configuration cannot be read: {error}"));
        }
        let shown = context.settings.all().into_iter();
        let rows: Vec<Value> = shown
            .map(|(name, setting)| json!({"setting": name, "value": without_password(&setting.value), "source": setting.source}))
            .collect();
        context.print_list(&rows, TABLE)?;
        Ok(Exit::Success)
    }
}

/// Returns a value without the user and the password of a URL or an authority.
fn without_password(value: &Option<String>) -> Option<String> {
    let value = value.as_deref()?;
    let (scheme, rest) = match value.find("://") {
        Some(at) => value.split_at(at + "://".len()),
        None => ("", value),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => format!("{scheme}…{}", &rest[user.len()..]),
        _ => value.to_owned(),
    })
}
