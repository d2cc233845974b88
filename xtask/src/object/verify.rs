//! Having this kernel's verifier look at each program.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use aya::programs::{Program as Loaded, ProgramError, ProgramInfo};
use aya::{Btf, Ebpf, EbpfLoader};

use super::programs::Program;

/// As much of the verifier's log as helps: the complaint is at its end.
const LOG_LINES: usize = 60;

/// What the kernel said to one program.
pub enum Verdict {
    Verified {
        /// Instructions that the verifier walked through; older kernels do not tell.
        walked: Option<u32>,
        jited_bytes: u32,
    },
    /// This kernel takes no program of the kind, whatever is in it.
    RefusedHere(String),
    Rejected(anyhow::Error),
}

/// Loads every program of the list, whatever becomes of the others.
pub fn verify(object: &[u8], programs: &[Program]) -> Result<Vec<(String, Verdict)>> {
    let btf = Btf::from_sys_fs().context("this kernel has no type information (BTF)")?;
    // As the loader does it: without the JIT, the kernel does not call back. Fixtures have no such constant.
    let callbacks = u32::from(has_jit());
    let mut loader = EbpfLoader::new();
    let preemptible = u32::from(is_preemptible());
    let loader = loader.btf(Some(&btf)).override_global("CALLBACKS", &callbacks, false).override_global(
        "PREEMPTIBLE",
        &preemptible,
        false,
    );
    let mut ebpf = loader.load(object).context("cannot create the object's maps")?;
    Ok(programs.iter().map(|program| (program.name.clone(), one(&mut ebpf, program, &btf))).collect())
}

/// What the verifier has said of a program that is pinned.
pub fn pinned(path: &Path) -> Result<Verdict> {
    let info = ProgramInfo::from_pin(path).with_context(|| format!("no program at {}", path.display()))?;
    Ok(verified(&info))
}

fn verified(info: &ProgramInfo) -> Verdict {
    Verdict::Verified { walked: info.verified_instruction_count(), jited_bytes: info.size_jitted() }
}

/// By `PREEMPTIBLE`, to verify here what kernels of other kinds would run.
fn is_preemptible() -> bool {
    std::env::var_os("PREEMPTIBLE").is_some()
}

fn has_jit() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/net/core/bpf_jit_enable");
    setting.map_or(true, |setting| setting.trim() != "0")
}

fn one(ebpf: &mut Ebpf, program: &Program, btf: &Btf) -> Verdict {
    let Some(loaded) = ebpf.program_mut(&program.name) else {
        return Verdict::Rejected(anyhow!("not in the object"));
    };
    let hook = program.attached_to().unwrap_or_default();
    if let Err(error) = load(loaded, hook, btf) {
        return match refusal(loaded, &error) {
            Some(reason) => Verdict::RefusedHere(reason),
            None => Verdict::Rejected(shortened(error)),
        };
    }
    match loaded.info() {
        Ok(info) => verified(&info),
        Err(error) => Verdict::Rejected(error.into()),
    }
}

/// The kinds of program that berth has, and those it might come to have.
fn load(program: &mut Loaded, hook: &str, btf: &Btf) -> Result<(), ProgramError> {
    match program {
        Loaded::SchedClassifier(program) => program.load(),
        Loaded::Xdp(program) => program.load(),
        Loaded::CgroupSkb(program) => program.load(),
        Loaded::CgroupSock(program) => program.load(),
        Loaded::CgroupSockAddr(program) => program.load(),
        Loaded::CgroupSockopt(program) => program.load(),
        Loaded::CgroupSysctl(program) => program.load(),
        Loaded::CgroupDevice(program) => program.load(),
        Loaded::SockOps(program) => program.load(),
        Loaded::SkLookup(program) => program.load(),
        Loaded::SkMsg(program) => program.load(),
        Loaded::SkSkb(program) => program.load(),
        Loaded::SocketFilter(program) => program.load(),
        Loaded::FlowDissector(program) => program.load(),
        Loaded::TracePoint(program) => program.load(),
        Loaded::RawTracePoint(program) => program.load(),
        Loaded::KProbe(program) => program.load(),
        Loaded::Iter(program) => program.load(hook, btf),
        Loaded::Lsm(program) => program.load(hook, btf),
        Loaded::LsmCgroup(program) => program.load(hook, btf),
        Loaded::BtfTracePoint(program) => program.load(hook, btf),
        Loaded::FEntry(program) => program.load(hook, btf),
        Loaded::FExit(program) => program.load(hook, btf),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// LSM and tracing programs can be shut out by a kernel's configuration. The kernel then refuses before
/// its verifier has said a word, or has no such hook in its type information.
fn refusal(program: &Loaded, error: &ProgramError) -> Option<String> {
    let can_be_shut_out = matches!(
        program,
        Loaded::Lsm(_)
            | Loaded::LsmCgroup(_)
            | Loaded::BtfTracePoint(_)
            | Loaded::FEntry(_)
            | Loaded::FExit(_)
    );
    if !can_be_shut_out {
        return None;
    }
    match error {
        ProgramError::LoadError { io_error, verifier_log } if verifier_log.to_string().trim().is_empty() => {
            Some(io_error.to_string())
        }
        ProgramError::Btf(error) => Some(error.to_string()),
        _ => None,
    }
}

fn shortened(error: ProgramError) -> anyhow::Error {
    let ProgramError::LoadError { io_error, verifier_log } = &error else {
        return error.into();
    };
    let log = last_lines(&verifier_log.to_string(), LOG_LINES);
    anyhow!("{io_error}; the verifier's last words:\n{log}")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_end() {
        assert_eq!(last_lines("a\nb\nc\n\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }
}
