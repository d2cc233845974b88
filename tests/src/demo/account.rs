//! Whether it all adds up.

use anyhow::Result;

use super::console::Console;
use super::stage::Stage;
use crate::bpf::counter::{Place, Tally};
use crate::leaks::{Objects, qdiscs};
use crate::topology::UPLINK;
use crate::view::{Both, Traffic};
use crate::wait::{self, LIMIT};
use crate::{Berth, Endpoint as _, Pair, Topology};

/// Where the account starts: a counter that owes berth nothing, and what berth had counted when that was put there.
pub struct Opening {
    counters: Pair,
    counted: (Both, Both),
}

impl Opening {
    /// Puts the counters at the uplink, before berth's programs: they see what berth sees.
    pub fn take(topology: &Topology, berth: &Berth) -> Result<Self> {
        let counters = Pair::attach(topology.node.netns(), UPLINK, Place::First)?;
        let counted = settled(&counters, berth)?;
        Ok(Self { counters, counted })
    }
}

/// Berth's account of all acts.
pub fn settle(console: &mut Console, stage: &mut Stage) -> Result<()> {
    stage.show(console, &["status"])?;
    stage.show_some(console, &["container", "show", "app"], |_| true)?;
    stage.show(console, &["events", "--last", "20"])?;
    let status = stage.berth.status()?;
    let expected = [
        ("app", "hijack", 2),
        ("app", "port-reserved", 1),
        ("app", "spoofed-source", 1),
        ("app", "bind-conflict", 1),
    ];
    for (name, reason, times) in expected {
        let drops = status.container(name).map_or(0, |container| container.plane.drops_for(reason));
        console.check(&format!("refused to {name}: {times} x {reason}"), drops == times, drops);
    }
    let web = status.container("web").map(|container| container.plane.drops.clone()).unwrap_or_default();
    let blameless = web.keys().all(|reason| reason == "not-owner");
    console.check("web was refused nothing it asked for", blameless, format!("{web:?}"));

    let Opening { counters, counted } = &stage.opening;
    let (berth, independent) = settled(counters, &stage.berth)?;
    let (berth, independent) = (berth - counted.0, independent - counted.1);
    Console::say(&format!("berth, all owners:      {}", both(berth)));
    Console::say(&format!("independent counter:    {}", both(independent)));
    console.check("they are the same, to the packet and the byte", berth == independent, "");
    Ok(())
}

/// The containers go, then berth, and nothing is left.
pub fn close(console: &mut Console, stage: Stage) -> Result<()> {
    let pins = stage.berth.pin_dir().to_owned();
    let objects = Objects::pinned_under(&pins)?;
    let count = objects.iter().count();
    let (mut berth, topology) = stage.clear();
    berth.down()?;
    console.show("node", "berth down", "");
    console.check("berth had programs, maps and links", count > 20, count);
    let gone = objects.wait_until_gone();
    console.check(&format!("all {count} of them are gone"), gone.is_ok(), format!("{gone:?}"));
    let left = qdiscs(topology.node.netns())?;
    console.check(
        "so are pins and queueing disciplines",
        !pins.exists() && left.is_empty(),
        format!("{left:?}"),
    );
    Ok(())
}

/// What berth and the counters have counted, once nothing passes any more.
fn settled(counters: &Pair, berth: &Berth) -> Result<(Both, Both)> {
    wait::until("the uplink to fall quiet", LIMIT, || {
        let seen = counters.settle()?;
        let counted = berth.status()?.total();
        let traffic = |tally: Tally| Traffic { packets: tally.packets, bytes: tally.bytes };
        let independent =
            Both { incoming: traffic(seen.ingress.frames), outgoing: traffic(seen.egress.frames) };
        Ok((counters.read()? == seen).then_some((counted, independent)))
    })
}

fn both(both: Both) -> String {
    let Both { incoming, outgoing } = both;
    format!(
        "{} packets, {} bytes in; {} packets, {} bytes out",
        incoming.packets, incoming.bytes, outgoing.packets, outgoing.bytes
    )
}
