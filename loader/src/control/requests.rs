//! Requests to the control program, which works on the maps with the same code as the hooks.

use aya::{TestRun as _, programs::TestRunOptions};
use berth_common::abi::control::Control;

use super::{ControlError, Kernel, error::Context as _};

/// Length of the packet that the control program is run on: room for any key, and no less than the kernel wants.
pub(super) const PACKET: usize = 64;

impl Kernel {
    /// Carries out a request. Returns the answer.
    pub(super) fn carry_out(&mut self, request: Control) -> Result<Control, ControlError> {
        self.maps.control.set(request)?;
        // Whatever is run in this way is run on a packet, of no account here.
        self.run_control(&[0; PACKET])?;
        self.maps.control.get()
    }

    /// Carries out a request so many times, each of which goes on where the one before has ended. Returns what came of all.
    pub(super) fn repeat(&mut self, request: Control, times: u64) -> Result<u32, ControlError> {
        self.maps.control.set(request)?;
        // The kernel lets others run in between; nought is once, to it.
        self.test_run(&[0; PACKET], u32::try_from(times.max(1)).unwrap_or(u32::MAX))?;
        Ok(self.maps.control.get()?.result)
    }

    /// Runs the control program on a packet, as the last request wants it.
    pub(super) fn run_control(&mut self, packet: &[u8; PACKET]) -> Result<(), ControlError> {
        self.test_run(packet, 1)
    }

    fn test_run(&self, packet: &[u8; PACKET], repeat: u32) -> Result<(), ControlError> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.repeat = repeat;
        self.control
            .test_run(options)
            .map_err(std::io::Error::other)
            .context(|| "run the control program".to_owned())
            .map(drop)
    }
}
