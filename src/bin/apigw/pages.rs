//! `apigw help`: pages about all commands.

use clap::{Args, Command};

use crate::exit;
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A page (differences, environment, exit-codes, formats), or the words of a command.
    #[arg(value_name = "PAGE|COMMAND")]
    words: Vec<String>,
}

impl Help {
    pub(crate) fn run(self, root: Command) -> Result<(), Failure> {
        let page = match self.words.first().map(String::as_str) {
            Some("exit-codes") => Some(exit::PAGE),
            Some("differences") => Some(DIFFERENCES),
            Some("environment") => Some(ENVIRONMENT),
            Some("formats") => Some(FORMATS),
            _ => None,
        };
        if let Some(page) = page {
            return output::data(page);
        }
        let mut command = root;
        let mut path = String::from("apigw");
        for word in &self.words {
            let inner = command.find_subcommand(word).cloned();
            command = inner.ok_or_else(|| {
                Failure::usage(format!(
                    "no command or help page `{word}`: the pages are differences, environment, exit-codes and formats"
                ))
            })?;
            path = format!("{path} {word}");
        }
        output::data(&command.bin_name(path).render_long_help().to_string())
    }
}

/// The differences from gcloud that a script can notice.
const DIFFERENCES: &str = "\
Differences from `gcloud api-gateway` that a script can notice:

  exit codes   A wait that fails, is cancelled or times out exits with 3, 4 or 124, where gcloud exits with 1, or with
               0 if the operation had failed before the wait began. See `apigw help exit-codes`.
  --async      With --format, the operation is printed. gcloud prints nothing.
  --filter     The server applies the filter, by AIP-160. gcloud also applies it itself, in its own language; the
               operators `~` and `!~` of that language are refused.
  --format     An unknown format, attribute or transform exits with 2, where gcloud exits with 1. Only the formats
               of `apigw help formats` exist.
  update       An update that changes nothing exits with 0. gcloud sends an empty mask, which the service refuses.
               `--display-name=` clears the name; gcloud ignores it.
  progress     Without a terminal, a line is printed for each change, and one line a minute without a change. gcloud
               prints dots.
  project      A project number is accepted.
  names        A name that cannot be valid, such as `a/b` for an API, exits with 2. gcloud exits with 1.
  terminal     On a terminal, control characters in texts of the server are replaced, or escaped in JSON. A pipe gets them
               unchanged, as from gcloud.
  --account    Refused: gcloud's accounts are not read. `--credentials=gcloud` uses the active one.
  list         A table is printed once; gcloud prints one for each page of --page-size.
";

const ENVIRONMENT: &str = "\
Each setting has the value of the first of these that is set. Names with a slash, such as core/project, are properties
of the active gcloud configuration.

  project                      --project, CLOUDSDK_CORE_PROJECT, core/project, GOOGLE_CLOUD_PROJECT, the project of the
                               application default credentials
  endpoint                     --endpoint, APIGATEWAY_EMULATOR_HOST, CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY,
                               api_endpoint_overrides/apigateway
  universe domain              --universe-domain, CLOUDSDK_CORE_UNIVERSE_DOMAIN, core/universe_domain,
                               GOOGLE_CLOUD_UNIVERSE_DOMAIN
  access token                 --access-token-file, CLOUDSDK_AUTH_ACCESS_TOKEN_FILE, auth/access_token_file
  no credentials               --anonymous, CLOUDSDK_AUTH_DISABLE_CREDENTIALS, auth/disable_credentials
  impersonation                --impersonate-service-account, CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT,
                               auth/impersonate_service_account
  credentials                  GOOGLE_APPLICATION_CREDENTIALS, the file of `gcloud auth application-default login`, the
                               metadata server; with --credentials=gcloud, `gcloud auth print-access-token`
  quota project                --billing-project, CLOUDSDK_BILLING_QUOTA_PROJECT, billing/quota_project
  location, api                --location, APIGW_LOCATION; --api, APIGW_API
  format                       --format, CLOUDSDK_CORE_FORMAT, core/format
  prompts                      --quiet, CLOUDSDK_CORE_DISABLE_PROMPTS, core/disable_prompts
  verbosity                    RUST_LOG, --verbosity, CLOUDSDK_CORE_VERBOSITY, core/verbosity
  output on standard error     --no-user-output-enabled, CLOUDSDK_CORE_USER_OUTPUT_ENABLED, core/user_output_enabled
  colour                       --color, NO_COLOR, CLICOLOR_FORCE, TERM=dumb
  gcloud configuration         --configuration, CLOUDSDK_ACTIVE_CONFIG_NAME, the file active_config; the folder is
                               CLOUDSDK_CONFIG or ~/.config/gcloud
  proxy                        --proxy, --no-proxy, https_proxy or http_proxy by the scheme of the endpoint, all_proxy,
                               no_proxy; in uppercase, too, except for http_proxy

`apigw config show` prints each value and its source.
";

const FORMATS: &str = "\
--format accepts one of these:

  json, yaml           the whole resource, with its members sorted by name; json(name,labels) prints only these members
  jsonl                one line of JSON for each resource
  value(KEYS)          values without their keys, separated by tabs
  get(KEYS)            like value(KEYS), but without the transforms of the command's default table
  csv(KEYS)            a heading, and one line for each resource
  table(KEYS)          aligned columns
  flattened, text      one line for each value, with its path
  list                 one line for each member; a dash begins each resource
  none, disable        nothing
  default              yaml

Keys are paths such as name, labels.team, bindings[0].role and bindings[].members. Transforms follow a key:

  .basename()   .segment(N)   .date(FORMAT)   .yesno(YES,NO)   .list()   .len()

Attributes of a key: :label=TEXT :sort=N :reverse :align=left|center|right :width=N :optional
Attributes of a format: [no-heading] [separator=TEXT] [delimiter=TEXT] [terminator=TEXT] [no-pad] [quote]
";
