//! `apigw emulator faults`: injects, lists and deletes faults.

use apigateway_grpc::emulator::messages::{
    CreateFaultRequest, DeleteFaultRequest, Fault, ListFaultsRequest, UpdateFaultRequest, from_json,
};
use clap::{Args, Subcommand};

use super::{Access, compact, failed};
use crate::config::Settings;
use crate::failure::Failure;
use crate::output;

#[derive(Debug, Subcommand)]
pub(super) enum Faults {
    /// Inject a fault, given as JSON: {"method": "GetApi", "times": 2, "fail": {"code": 14}}.
    ///
    /// A fault has a `method`, and one of `fail`, `delay`, `dropConnection`, `loseResponse`, `stale`, `notFoundFor`, `html`,
    /// `respond` and `operation`. It applies to one call, unless it has `times` or `always`, and to all resources, unless it
    /// has a `resource`.
    Create {
        /// The fault.
        #[arg(value_name = "JSON")]
        fault: String,
        #[command(flatten)]
        access: Access,
    },
    /// Print the faults that are not used up, one JSON object a line.
    List(Access),
    /// Disable a fault without deleting it.
    Disable(OneFault),
    /// Enable a disabled fault.
    Enable(OneFault),
    /// Delete a fault.
    Delete(OneFault),
}

#[derive(Debug, Args)]
pub(super) struct OneFault {
    /// Name of the fault, such as faults/1, or its number.
    #[arg(value_name = "FAULT", value_parser = fault_name)]
    name: String,
    #[command(flatten)]
    access: Access,
}

impl Faults {
    pub(super) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        match self {
            Self::Create { fault, access } => {
                let fault = read_fault(&fault)?;
                let request = CreateFaultRequest { fault: Some(fault) };
                let set = access.admin(settings)?.create_fault(request).await;
                let set = set.map_err(|status| failed(&status))?.into_inner();
                output::line(&compact(&set)?)
            }
            Self::List(access) => {
                let mut admin = access.admin(settings)?;
                let listed = admin.list_faults(ListFaultsRequest {}).await;
                let listed = listed.map_err(|status| failed(&status))?;
                for fault in &listed.into_inner().faults {
                    output::line(&compact(fault)?)?;
                }
                Ok(())
            }
            Self::Disable(fault) => fault.set_disabled(settings, true).await,
            Self::Enable(fault) => fault.set_disabled(settings, false).await,
            Self::Delete(OneFault { name, access }) => {
                let request = DeleteFaultRequest { name };
                let deleted = access.admin(settings)?.delete_fault(request).await;
                deleted.map(drop).map_err(|status| failed(&status))
            }
        }
    }
}

impl OneFault {
    async fn set_disabled(self, settings: &Settings, disabled: bool) -> Result<(), Failure> {
        let fault = Fault {
            name: self.name,
            disabled,
            ..Fault::default()
        };
        let request = UpdateFaultRequest { fault: Some(fault) };
        let updated = self.access.admin(settings)?.update_fault(request).await;
        let updated = updated.map_err(|status| failed(&status))?.into_inner();
        output::line(&compact(&updated)?)
    }
}

/// Reads a fault from the JSON of an argument.
fn read_fault(json: &str) -> Result<Fault, Failure> {
    if !json.trim_start().starts_with('{') {
        let text = format!(
            "argument JSON: must be a JSON object, such as {{\"method\": \"GetApi\", \"fail\": {{\"code\": 14}}}}, not `{}`",
            output::printable(json)
        );
        return Err(Failure::Usage(text));
    }
    from_json(json.as_bytes()).map_err(|error| Failure::usage(format!("argument JSON: {error}")))
}

/// Returns the name of a fault that is given by its name or its number.
fn fault_name(text: &str) -> Result<String, String> {
    Ok(match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("faults/{text}"),
        false => text.to_owned(),
    })
}
