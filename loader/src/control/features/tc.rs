//! The ways to keep programs on interfaces.

use std::io;
use std::os::fd::AsRawFd as _;
use std::thread;

use aya::programs::tc;
use aya_obj::generated::{bpf_attach_type, bpf_prog_type};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};
use nix::sched::{CloneFlags, unshare};

use super::{Presence, code::Code};
use crate::containers::netlink;
use crate::control::sys::{self, Kind};

/// Whether there is TCX.
pub fn has_tcx() -> bool {
    knows(bpf_attach_type::BPF_TCX_INGRESS)
}

/// Whether the kernel knows a way to attach programs to interfaces: then it misses the interface that is asked for.
pub fn knows(attach_type: bpf_attach_type) -> bool {
    let answer = sys::query_no_interface(attach_type);
    answer.err().and_then(|error| error.raw_os_error()) == Some(libc::ENODEV)
}

/// Whether there are clsact qdiscs, and filters on them that are programs. Tried on the loopback of a network namespace
/// that ends with the attempt.
pub fn clsact() -> Presence {
    let attempt = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| Presence::Unknown(error.to_string()))?;
        let absent = |what: &str, error: io::Error| Presence::Absent(format!("{what}: {error}"));
        tc::qdisc_add_clsact("lo").map_err(|error| absent("no clsact qdisc", io::Error::other(error)))?;
        add_filter().map_err(|error| absent("no programs as filters (cls_bpf)", error))
    });
    match attempt.join() {
        Ok(Ok(())) => Presence::Present(None),
        Ok(Err(presence)) => presence,
        Err(_) => Presence::Unknown("the attempt broke off".to_owned()),
    }
}

/// Puts a program that does nothing on `lo`, which is always the first interface.
fn add_filter() -> io::Result<()> {
    const LOOPBACK: i32 = 1;
    /// Parent of filters on what comes in (linux/pkt_sched.h, `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`).
    const INGRESS: u32 = 0xffff_fff2;

    let kind = Kind { program: bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, attach: None, function: 0 };
    let program = sys::load(kind, &Code::new().end(0))?;
    let mut filter = TcMessage::default();
    filter.header.index = LOOPBACK;
    filter.header.parent = TcHandle::from(INGRESS);
    // The priority, and all protocols.
    filter.header.info =
        1 << 16 | u32::from(u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be());
    filter.attributes.push(TcAttribute::Kind("bpf".to_owned()));
    let options = [
        TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned()),
        TcFilterBpfOption::ProgName("berth_trial".to_owned()),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ];
    filter.attributes.push(TcAttribute::Options(options.map(TcOption::Bpf).into()));
    netlink::create(libc::NETLINK_ROUTE, RouteNetlinkMessage::NewTrafficFilter(filter)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_no_kernel_has_is_not_known() {
        assert!(!knows(bpf_attach_type::__MAX_BPF_ATTACH_TYPE));
    }
}
