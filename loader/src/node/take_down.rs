//! Ending all enforcement.

use log::error;

use super::{LocalPorts, NodeError, Paths, open::instance};
use crate::{control::Kernel, state::Store};

/// Detaches and unpins everything. What is to come into force with the next start stays on file.
pub fn take_down(paths: &Paths) -> Result<(), NodeError> {
    Kernel::down(&paths.pin_dir)?;
    if let Err(error) = tidy(paths) {
        error!("what was set on the node is not all put back: {error}");
    }
    Ok(())
}

fn tidy(paths: &Paths) -> Result<(), NodeError> {
    let store = Store::new(&paths.state_dir);
    let Some(mut state) = store.load()? else {
        return Ok(());
    };
    if state.instance.take() == Some(instance()?) {
        LocalPorts::system().release(&state.local_ports)?;
    }
    state.uplinks.clear();
    Ok(store.save(&state)?)
}
