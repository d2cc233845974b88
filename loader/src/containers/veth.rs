//! The node's ends of a container's veth pairs.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage},
    nsid::{NsidAttribute, NsidMessage},
};

use super::{
    ContainersError, Link,
    error::Context as _,
    link::from_message,
    netlink::{link_messages, request},
    netns::{inside, open},
};

/// The interfaces of the calling thread's network namespace whose other ends are in that of process `pid`.
pub fn host_ends(pid: u32) -> Result<Vec<Link>, ContainersError> {
    let namespace = open(pid)?;
    let theirs =
        inside(&namespace, link_messages).context(|| format!("list the interfaces of process {pid}"))?;
    let ours = link_messages().context(|| "list the interfaces".to_owned())?;
    // Asked after listing: the kernel numbers a namespace when it first reports a link that leads there.
    let number =
        number_of(&namespace).context(|| format!("find the network namespace of process {pid} from here"))?;
    let ends = pairs(&ours, &theirs, number);
    if ends.is_empty() {
        return Err(ContainersError::NoHostInterface { pid });
    }
    Ok(ends)
}

/// Interface indices repeat from namespace to namespace, so both ends have to name each other, and ours their
/// namespace.
fn pairs(ours: &[LinkMessage], theirs: &[LinkMessage], number: Option<i32>) -> Vec<Link> {
    ours.iter()
        .filter(|our| {
            let Some((peer, Some(namespace))) = veth_peer(our) else {
                return false;
            };
            Some(namespace) == number
                && theirs.iter().any(|their| {
                    their.header.index == peer
                        && veth_peer(their).is_some_and(|(index, _)| index == our.header.index)
                })
        })
        .filter_map(from_message)
        .collect()
}

/// Index of a veth's other end, and the number of the namespace that is in, if it is another.
fn veth_peer(message: &LinkMessage) -> Option<(u32, Option<i32>)> {
    let (mut peer, mut namespace, mut veth) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Link(index) => peer = Some(*index),
            LinkAttribute::LinkNetNsId(number) => namespace = Some(*number),
            LinkAttribute::LinkInfo(infos) => {
                veth = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Veth)));
            }
            _ => {}
        }
    }
    veth.then_some((peer?, namespace))
}

/// The number that the calling thread's network namespace has for another; none if no link leads there.
fn number_of(namespace: &File) -> io::Result<Option<i32>> {
    let descriptor = u32::try_from(namespace.as_raw_fd()).map_err(io::Error::other)?;
    let mut question = NsidMessage::default();
    question.attributes.push(NsidAttribute::Fd(descriptor));
    let answers = request(libc::NETLINK_ROUTE, RouteNetlinkMessage::GetNsId(question))?;
    Ok(answers.iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewNsId(message) => {
            message.attributes.iter().find_map(|attribute| match attribute {
                NsidAttribute::Id(number) if *number >= 0 => Some(*number),
                _ => None,
            })
        }
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::link::LinkLayerType;

    use super::*;

    fn veth(index: u32, peer: u32, namespace: i32) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.attributes = vec![
            LinkAttribute::IfName(format!("v{index}")),
            LinkAttribute::Link(peer),
            LinkAttribute::LinkNetNsId(namespace),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
        ];
        message
    }

    #[test]
    fn ends_must_name_each_other() {
        let theirs = [veth(2, 7, 0), veth(3, 9, 0)];
        let ours = [
            veth(7, 2, 5),
            // The same peer index, but in another container.
            veth(8, 2, 6),
            // Its peer leads elsewhere.
            veth(4, 3, 5),
        ];
        let names: Vec<_> = pairs(&ours, &theirs, Some(5)).into_iter().map(|link| link.name).collect();
        assert_eq!(names, ["v7"]);
        assert!(pairs(&ours, &theirs, None).is_empty());
    }
}
