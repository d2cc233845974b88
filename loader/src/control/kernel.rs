//! Everything of one berth instance in the kernel: loading, taking over, taking down.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aya::programs::SchedClassifier;
use berth_common::abi::{
    VERSION,
    config::Config,
    names,
    units::{ContainerId, Nanos},
};

use super::{
    ControlError, Pinned, Policy, Sizes, bpffs,
    btf::Offsets,
    cgroups,
    error::Context as _,
    features,
    guarantees::Shares,
    maps::{self, Maps},
    members::{self, Members},
    object::{self, Object},
    pins::{self, Pins, lock},
    programs::Programs,
    tc::{self, Method},
};

/// Everything of one berth instance in the kernel, under one pin directory. It stays there when this is dropped.
///
/// Which container has which cgroups and interfaces is read from the kernel, so a value that another process made can
/// be carried on with. All calls are to be made from a thread in the node's network namespace.
pub struct Kernel {
    pub(super) pins: Pins,
    pub(super) maps: Maps,
    pub(super) programs: Programs,
    pub(super) control: SchedClassifier,
    /// Whether the control program goes through tables by itself.
    pub(super) calls_back: bool,
    pub(super) method: Method,
    pub(super) members: HashMap<ContainerId, Members>,
    /// Nothing until it is known who is guaranteed what.
    pub(super) shares: Option<Shares>,
}

impl Kernel {
    /// What is in a pin directory.
    pub fn pinned(pin_dir: &Path) -> Result<Pinned, ControlError> {
        Pins::new(pin_dir).found()
    }

    /// Makes the maps, loads the programs and pins both. Fails if something is pinned there already; leaves nothing
    /// behind when it fails.
    pub fn load(pin_dir: &Path, sizes: &Sizes, object: &Object) -> Result<Self, ControlError> {
        bpffs::check(pin_dir)?;
        let pins = Pins::new(pin_dir);
        if let Some(parent) = pin_dir.parent() {
            pins::create_directory(parent)?;
        }
        let _lock = lock(&pins)?;
        match pins.found()? {
            Pinned::Nothing => {}
            Pinned::Berth { .. } => return Err(ControlError::AlreadyLoaded(pin_dir.to_owned())),
            Pinned::Foreign => return Err(ControlError::Foreign(pin_dir.to_owned())),
        }
        let draft = pins.draft();
        pins::remove(draft.root())?;
        let made = make(&draft, sizes, object).and_then(|()| {
            std::fs::rename(draft.root(), pins.root())
                .context(|| format!("put the pins in place at {}", pin_dir.display()))
        });
        if let Err(error) = made {
            // What is in the way of that is of less interest.
            let _ = pins::remove(draft.root());
            return Err(error);
        }
        let programs = pins.programs(object.digest());
        let mut kernel = Self::open(pins, &programs)?;
        kernel.provide_flows()?;
        Ok(kernel)
    }

    /// Takes over what is pinned. If the programs are not those of the object, they are replaced in their links,
    /// without a gap. If that fails, those that are there stay in force.
    pub fn adopt(pin_dir: &Path, object: &Object) -> Result<Self, ControlError> {
        let pins = Pins::new(pin_dir);
        pins.require()?;
        let _lock = lock(&pins)?;
        // Somebody else may have had the lock, and taken it all down.
        pins.require()?;
        pins.check_maps()?;
        replace_programs(&pins, object)?;
        let programs = pins.programs(object.digest());
        Self::open(pins, &programs)
    }

    /// Works with what is pinned, whichever berth's programs those are: replacing them is for those who put things in
    /// force.
    pub fn join(pin_dir: &Path) -> Result<Self, ControlError> {
        let pins = Pins::new(pin_dir);
        pins.require()?;
        let _lock = lock(&pins)?;
        // As in `adopt`.
        pins.require()?;
        pins.check_maps()?;
        let own = pins.programs(Object::embedded().digest());
        let programs = if own.is_dir() { Some(own.clone()) } else { newest(&pins)? };
        let damaged = || ControlError::Damaged { directory: pins.root().to_owned(), missing: own };
        let programs = programs.ok_or_else(damaged)?;
        Self::open(pins, &programs)
    }

