//! Programs on interfaces: TCX links where the kernel has them (6.6), filters of the clsact qdisc elsewhere.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcError};
use aya::programs::{Link as _, ProgramError, SchedClassifier, TcAttachType, tc};
use aya_obj::generated::bpf_attach_type;

use super::{
    ControlError,
    error::Context as _,
    features::has_tcx,
    pins::{self, Pins, create_directory, names_in},
    place::{Direction, Place, Slot},
    programs::Programs,
    qdisc,
    sys::{self, Order, Target},
};

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By links.
    Tcx,
    /// By filters.
    Clsact,
}

impl Method {
    /// The better one of those this kernel has.
    pub fn detect() -> Self {
        if has_tcx() { Self::Tcx } else { Self::Clsact }
    }
}

/// Where programs are at present, according to the pin directory.
pub fn places(pins: &Pins) -> Result<Vec<Place>, ControlError> {
    let directory = pins.tc();
    let entries = names_in(&directory).context(|| format!("read {}", directory.display()))?;
    Ok(entries.iter().filter_map(|name| Place::parse(name)).collect())
}

/// Makes sure that a program is at its place. Returns whether it was not.
pub fn attach(pins: &Pins, programs: &Programs, method: Method, place: &Place) -> Result<bool, ControlError> {
    match method {
        Method::Tcx => attach_link(pins, programs, place),
        Method::Clsact => attach_filter(pins, programs, place),
    }
}

/// Puts the present version of a program in the place of an earlier one.
pub fn replace(pins: &Pins, programs: &Programs, place: &Place) -> Result<(), ControlError> {
    if pin(pins, place).is_dir() {
        attach_filter(pins, programs, place).map(drop)
    } else {
        update_link(pins, programs, place).map(drop)
    }
}

/// Takes a program away, and the qdisc with the last one if berth made it. What has vanished with its interface is no
/// error.
pub fn detach(pins: &Pins, place: &Place) -> Result<(), ControlError> {
    let path = pin(pins, place);
    if path.is_dir() {
        remove_filter(place)?;
        pins::remove(&path)?;
        if !places(pins)?.iter().any(|other| other.ifindex == place.ifindex) {
            remove_qdisc(pins, place.ifindex)?;
        }
        return Ok(());
    }
    if let Ok(link) = sys::open(&path) {
        // Unpinning would detach too, but later, when the kernel gets round to it.
        match sys::detach_link(link.as_fd()) {
            Err(error) if !is_dead(&error) => {
                return Err(error).context(|| format!("detach {}", path.display()));
            }
            _ => {}
        }
    }
    pins::remove(&path)
}

/// How the program at a place is attached, and whether it still is: others can take filters away, and what is attached
/// goes with its interface.
pub fn state(pins: &Pins, place: &Place) -> Result<(Method, bool), ControlError> {
    let path = pin(pins, place);
    let what = || format!("look at {}", path.display());
    if path.is_dir() {
        for (priority, handle) in place.slots() {
            let slot = (priority, handle.into());
            if qdisc::has_filter(place.ifindex, place.direction, slot).context(what)? {
                return Ok((Method::Clsact, true));
            }
        }
        return Ok((Method::Clsact, false));
    }
    let link = sys::open(&path).context(what)?;
    Ok((Method::Tcx, sys::is_attached(link.as_fd()).context(what)?))
}

fn pin(pins: &Pins, place: &Place) -> PathBuf {
    pins.tc().join(place.name())
}

fn attach_link(pins: &Pins, programs: &Programs, place: &Place) -> Result<bool, ControlError> {
    if update_link(pins, programs, place)? {
        return Ok(false);
    }
    let program = programs.get(&place.program).ok_or(ControlError::Incomplete("TC program"))?;
    let attach_type = match place.direction {
        Direction::In => bpf_attach_type::BPF_TCX_INGRESS,
        Direction::Out => bpf_attach_type::BPF_TCX_EGRESS,
    };
    let path = pin(pins, place);
    let what = || format!("attach {} to interface {}", place.program, place.ifindex);
    let neighbour = living_neighbour(pins, place).context(what)?;
    let order = match &neighbour {
        Some((link, true)) => Order::Before(link.as_fd()),
        Some((link, false)) => Order::After(link.as_fd()),
        None => Order::First,
    };
    let link =
        sys::create_link(program, Target::Interface(place.ifindex, order), attach_type).context(what)?;
    sys::pin(link.as_fd(), &path).context(|| format!("pin {}", path.display()))?;
    Ok(true)
}

