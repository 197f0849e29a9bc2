//! No state in a file: without the feature `emulator-data` there is nothing to note and nothing to wait for.

use tonic::Status;

use super::state::Tables;

#[derive(Debug, Default)]
pub(super) struct Changed(());

#[derive(Debug, Default)]
pub(super) struct Keeper(());

impl Changed {
    pub(super) fn note(&mut self, _name: &str) {}
}

impl Keeper {
    pub(super) fn take(&self, _tables: &mut Tables) {}

    pub(super) async fn kept(&self) -> Result<(), Status> {
        Ok(())
    }
}
