//! Settings: their values and sources.
//!
//! The value of a setting comes from the first of these sources that has one: the flag, an environment variable, a property of
//! gcloud's active configuration, a default. For some settings, a second variable comes after the property. `apigw config show`
//! prints each value with its source.

mod properties;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) use properties::{Properties, folder};

use crate::failure::Failure;
use crate::{client, files};

/// The flags of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global flags")]
#[group(skip)]
pub(crate) struct Flags {
    /// Project of resources that are given by their id.
    #[arg(long, global = true, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// gcloud configuration from which properties are read, instead of the active one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) configuration: Option<String>,
    /// Not supported: apigw does not read gcloud's accounts.
    #[arg(long, global = true, value_name = "ACCOUNT", hide = true)]
    account: Option<String>,
    /// Format of standard output; see `apigw help formats`.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Do not prompt; the answer to each prompt is its default.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Level of the log on standard error: debug, info, warning, error, critical or none.
    #[arg(long, global = true, value_name = "LEVEL", value_parser = ["debug", "info", "warning", "error", "critical", "none"], hide_possible_values = true)]
    pub(crate) verbosity: Option<String>,
    /// Print only errors on standard error.
    #[arg(long, global = true)]
    pub(crate) no_user_output_enabled: bool,
    /// Display of a wait's progress on standard error.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|tty|plain|none|json",
        hide_possible_values = true
    )]
    pub(crate) progress: Progress,
    /// Use of colour on standard error.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|always|never",
        hide_possible_values = true
    )]
    pub(crate) color: Color,
    #[command(flatten)]
    pub(crate) client: client::Flags,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A spinner on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// A spinner.
    Tty,
    /// A line at the start, after each change, after each minute without a change, and at the end.
    Plain,
    /// Nothing.
    None,
    /// Events as JSON, one per line.
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// A value and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) value: Option<String>,
    pub(crate) source: String,
}

/// The environment variables of all settings.
const VARIABLES: [&str; 20] = [
    "APIGW_API",
    "APIGW_LOCATION",
    apigateway_grpc::EMULATOR_HOST,
    "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_DISABLE_CREDENTIALS",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
    "CLOUDSDK_BILLING_QUOTA_PROJECT",
    "CLOUDSDK_CORE_DISABLE_PROMPTS",
    "CLOUDSDK_CORE_FORMAT",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_CORE_UNIVERSE_DOMAIN",
    "CLOUDSDK_CORE_USER_OUTPUT_ENABLED",
    "CLOUDSDK_CORE_VERBOSITY",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN",
    "HTTPS_PROXY",
    "https_proxy",
    "no_proxy",
];

/// The settings of this run.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) flags: Flags,
    pub(crate) properties: Properties,
}

/// The sources of a setting, in the order in which they are read.
struct Sources<'a> {
    flag: (&'a str, Option<&'a str>),
    variables: &'a [&'a str],
    property: Option<(&'a str, &'a str)>,
    /// Environment variables with lower precedence than gcloud's property.
    later: &'a [&'a str],
}

impl Settings {
    pub(crate) fn new(flags: Flags) -> Self {
        let properties = Properties::read(flags.configuration.as_deref());
        Self { flags, properties }
    }

