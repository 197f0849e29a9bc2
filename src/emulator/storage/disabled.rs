//! No state in a file: without the feature `emulator-data` there is nothing to note and nothing to wait for.

use tonic::Status;

use crate::emulator::state::Tables;

#[derive(Debug, Default)]
pub(crate) struct Keeper(());

impl Keeper {
    pub(crate) fn take(&self, _tables: &mut Tables) {}

    pub(crate) async fn kept(&self) -> Result<(), Status> {
        Ok(())
    }
}
