//! What berth has counted at the uplink, held against counters that owe it nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bpf::counter::{Place, Tally};
use crate::bpf::pair::{Pair, PairCounts};
use crate::link;
use crate::shared_node::SharedNode;
use crate::topology::UPLINK;
use crate::view::{Both, Container, Plane, Traffic};
use crate::wait::{self, LIMIT};

/// How long nothing has to be counted before it is taken that nothing will.
const QUIET: Duration = Duration::from_millis(100);

/// Independent counters before berth and behind it.
#[derive(Debug)]
pub struct Ledger<'a> {
    node: &'a SharedNode,
    before: Pair,
    behind: Pair,
    /// What was there when all was quiet last.
    last: RefCell<Option<Page>>,
}

/// What was counted while something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// For containers by name, `host`, `unowned` and `non_ip`; all of them.
    owners: BTreeMap<String, Plane>,
    /// Those that have an interface of their own, at which they are counted: at the uplink they are forwarded.
    behind_interfaces: BTreeSet<String>,
    /// By the interface itself.
    pub interface: Both,
    /// Before berth; what came first from the wire, and what was about to leave.
    pub offered: Both,
    /// Behind berth.
    pub passed: Both,
    /// Looped copies of own multicast, which are in none of these.
    pub looped: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Page {
    owners: BTreeMap<String, Plane>,
    behind_interfaces: BTreeSet<String>,
    before: PairCounts,
    behind: PairCounts,
    interface: Both,
}

impl<'a> Ledger<'a> {
    /// Puts the counters at the uplink of a node on which berth is.
    pub fn open(node: &'a SharedNode) -> Result<Self> {
        let attach = |place| Pair::attach(node.netns(), UPLINK, place);
        let ledger = Self {
            node,
            before: attach(Place::First)?,
            behind: attach(Place::Last)?,
            last: RefCell::default(),
        };
        // What a fresh interface says unasked is not what anybody wants to count.
        let start = ledger.settled()?;
        ledger.last.replace(Some(start));
        Ok(ledger)
    }

    /// What is counted from when `act` begins until all is quiet after it. Whatever that is, it has to add up: every
    /// frame that came by is counted for exactly one owner or for none, and what berth has not let through is itemised
    /// as dropped.
    pub fn during<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<(T, Growth)> {
        let last = self.last.take();
        let start = match last {
            Some(last) if self.page()? == last => last,
            _ => self.settled()?,
        };
        let result = act()?;
        let end = self.settled()?;
        let growth = Growth::between(&start, &end);
        self.last.replace(Some(end));
        growth.adds_up()?;
        Ok((result, growth))
    }

    /// As [`Ledger::during`], if `act` gives nothing.
    pub fn growth(&self, act: impl FnOnce() -> Result<()>) -> Result<Growth> {
        Ok(self.during(act)?.1)
    }

    fn settled(&self) -> Result<Page> {
        wait::until("the node to fall quiet", LIMIT, || {
            let page = self.page()?;
            std::thread::sleep(QUIET);
            Ok(Some(page.clone()).filter(|page| self.page().is_ok_and(|now| now == *page)))
        })
    }

    fn page(&self) -> Result<Page> {
        let interface = link::statistics(self.node.netns(), UPLINK)?;
        let (before, status, behind) = (self.before.read()?, self.node.berth.status()?, self.behind.read()?);
        let has_interface =
            |container: &&Container| container.recognised_by.to_string().contains("\"interface:");
        let behind_interfaces = status.containers.iter().filter(has_interface);
        let behind_interfaces = behind_interfaces.map(|container| container.name.clone()).collect();
        let containers = status.containers.into_iter().map(|container| (container.name, container.plane));
        let others = [("host", status.host), ("unowned", status.unowned), ("non_ip", status.non_ip)];
        Ok(Page {
            owners: containers.chain(others.map(|(name, plane)| (name.to_owned(), plane))).collect(),
            behind_interfaces,
            before,
            behind,
            interface: Both {
                incoming: Traffic { packets: interface.rx_packets, bytes: interface.rx_bytes },
                outgoing: Traffic { packets: interface.tx_packets, bytes: interface.tx_bytes },
            },
        })
    }
}

