//! Programs of others on interfaces that berth has programs on: they see packets before its own, or after them.

use std::collections::HashMap;

use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType, loaded_programs};
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};
use nix::net::if_::if_indextoname;

use super::{Direction, place, qdisc};
use crate::containers::netlink::link_messages;

/// With what the names of berth's own begin.
const OURS: &str = "berth_";

/// A program of somebody else's, or a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The interface's name.
    pub interface: String,
    /// Where it is there.
    pub hook: &'static str,
    /// Its name, or what kind of filter it is.
    pub program: String,
}

/// Those that there are on these interfaces. What cannot be looked at is left out.
pub fn others(interfaces: &[u32]) -> Vec<Other> {
    let links = link_messages().unwrap_or_default();
    let names: HashMap<u32, String> =
        loaded_programs().flatten().map(|program| (program.id(), title(&program))).collect();
    let there = interfaces.iter().filter_map(|&index| Some((index, if_indextoname(index).ok()?)));
    there.flat_map(|(index, name)| on_interface(index, &name.to_string_lossy(), &links, &names)).collect()
}

fn on_interface(
    index: u32,
    interface: &str,
    links: &[LinkMessage],
    names: &HashMap<u32, String>,
) -> Vec<Other> {
    let ids = links.iter().filter(|link| link.header.index == index).filter_map(xdp);
    let xdp = ids.map(|id| ("xdp", names.get(&id).cloned().unwrap_or_else(|| numbered(id))));
    let mut found: Vec<_> = xdp.collect();
    for (direction, hook) in [(TcAttachType::Ingress, "tcx ingress"), (TcAttachType::Egress, "tcx egress")] {
        // Kernels before 6.6 have none.
        let attached = SchedClassifier::query_tcx(interface, direction);
        let programs = attached.map(|(_, programs)| programs).unwrap_or_default();
        found.extend(programs.iter().map(|program| (hook, title(program))));
    }
    for (direction, hook) in [(Direction::In, "filter ingress"), (Direction::Out, "filter egress")] {
        let filters = qdisc::kinds(index, direction, |handle| !place::is_ours(handle));
        found.extend(filters.unwrap_or_default().into_iter().map(|kind| (hook, kind)));
    }
    found.retain(|(_, program)| !program.starts_with(OURS));
    let other = |(hook, program)| Other { interface: interface.to_owned(), hook, program };
    found.into_iter().map(other).collect()
}

fn title(program: &ProgramInfo) -> String {
    match program.name_as_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => numbered(program.id()),
    }
}

fn numbered(id: u32) -> String {
    format!("program {id}")
}

/// The id of the XDP program on a link.
fn xdp(link: &LinkMessage) -> Option<u32> {
    let attributes = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::Xdp(xdp) => Some(xdp),
        _ => None,
    });
    attributes.flatten().find_map(|attribute| match attribute {
        // Where there are several ways to attach one, of one of them.
        LinkXdp::ProgId(id) | LinkXdp::DrvProgId(id) | LinkXdp::SkbProgId(id) | LinkXdp::HwProgId(id)
            if *id != 0 =>
        {
            Some(*id)
        }
        _ => None,
    })
}