    /// Rejects flags of gcloud that are not supported, and variables that are not UTF-8.
    ///
    /// # Errors
    ///
    /// If a variable is not UTF-8, or a flag of gcloud is not supported.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.flags.account.is_some() {
            return Err(Failure::usage(
                "argument --account: apigw does not read gcloud's accounts: use --credentials=gcloud for the active \
                 account, or --impersonate-service-account",
            ));
        }
        for name in VARIABLES {
            if let Err(std::env::VarError::NotUnicode(value)) = std::env::var(name) {
                return Err(Failure::usage(format!(
                    "invalid value {value:?} of {name}: must be UTF-8"
                )));
            }
        }
        Ok(())
    }

    fn find(&self, sources: &Sources<'_>) -> Setting {
        let (name, value) = sources.flag;
        if let Some(value) = value {
            return Setting {
                value: Some(value.to_owned()),
                source: name.to_owned(),
            };
        }
        let variable = |names: &[&str]| {
            let set = |name: &&str| {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
                Some(Setting {
                    value: Some(value),
                    source: (*name).to_owned(),
                })
            };
            names.iter().find_map(set)
        };
        let property = || {
            let (section, name) = sources.property?;
            let value = self.properties.get(section, name)?;
            let source = format!(
                "{section}/{name} of gcloud configuration {}",
                self.properties.configuration
            );
            Some(Setting {
                value: Some(value),
                source,
            })
        };
        variable(sources.variables)
            .or_else(property)
            .or_else(|| variable(sources.later))
            .unwrap_or_else(|| Setting {
                value: None,
                source: "not set".to_owned(),
            })
    }

    pub(crate) fn project(&self) -> Setting {
        let found = self.find(&Sources {
            flag: ("--project", self.flags.project.as_deref()),
            variables: &["CLOUDSDK_CORE_PROJECT"],
            property: Some(("core", "project")),
            later: &["GOOGLE_CLOUD_PROJECT"],
        });
        if found.value.is_some() {
            return found;
        }
        match project_of_credentials() {
            Some((value, file)) => Setting {
                value: Some(value),
                source: file.display().to_string(),
            },
            None => found,
        }
    }

    pub(crate) fn endpoint(&self) -> Setting {
        self.find(&Sources {
            flag: ("--endpoint", self.flags.client.endpoint.as_deref()),
            variables: &[
                apigateway_grpc::EMULATOR_HOST,
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
            ],
            property: Some(("api_endpoint_overrides", "apigateway")),
            later: &[],
        })
    }

    pub(crate) fn universe_domain(&self) -> Setting {
        self.find(&Sources {
            flag: (
                "--universe-domain",
                self.flags.client.universe_domain.as_deref(),
            ),
            variables: &["CLOUDSDK_CORE_UNIVERSE_DOMAIN"],
            property: Some(("core", "universe_domain")),
            later: &["GOOGLE_CLOUD_UNIVERSE_DOMAIN"],
        })
    }

    pub(crate) fn access_token_file(&self) -> Setting {
        let flag = self
            .flags
            .client
            .access_token_file
            .as_ref()
            .map(|file| file.display().to_string());
        self.find(&Sources {
            flag: ("--access-token-file", flag.as_deref()),
            variables: &["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"],
            property: Some(("auth", "access_token_file")),
            later: &[],
        })
    }

    pub(crate) fn impersonated(&self) -> Setting {
        self.find(&Sources {
            flag: (
                "--impersonate-service-account",
                self.flags.client.impersonate_service_account.as_deref(),
            ),
            variables: &["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"],
            property: Some(("auth", "impersonate_service_account")),
            later: &[],
        })
    }

    pub(crate) fn disable_credentials(&self) -> Setting {
        self.find(&Sources {
            flag: ("--anonymous", self.flags.client.anonymous.then_some("true")),
            variables: &["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"],
            property: Some(("auth", "disable_credentials")),
            later: &[],
        })
    }

    pub(crate) fn billing_project(&self) -> Setting {
        let mut found = self.find(&Sources {
            flag: (
                "--billing-project",
                self.flags.client.billing_project.as_deref(),
            ),
            variables: &["CLOUDSDK_BILLING_QUOTA_PROJECT"],
            property: Some(("billing", "quota_project")),
            later: &[],
        });
        // gcloud uses these words for "no quota project". The words are not project ids, so they must not be sent.
        let is_word = |value: &String| {
            ["LEGACY", "CURRENT_PROJECT", "CURRENT_PROJECT_WITH_FALLBACK"].contains(&value.as_str())
        };
        found.value = found.value.filter(|value| !is_word(value));
        found
    }

    pub(crate) fn format(&self) -> Setting {
        self.find(&Sources {
            flag: ("--format", self.flags.format.as_deref()),
            variables: &["CLOUDSDK_CORE_FORMAT"],
            property: Some(("core", "format")),
            later: &[],
        })
    }

    pub(crate) fn quiet(&self) -> Setting {
        self.find(&Sources {
            flag: ("--quiet", self.flags.quiet.then_some("true")),
            variables: &["CLOUDSDK_CORE_DISABLE_PROMPTS"],
            property: Some(("core", "disable_prompts")),
            later: &[],
        })
    }

    pub(crate) fn verbosity(&self) -> Setting {
        self.find(&Sources {
            flag: ("--verbosity", self.flags.verbosity.as_deref()),
            variables: &["CLOUDSDK_CORE_VERBOSITY"],
            property: Some(("core", "verbosity")),
            later: &[],
        })
    }

    pub(crate) fn user_output_enabled(&self) -> Setting {
        self.find(&Sources {
            flag: (
                "--no-user-output-enabled",
                self.flags.no_user_output_enabled.then_some("false"),
            ),
            variables: &["CLOUDSDK_CORE_USER_OUTPUT_ENABLED"],
            property: Some(("core", "user_output_enabled")),
            later: &[],
        })
    }

    /// Returns the location of a gateway or an operation, if the flag or the environment sets one.
    pub(crate) fn location(&self, flag: Option<&str>) -> Setting {
        self.find(&Sources {
            flag: ("--location", flag),
            variables: &["APIGW_LOCATION"],
            property: None,
            later: &[],
        })
    }

    /// Returns the API of a config, if the flag or the environment sets one.
    pub(crate) fn api(&self, flag: Option<&str>) -> Setting {
        self.find(&Sources {
            flag: ("--api", flag),
            variables: &["APIGW_API"],
            property: None,
            later: &[],
        })
    }

    /// Returns all settings with their names, for `config show`. They include no secrets.
    pub(crate) fn all(&self) -> Vec<(&'static str, Setting)> {
        vec![
            ("project", self.project()),
            ("endpoint", self.endpoint()),
            ("universe_domain", self.universe_domain()),
            ("access_token_file", self.access_token_file()),
            ("disable_credentials", self.disable_credentials()),
            ("impersonate_service_account", self.impersonated()),
            ("billing_project", self.billing_project()),
            ("location", self.location(None)),
            ("api", self.api(None)),
            ("format", self.format()),
            ("quiet", self.quiet()),
            ("verbosity", self.verbosity()),
            ("user_output_enabled", self.user_output_enabled()),
        ]
    }
}

