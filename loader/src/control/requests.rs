//! Requests to the control program, which works on the maps with the same code as the hooks.

use aya::{TestRun as _, programs::TestRunOptions};
use berth_common::abi::{control::Control, units::ContainerId};

use super::{ControlError, Kernel, error::Context as _, plain::zero};

impl Kernel {
    /// Carries out an operation on a container. Returns how many entries it changed.
    pub(super) fn request(&mut self, operation: u32, container: ContainerId) -> Result<u32, ControlError> {
        let answer = self.carry_out(Control { operation, container, ..zero() })?;
        Ok(answer.result)
    }

    /// Carries out a request. Returns the answer.
    pub(super) fn carry_out(&mut self, request: Control) -> Result<Control, ControlError> {
        // Whatever is run in this way is run on a packet, of no account here.
        let packet = [0; 64];
        let mut options = TestRunOptions::new();
        options.data_in = Some(&packet);

        self.maps.control.set(request)?;
        self.control
            .test_run(options)
            .map_err(std::io::Error::other)
            .context(|| "run the control program".to_owned())?;
        self.maps.control.get()
    }
}
