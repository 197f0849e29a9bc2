//! `apigw completion`.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// Shell that the script is for.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, command: &mut Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "apigw", &mut script);
        output::data(&String::from_utf8_lossy(&script))
    }
}