/// The link of the other one of a pair, if it is attached, and whether this one comes before it.
fn living_neighbour(pins: &Pins, place: &Place) -> io::Result<Option<(OwnedFd, bool)>> {
    let Some((other, is_first)) = place.neighbour() else {
        return Ok(None);
    };
    let link = match sys::open(&pin(pins, &other)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    Ok(sys::is_attached(link.as_fd())?.then_some((link, is_first)))
}

/// Returns whether there is a living link.
fn update_link(pins: &Pins, programs: &Programs, place: &Place) -> Result<bool, ControlError> {
    let path = pin(pins, place);
    let link = match sys::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.context(|| format!("open {}", path.display()))?,
    };
    let program = programs.get(&place.program).ok_or(ControlError::Incomplete("TC program"))?;
    match sys::update_link(link.as_fd(), program) {
        // The interface has vanished, and another may have got its index.
        Err(error) if is_dead(&error) => pins::remove(&path).map(|()| false),
        updated => updated.context(|| format!("replace {}", path.display())).map(|()| true),
    }
}

fn is_dead(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOLINK)
}

fn attach_filter(pins: &Pins, programs: &Programs, place: &Place) -> Result<bool, ControlError> {
    let what = || format!("attach {} to interface {}", place.program, place.ifindex);
    let name = interface_name(place.ifindex).context(what)?;
    add_qdisc(pins, place.ifindex, &name)?;

    // The marker first: a filter that nothing remembers would stay for ever.
    let path = pin(pins, place);
    let known = path.is_dir();
    create_directory(&path)?;
    let replaced = put_filter(programs, place, &name, true);
    let put = match replaced {
        Ok(()) => return Ok(!known),
        Err(_) => put_filter(programs, place, &name, false),
    };
    if put.is_err() && !known {
        pins::remove(&path)?;
    }
    put.context(what).map(|()| true)
}

/// Either takes the place of the filter with its priority and handle, or must be the first.
fn put_filter(programs: &Programs, place: &Place, interface: &str, replacing: bool) -> io::Result<()> {
    let mut program = SchedClassifier::from_pin(programs.path(&place.program)).map_err(from_program)?;
    let id = if replacing {
        let present = present_filter(place, place.slot(), interface)?;
        program.attach_to_link(present)
    } else {
        let (priority, handle) = place.slot();
        let options = NlOptions { priority, handle, classid: None };
        program.attach_with_options(
            interface,
            attach_type(place.direction),
            TcAttachOptions::Netlink(options),
        )
    };
    let link = program.take_link(id.map_err(from_program)?).map_err(from_program)?;
    // Dropping it would remove the filter.
    std::mem::forget(link);
    Ok(())
}

fn remove_filter(place: &Place) -> Result<(), ControlError> {
    let Ok(name) = interface_name(place.ifindex) else {
        return Ok(());
    };
    let what = || format!("detach {} from interface {name}", place.program);
    for slot in place.slots() {
        match present_filter(place, slot, &name).context(what)?.detach().map_err(from_program) {
            // The filter, or with the qdisc all filters, were removed by somebody else; or the interface just now.
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL | libc::ENODEV)) => {}
            detached => detached.context(what)?,
        }
    }
    Ok(())
}

fn present_filter(
    place: &Place,
    (priority, handle): Slot,
    interface: &str,
) -> io::Result<SchedClassifierLink> {
    SchedClassifierLink::attached(interface, attach_type(place.direction), priority, handle, None)
}

fn add_qdisc(pins: &Pins, ifindex: u32, interface: &str) -> Result<(), ControlError> {
    match tc::qdisc_add_clsact(interface).map_err(from_tc) {
        Ok(()) => create_directory(&qdisc_marker(pins, ifindex)),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        Err(error) => Err(error).context(|| format!("add the clsact qdisc to {interface}")),
    }
}

fn remove_qdisc(pins: &Pins, ifindex: u32) -> Result<(), ControlError> {
    let marker = qdisc_marker(pins, ifindex);
    if !marker.is_dir() {
        return Ok(());
    }
    if interface_name(ifindex).is_ok() {
        qdisc::remove_if_unused(ifindex)
            .context(|| format!("remove the clsact qdisc of interface {ifindex}"))?;
    }
    pins::remove(&marker)
}

fn qdisc_marker(pins: &Pins, ifindex: u32) -> PathBuf {
    pins.tc().join(format!("{ifindex}-qdisc"))
}

const fn attach_type(direction: Direction) -> TcAttachType {
    match direction {
        Direction::In => TcAttachType::Ingress,
        Direction::Out => TcAttachType::Egress,
    }
}

fn interface_name(ifindex: u32) -> io::Result<String> {
    let name = nix::net::if_::if_indextoname(ifindex)?;
    // What the library says of an index that no interface has.
    if name.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENXIO));
    }
    name.into_string().map_err(io::Error::other)
}

fn from_program(error: ProgramError) -> io::Error {
    match error {
        ProgramError::TcError(error) => from_tc(error),
        ProgramError::NetlinkError(error) => from_tc(TcError::NetlinkError(error)),
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}

fn from_tc(error: TcError) -> io::Error {
    let number = match &error {
        TcError::NetlinkError(inner) => inner.raw_os_error(),
        TcError::IoError(inner) => inner.raw_os_error(),
        _ => None,
    };
    number.map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_no_interface_has_no_name() {
        assert_eq!(interface_name(1).unwrap(), "lo");
        assert_eq!(interface_name(0x7fff_ffff).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }
}