    /// Detaches and unpins all that is in the pin directory, whatever version of berth made it. Nothing there is no
    /// error.
    pub fn down(pin_dir: &Path) -> Result<(), ControlError> {
        let pins = Pins::new(pin_dir);
        // Left by a process that was killed while it put things together.
        let draft = pins.draft();
        match (pins.found()?, draft.found()?) {
            (Pinned::Foreign, _) => return Err(ControlError::Foreign(pin_dir.to_owned())),
            (Pinned::Nothing, Pinned::Nothing | Pinned::Foreign) => return Ok(()),
            (Pinned::Berth { .. }, _) | (_, Pinned::Berth { .. }) => {}
        }
        let _lock = lock(&pins)?;
        // Where another process has taken it all down meanwhile, there is nothing left to find.
        for place in tc::places(&pins)? {
            tc::detach(&pins, &place)?;
        }
        for cgroup in pins.attached_cgroups()? {
            cgroups::detach(&pins, cgroup)?;
        }
        if matches!(draft.found()?, Pinned::Berth { .. }) {
            clear(&draft)?;
        }
        clear(&pins)
    }

    /// Sets what all programs share.
    pub fn configure(&mut self, policy: &Policy) -> Result<(), ControlError> {
        let &Policy { netns_cookie, drop_unowned, keep_verdicts, fastpath, tcp, mark_mask } = policy;
        let offsets = Offsets::of_kernel()?;
        self.change_config(|config| {
            config.abi = VERSION;
            config.unowned = if drop_unowned { Config::UNOWNED_DROP } else { Config::UNOWNED_PASS };
            config.netns = netns_cookie;
            config.sock_net_offset = offsets.sock_net;
            config.net_cookie_offset = offsets.net_cookie;
            config.ipv6only_bit = offsets.ipv6only_bit;
            config.mark_mask = mark_mask;
            config.mark_shift = mark_mask.trailing_zeros();
            config.keep_verdicts = u32::from(keep_verdicts);
            config.nat = config.nat & !Config::FAST | if fastpath { Config::FAST } else { 0 };
            config.tcp = tcp;
        })
    }

    /// What the maps were made to hold.
    pub fn sizes(&self) -> Result<Sizes, ControlError> {
        let entries = |name| {
            maps::open(&self.pins, name)?
                .info()
                .map(|info| info.max_entries())
                .map_err(ControlError::map(name, "inspect"))
        };
        Ok(Sizes {
            flows: self.maps.config.get()?.flows.slots,
            ports: entries("PORTS")?,
            containers: self.maps.containers.len().saturating_sub(1),
            guards: entries("BUCKETS")?,
            events_bytes: entries("EVENTS")?,
        })
    }

    /// Now, by the clock that flows and events are stamped with.
    pub fn now() -> Nanos {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a live local variable. The call cannot fail: the clock exists since Linux 2.6.32.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
        let nanoseconds = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        Nanos(u64::try_from(nanoseconds).unwrap_or(0))
    }

    pub(super) fn change_config(&mut self, change: impl FnOnce(&mut Config)) -> Result<(), ControlError> {
        let before = self.maps.config.get()?;
        let mut after = before;
        change(&mut after);
        if after == before {
            return Ok(());
        }
        self.maps.config.set(after)
    }

    fn open(pins: Pins, programs: &Path) -> Result<Self, ControlError> {
        let programs = Programs::open(programs)?;
        let maps = Maps::open(&pins)?;
        let control = SchedClassifier::from_pin(programs.path(names::CONTROL))
            .map_err(std::io::Error::other)
            .context(|| format!("open program {}", names::CONTROL))?;
        let info = control
            .info()
            .map_err(std::io::Error::other)
            .context(|| format!("inspect program {}", names::CONTROL))?;
        Ok(Self {
            members: members::read(&pins, &maps)?,
            shares: None,
            method: Method::detect(),
            // As it was when it was loaded; the JIT may have been switched since.
            calls_back: info.size_jitted() > 0,
            pins,
            maps,
            programs,
            control,
        })
    }
}

