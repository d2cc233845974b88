//! One run: machines booted, some at a time, and what came of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};

use super::kernel::Kernel;
use super::kit::{self, Kit};
use super::matrix::{Brief, Matrix, Wanted};
use super::protocol::Share;
use super::qemu::{End, Machine};
use super::report::Report;
use super::{Args, image, modules};
use crate::arch::Arch;
use crate::setup::BpfToolchain;
use crate::workspace::Workspace;

/// How many lines of the kernel's messages are shown of a machine that crashed.
const CONSOLE_LINES: usize = 40;

/// All that is the same for every kernel.
pub struct Session<'a> {
    args: &'a Args,
    matrix: Matrix,
    kits: Vec<Kit>,
    directory: PathBuf,
    /// Held while the files in the directory are ours.
    _lock: Flock<File>,
}

impl<'a> Session<'a> {
    pub fn open(
        workspace: &Workspace,
        toolchain: &BpfToolchain,
        args: &'a Args,
        matrix: Matrix,
        wanted: &[Wanted],
    ) -> Result<Self> {
        let directory = workspace.target.join("vm");
        fs::create_dir_all(&directory)?;
        let lock = Flock::lock(File::create(directory.join("lock"))?, FlockArg::LockExclusive);
        let lock = lock.map_err(|(_, error)| error).context("cannot wait for another run to end")?;
        let mut kits = Vec::new();
        for arch in wanted.iter().map(|kernel| kernel.arch).collect::<BTreeSet<_>>() {
            let mut kit = kit::gather(workspace, toolchain, arch, args.purpose(), &matrix, &directory)?;
            // Of this machine alone: what is asked for can be nothing else elsewhere.
            kit.accel = args.accel.filter(|_| arch.is_here()).unwrap_or(kit.accel);
            println!("vm: {} machines run by {:?}", arch.name(), kit.accel);
            args.complete(&mut kit.base.plan, kit.accel)?;
            kits.push(kit);
        }
        Ok(Self { args, matrix, kits, directory, _lock: lock })
    }

    /// Bytes of stack, by program, on the machine where it needs most.
    pub fn depths(&self) -> BTreeMap<String, u64> {
        let mut depths = BTreeMap::new();
        for (program, depth) in self.kits.iter().flat_map(|kit| &kit.depths) {
            let most = depths.entry(program.clone()).or_insert(*depth);
            *most = (*depth).max(*most);
        }
        depths
    }

    fn kit(&self, arch: Arch) -> Result<&Kit> {
        self.kits.iter().find(|kit| kit.arch == arch).context("nothing was gathered for this machine")
    }

    /// As many machines at a time as there are processors: one test of each seldom has work for two.
    pub fn kernels(&self, wanted: &[Wanted]) -> Result<Vec<Report>> {
        let kernels: Vec<Kernel> =
            wanted.iter().map(|wanted| self.kit(wanted.arch)?.store.get(wanted)).collect::<Result<_>>()?;
        let at_once = thread::available_parallelism()?.get().min(kernels.len());
        let next = AtomicUsize::new(0);
        let reports = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(kernel) = kernels.get(index) else { break };
                        let report = self.kernel(kernel, self.share(index, &kernels));
                        reports.lock().unwrap_or_else(PoisonError::into_inner).insert(index, report);
                    }
                });
            }
        });
        reports.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    fn share(&self, index: usize, kernels: &[Kernel]) -> Share {
        if self.args.brief { share(index, kernels, &self.matrix.brief) } else { Share::default() }
    }

    fn kernel(&self, kernel: &Kernel, share: Share) -> Result<Report> {
        let kit = self.kit(kernel.arch)?;
        let modules = modules::collect(&kernel.modules, &self.matrix.modules)?;
        let mut plan = kit.base.plan.clone();
        plan.modules = modules.iter().map(image::module_path).collect();
        plan.cannot = self.matrix.cannot(&kernel.name, self.args.brief);
        plan.share = share;
        if plan.filter.is_empty() {
            plan.only.clone_from(&kernel.tests);
        }
        let initramfs = self.directory.join(format!("{}.cpio", kernel.name));
        fs::write(&initramfs, kit.base.archive(&modules, &plan)?)?;
        let start = Instant::now();
        let mut report = self.boot(kernel, &initramfs)?;
        if !report.alive {
            println!("{:<10} no sign of life, which may be the emulator's fault: once more", kernel.name);
            for problem in &report.problems {
                println!("{:<10} {problem}", kernel.name);
            }
            report = self.boot(kernel, &initramfs)?;
        }
        fs::remove_file(&initramfs)?;
        println!("{:<10} took {:.0} s", kernel.name, start.elapsed().as_secs_f64());
        Ok(report)
    }

    fn boot(&self, kernel: &Kernel, initramfs: &Path) -> Result<Report> {
        println!("{:<10} starting {}", kernel.name, kernel.release);
        let console = self.directory.join(format!("{}.console.log", kernel.name));
        let machine = Machine {
            arch: kernel.arch,
            accel: self.kit(kernel.arch)?.accel,
            image: &kernel.image,
            initramfs,
            console: &console,
            limit: Duration::from_secs(self.args.limit),
            append: &self.args.append,
        };
        let mut report = Report::new(&kernel.name, self.args.verbose);
        let silence = Duration::from_secs(self.args.test_limit + 60);
        let end = machine.run(silence, |line| report.line(line))?;
        // QEMU succeeds whatever happens inside: only the machine's own word counts.
        if !report.done {
            let how = match end {
                End::Exited => "crashed",
                End::TooLong => "took too long",
                End::Silent => "went silent",
            };
            let last = last_lines(&console, CONSOLE_LINES);
            report.problems.push(format!("the machine {how}; its kernel's last messages:\n{last}"));
        }
        Ok(report)
    }
}

/// Kernels that have tests of their own leave the others to the rest.
fn share(index: usize, kernels: &[Kernel], Brief { one_in, everywhere }: &Brief) -> Share {
    let sharing = |kernels: &[Kernel]| {
        u32::try_from(kernels.iter().filter(|kernel| kernel.tests.is_empty()).count()).unwrap_or(u32::MAX)
    };
    let (before, rest) = kernels.split_at(index);
    if rest.first().is_none_or(|kernel| !kernel.tests.is_empty()) {
        return Share::default();
    }
    let kernels = sharing(kernels);
    Share { number: sharing(before), kernels, of: kernels * one_in, everywhere: everywhere.clone() }
}

fn last_lines(file: &Path, count: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_with_tests_of_its_own_has_no_share_of_the_others() {
        let kernel = |name: &str, tests: &[&str]| Kernel {
            name: name.to_owned(),
            arch: Arch::X86_64,
            release: String::new(),
            image: PathBuf::new(),
            modules: PathBuf::new(),
            tests: tests.iter().map(ToString::to_string).collect(),
        };
        let kernels = [kernel("6.1", &[]), kernel("arm", &["binds"]), kernel("newest", &[])];
        let shares: Vec<(u32, u32)> = (0..3)
            .map(|index| share(index, &kernels, &Brief { one_in: 1, everywhere: Vec::new() }))
            .map(|Share { number, of, .. }| (number, of))
            .collect();
        assert_eq!(shares, [(0, 2), (0, 0), (1, 2)]);
    }
}
