//! The compiler of programs (the sysctls `bpf_jit_enable` and `bpf_jit_harden` of net.core), as it shows: the files are
//! there in the first network namespace alone.

use std::io;
use std::os::fd::AsFd as _;

use aya_obj::generated::bpf_prog_type;

use super::{Presence, code::Code};
use crate::control::sys::{self, Instruction, Kind};

/// A constant that is worth blinding.
const CONSTANT: i32 = 0x1234_5678;

/// A program that was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Whether its constants were disguised before.
    pub blinded: bool,
}

/// What becomes of a program of ours; none if it is interpreted.
pub fn compiled() -> io::Result<Option<Compiled>> {
    let code = Code::new().end(CONSTANT);
    let kind = Kind { program: bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, attach: None, function: 0 };
    let (rewritten, compiled) = sys::lengths(sys::load(kind, &code)?.as_fd())?;
    // Nothing but blinding makes this program longer.
    let blinded = rewritten as usize > code.len() * size_of::<Instruction>();
    Ok((compiled > 0).then_some(Compiled { blinded }))
}

/// Whether programs are compiled.
pub fn presence() -> Presence {
    match compiled() {
        Ok(Some(_)) => Presence::Present(None),
        Ok(None) => Presence::Absent("programs are not compiled (net.core.bpf_jit_enable)".to_owned()),
        Err(error) => Presence::Unknown(error.to_string()),
    }
}

/// Whether they are compiled as they are.
pub fn plain() -> Presence {
    match compiled() {
        Ok(Some(Compiled { blinded: false })) => Presence::Present(None),
        Ok(Some(Compiled { blinded: true })) => {
            Presence::Absent("constants are blinded (net.core.bpf_jit_harden)".to_owned())
        }
        Ok(None) => Presence::Absent("programs are not compiled".to_owned()),
        Err(error) => Presence::Unknown(error.to_string()),
    }
}