/// Puts everything together that does not depend on containers or uplinks.
fn make(draft: &Pins, sizes: &Sizes, object: &Object) -> Result<(), ControlError> {
    let btf = object::kernel_btf()?;
    features::require(&btf, draft.root())?;
    draft.create(object.digest())?;
    let mut ebpf = object.open(draft, sizes, &btf, features::constants())?;
    draft.check_maps()?;
    let directory = draft.programs(object.digest());
    Programs::load(&mut ebpf, &btf, &directory, || object.sources())?;
    Ok(())
}

/// Has all links run the object's programs, unless they do.
fn replace_programs(pins: &Pins, object: &Object) -> Result<(), ControlError> {
    let present = pins.programs(object.digest());
    let draft = pins.programs_draft();
    let others: Vec<_> =
        pins.program_directories()?.into_iter().filter(|directory| *directory != present).collect();
    if !present.is_dir() {
        put_in_force(pins, object, &draft, &present)?;
    } else if draft.is_dir() || !others.is_empty() {
        // Another version was killed while it put its own programs in the place of these.
        run_everywhere(pins, &Programs::open(&present)?)?;
        pins::remove(&draft)?;
    }
    for directory in others {
        discard_programs(pins, &directory)?;
    }
    Ok(())
}

/// Gets rid of programs that no link runs any more. Under their own name they are there as a whole or not at all.
fn discard_programs(pins: &Pins, directory: &Path) -> Result<(), ControlError> {
    let discarded = pins.programs_discarded();
    pins::remove(&discarded)?;
    std::fs::rename(directory, &discarded).context(|| format!("set {} aside", directory.display()))?;
    pins::remove(&discarded)
}

/// Loads the object's programs at `draft` and has all links run them. They are at `present` when that is done.
fn put_in_force(pins: &Pins, object: &Object, draft: &Path, present: &Path) -> Result<(), ControlError> {
    let new = match load_beside(pins, object, draft) {
        Ok(new) => new,
        Err(error) => {
            pins::remove(draft)?;
            return Err(error);
        }
    };
    if let Err(error) = run_everywhere(pins, &new) {
        // Back to the programs that were there: a mixture of versions is nobody's choice.
        if let Some(old) = newest(pins)? {
            run_everywhere(pins, &Programs::open(&old)?)?;
        }
        pins::remove(draft)?;
        return Err(error);
    }
    std::fs::rename(draft, present).context(|| format!("put {} in place", present.display()))
}

/// Loads the object's programs at `draft`, for the maps that are there.
fn load_beside(pins: &Pins, object: &Object, draft: &Path) -> Result<Programs, ControlError> {
    pins::remove(draft)?;
    let btf = object::kernel_btf()?;
    features::require(&btf, pins.root())?;
    pins::create_directory(draft)?;
    // The maps are all there, so their sizes are not asked for.
    let mut ebpf = object.open(pins, &Sizes::default(), &btf, features::constants())?;
    Programs::load(&mut ebpf, &btf, draft, || object.sources())
}

fn run_everywhere(pins: &Pins, programs: &Programs) -> Result<(), ControlError> {
    for place in tc::places(pins)? {
        tc::replace(pins, programs, &place)?;
    }
    for cgroup in pins.attached_cgroups()? {
        cgroups::replace(pins, programs, cgroup)?;
    }
    Ok(())
}

fn newest(pins: &Pins) -> Result<Option<PathBuf>, ControlError> {
    Ok(pins.program_directories()?.into_iter().next())
}

/// Unpins everything, the marker of the version last: as long as there is anything, it says whose it is.
fn clear(pins: &Pins) -> Result<(), ControlError> {
    let root = pins.root();
    let entries = pins::names_in(root).context(|| format!("read {}", root.display()))?;
    let (markers, rest): (Vec<_>, Vec<_>) = entries.iter().partition(|name| name.starts_with("abi-"));
    for name in rest.into_iter().chain(markers) {
        pins::remove(&root.join(name))?;
    }
    pins::remove(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<Kernel>();
    }

    #[test]
    fn the_clock_runs() {
        assert!(Kernel::now().0 > 0);
    }
}