impl Growth {
    fn between(start: &Page, end: &Page) -> Self {
        let nothing = Plane::default();
        let growth = |(name, plane): (&String, &Plane)| {
            (name.clone(), plane - start.owners.get(name).unwrap_or(&nothing))
        };
        let before = end.before - start.before;
        Self {
            owners: end.owners.iter().map(growth).collect(),
            behind_interfaces: end.behind_interfaces.clone(),
            interface: end.interface - start.interface,
            offered: both(&before),
            passed: both(&(end.behind - start.behind)),
            looped: before.ingress.looped.packets,
        }
    }

    /// What was counted for an owner.
    pub fn of(&self, owner: &str) -> Result<&Plane> {
        self.owners.get(owner).with_context(|| format!("berth knows no {owner}"))
    }

    /// The packets (in, out) of every owner that had any at the uplink.
    pub fn packets(&self) -> BTreeMap<&str, (u64, u64)> {
        let owners = self.owners.iter().map(|(name, plane)| (name.as_str(), packets(plane.traffic)));
        owners.filter(|&(_, packets)| packets != (0, 0)).collect()
    }

    /// The packets (in, out) of every owner that had any within the node.
    pub fn local(&self) -> BTreeMap<&str, (u64, u64)> {
        let owners = self.owners.iter().map(|(name, plane)| (name.as_str(), packets(plane.local)));
        owners.filter(|&(_, packets)| packets != (0, 0)).collect()
    }

    /// How often each owner lost something, for each reason that occurred.
    pub fn drops(&self) -> BTreeMap<(&str, &str), u64> {
        let all = self.owners.iter().flat_map(|(name, plane)| {
            plane.drops.iter().map(|(reason, &count)| ((name.as_str(), reason.as_str()), count))
        });
        all.collect()
    }

    /// The packets (in, out) that berth has dropped at the uplink.
    pub fn dropped(&self) -> (u64, u64) {
        packets(self.sum(|plane| plane.dropped))
    }

    /// Whether the interface has counted the same; it counts buffers, so not where it segments or aggregates.
    pub fn agrees_with_interface(&self) -> Result<()> {
        let counted = self.counted();
        let dropped = self.sum(|plane| plane.dropped);
        ensure!(self.interface.incoming == counted.incoming, "in: {self:#?}");
        ensure!(self.interface.outgoing == counted.outgoing - dropped.outgoing, "out: {self:#?}");
        Ok(())
    }

    fn adds_up(&self) -> Result<()> {
        let counted = self.counted();
        let dropped = self.sum(|plane| plane.dropped);
        ensure!(counted == self.offered, "berth has counted {counted:?} of {self:#?}");
        ensure!(counted - dropped == self.passed, "berth tells of {dropped:?} dropped of {self:#?}");
        Ok(())
    }

    /// Everything that was counted at the uplink.
    fn counted(&self) -> Both {
        let owners = self.owners.iter().map(|(name, plane)| {
            let own = if self.behind_interfaces.contains(name) { Both::default() } else { plane.traffic };
            own + plane.forwarded
        });
        owners.fold(Both::default(), std::ops::Add::add)
    }

    fn sum(&self, part: impl Fn(&Plane) -> Both) -> Both {
        self.owners.values().map(part).fold(Both::default(), std::ops::Add::add)
    }
}

fn packets(both: Both) -> (u64, u64) {
    (both.incoming.packets, both.outgoing.packets)
}

fn both(seen: &PairCounts) -> Both {
    let traffic = |tally: Tally| Traffic { packets: tally.packets, bytes: tally.bytes };
    Both { incoming: traffic(seen.ingress.frames), outgoing: traffic(seen.egress.frames) }
}