impl Setting {
    /// Returns true if a boolean property is set to true.
    ///
    /// # Errors
    ///
    /// If the value is not one of gcloud's words for true and false.
    pub(crate) fn is_true(&self) -> Result<bool, Failure> {
        let value = self.value.as_deref().unwrap_or_default().to_lowercase();
        match value.as_str() {
            "true" | "1" | "on" | "yes" | "y" => Ok(true),
            "false" | "0" | "off" | "no" | "n" | "" | "none" => Ok(false),
            _ => Err(format!(
                "invalid value `{value}` of {}: expected true or false",
                self.source
            )
            .into()),
        }
    }
}

/// Returns the file of the application default credentials, if there is one.
pub(crate) fn credentials_file() -> Option<PathBuf> {
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").filter(|file| !file.is_empty());
    let file = named
        .map(PathBuf::from)
        .or_else(|| Some(folder()?.join("application_default_credentials.json")))?;
    file.is_file().then_some(file)
}

fn project_of_credentials() -> Option<(String, PathBuf)> {
    let file = credentials_file()?;
    let content: serde_json::Value = serde_json::from_slice(&files::read_file(&file).ok()?).ok()?;
    let project = content
        .get("project_id")
        .or(content.get("quota_project_id"))?
        .as_str()?;
    Some((project.to_owned(), file))
}
