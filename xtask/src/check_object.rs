//! `cargo xtask check-object`.

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::command;
use crate::object::programs::{self, Program};
use crate::object::verify::{self, Verdict};
use crate::object::{inspect, layout, stack};
use crate::privilege::{self, Privilege};
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace) -> Result<()> {
    let privilege = Privilege::detect();
    if privilege == Privilege::Sudo {
        return as_root();
    }
    let path = workspace.object(Arch::of(None)?);
    let object = std::fs::read(&path).with_context(|| {
        let path = path.display();
        format!("cannot read {path}: `cargo xtask build` makes it")
    })?;
    let programs = programs::expected()?;
    look_inside(&object, &programs)?;
    if privilege == Privilege::None {
        return not_verified();
    }
    have_verified(&object, &programs)
}

/// The same command, as root.
fn as_root() -> Result<()> {
    let this = std::env::current_exe()?;
    command::run(Privilege::Sudo.command(&this).arg("check-object"))
}

fn not_verified() -> Result<()> {
    println!("NOT VERIFIED: loading the programs needs root");
    if !privilege::unprivileged_allowed() {
        bail!("the kernel has verified nothing (BERTH_ALLOW_UNPRIVILEGED=1 accepts that)");
    }
    Ok(())
}

fn look_inside(object: &[u8], programs: &[Program]) -> Result<()> {
    let mut problems = inspect::problems(object, programs)?;
    problems.extend(layout::problems(object)?);
    for (program, stack::Chain { depth, frames }) in stack::chains(object, programs)? {
        if depth > stack::LIMIT {
            let frames: Vec<_> = frames.iter().map(|(name, own)| format!("{name} {own}")).collect();
            let limit = stack::LIMIT;
            let frames = frames.join(" + ");
            problems.push(format!("{program} needs {depth} bytes of stack, and there are {limit}: {frames}"));
        }
    }
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("the object has {} problems", problems.len());
    }
    println!(
        "{} bytes, {} programs, licence and BTF present, layouts as the loader's, \
         nothing undefined, nothing that panics",
        object.len(),
        programs.len()
    );
    Ok(())
}

fn have_verified(object: &[u8], programs: &[Program]) -> Result<()> {
    let depths = stack::depths(object, programs)?;
    println!("{:<32} {:>10} {:>12} {:>6}", "program", "verified", "jited bytes", "stack");
    let mut rejected = 0;
    for (name, verdict) in verify::verify(object, programs)? {
        match verdict {
            Verdict::Verified { walked, jited_bytes } => {
                let walked = walked.map_or_else(|| "?".to_owned(), |count| count.to_string());
                let depth = depths.get(&name).copied().unwrap_or(0);
                println!("{name:<32} {walked:>10} {jited_bytes:>12} {depth:>6}");
            }
            Verdict::RefusedHere(reason) => println!("{name:<32} refused here: {reason}"),
            Verdict::Rejected(error) => {
                rejected += 1;
                println!("{name:<32} REJECTED: {error:#}");
            }
        }
    }
    if rejected > 0 {
        bail!("{rejected} programs do not load");
    }
    Ok(())
}
