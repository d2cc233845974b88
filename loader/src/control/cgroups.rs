//! Programs on cgroups.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use aya_obj::generated::bpf_attach_type;

use super::{
    ControlError,
    error::Context as _,
    pins::{self, Pins, create_directory, names_in},
    programs::Programs,
    sys::{self, Target},
};

/// Level and id of the root of the hierarchy, which is no container's.
pub const ROOT: (u32, u64) = (0, 1);

/// Makes sure that these programs are on the cgroup. They run for its descendants too.
pub fn attach<'a>(
    pins: &Pins,
    programs: impl Iterator<Item = (&'static str, BorrowedFd<'a>, bpf_attach_type)>,
    directory: &Path,
    (level, id): (u32, u64),
) -> Result<(), ControlError> {
    let links = pins.cgroup(level, id);
    create_directory(&links)?;
    let cgroup = File::open(directory).context(|| format!("open {}", directory.display()))?;
    for (name, program, attach_type) in programs {
        let path = links.join(name);
        if path.exists() {
            continue;
        }
        let link = sys::create_link(program, Target::Cgroup(cgroup.as_fd()), attach_type)
            .context(|| format!("attach {name} to {}", directory.display()))?;
        sys::pin(link.as_fd(), &path).context(|| format!("pin {}", path.display()))?;
    }
    Ok(())
}

/// Takes all programs from the cgroup. It may be gone already.
pub fn detach(pins: &Pins, (level, id): (u32, u64)) -> Result<(), ControlError> {
    let links = pins.cgroup(level, id);
    for name in names_in(&links).context(|| format!("read {}", links.display()))? {
        remove_link(&links.join(name))?;
    }
    pins::remove(&links)
}

/// Has the cgroup's links run the present programs, and no others. Programs that there were not before are put on with
/// the container's next update, and on the root by whoever takes over.
pub fn replace(pins: &Pins, programs: &Programs, (level, id): (u32, u64)) -> Result<(), ControlError> {
    let links = pins.cgroup(level, id);
    for name in names_in(&links).context(|| format!("read {}", links.display()))? {
        let path = links.join(&name);
        let Some(program) = programs.get(&name) else {
            remove_link(&path)?;
            continue;
        };
        let link = sys::open(&path).context(|| format!("open {}", path.display()))?;
        match sys::update_link(link.as_fd(), program) {
            // The cgroup is gone. Its container's next change clears up.
            Err(error) if is_dead(&error) => return Ok(()),
            updated => updated.context(|| format!("replace {}", path.display()))?,
        }
    }
    Ok(())
}

fn remove_link(path: &Path) -> Result<(), ControlError> {
    let link = sys::open(path).context(|| format!("open {}", path.display()))?;
    // Unpinning would detach too, but later, when the kernel gets round to it.
    match sys::detach_link(link.as_fd()) {
        Err(error) if !is_dead(&error) => {
            return Err(error).context(|| format!("detach {}", path.display()));
        }
        _ => {}
    }
    pins::remove(path)
}

fn is_dead(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOLINK)
}
