//! The two worlds: rules in the guest's own kernel, and the same rules with berth.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use berth::rules::table::TableName;
use berth_tests::process::{ok, ok_with_input};
use berth_tests::{Conntrack, Endpoint as _, Host};

use super::outcome::OPEN;
use super::reflector::Reflector;
use super::rulesets::{LISTENED, NOWHERE};
use super::{Counted, FLAGS, Own, Place, SECOND, counters, restore};
use crate::REMOTE;

/// A place where somebody keeps the rules.
pub struct World {
    pub place: Place,
    keeper: Keeper,
    _reflectors: [Reflector; 2],
}

enum Keeper {
    /// The programs of iptables, by what follows `ip` and `ip6` in their names, and the kernel's flows.
    Netfilter(&'static str, Conntrack),
    Berth(Box<berth_tests::Berth>),
}

/// How the names of the programs begin.
const IP: [&str; 2] = ["ip", "ip6"];
/// The kernel's own matches and targets in the order of the rules, and the same for where those are not to be had.
const TOOLS: [&str; 2] = ["tables-legacy", "tables"];

impl World {
    pub fn netfilter() -> Result<Self> {
        let (place, tools) = place()?;
        let keeper = Keeper::Netfilter(tools, Conntrack::open(&place.guest.host)?);
        Self::kept(place, keeper)
    }

    pub fn berth() -> Result<Self> {
        let Own { net, seconds } = Own::at(place()?.0, &[])?;
        let place = Place { guest: net.c, seconds, bridge: net.bridge, topology: net.topology };
        Self::kept(place, Keeper::Berth(Box::new(net.berth)))
    }

    fn kept(place: Place, keeper: Keeper) -> Result<Self> {
        let ports: Vec<u16> = LISTENED.into_iter().chain(OPEN).collect();
        let own = [place.guest.addresses, place.seconds].concat();
        let reflectors = [
            Reflector::start(&place.guest.host, &own, &ports)?,
            Reflector::start(&place.topology.remote, &[REMOTE, SECOND].concat(), &ports)?,
        ];
        Ok(Self { place, keeper, _reflectors: reflectors })
    }

    /// Puts rules of each family in force, with nothing counted and no flows.
    pub fn restore(&mut self, texts: &[String; 2]) -> Result<()> {
        match &mut self.keeper {
            Keeper::Netfilter(tools, conntrack) => {
                for (ip, text) in IP.into_iter().zip(texts) {
                    netfilter(&self.place.guest.host, ip, tools, text)?;
                }
                conntrack.forget()
            }
            Keeper::Berth(berth) => {
                for (family, text) in texts.iter().enumerate() {
                    // Rules that stay would go on counting.
                    berth.ok([&["rules", "flush", "c"], FLAGS[family]].concat())?;
                    let output = restore(berth, "c", family, text)?;
                    if !output.success() {
                        bail!("{output:?}\n{text}");
                    }
                }
                berth.ok(["flows", "flush", "--owner", "c"]).map(drop)
            }
        }
    }

    /// What the chains of a family have counted.
    pub fn counted(&self, family: usize) -> Result<BTreeMap<String, Counted>> {
        let text = match &self.keeper {
            Keeper::Netfilter(tools, _) => {
                let program = format!("{}{tools}-save", IP[family]);
                ok(self.place.guest.host.command(&program)?.args(["-c", "-t", "nat"]))?
            }
            Keeper::Berth(berth) => {
                berth.ok([&["rules", "save", "c", "--counters"], FLAGS[family]].concat())?
            }
        };
        counters(family, TableName::Nat, &text)
    }

    /// What berth has dropped of the guest's, by reason.
    pub fn drops(&self) -> Result<BTreeMap<String, u64>> {
        match &self.keeper {
            Keeper::Netfilter(..) => Ok(BTreeMap::new()),
            Keeper::Berth(berth) => Ok(berth.container("c")?.plane.drops),
        }
    }
}

/// A place whose node says that there is no way to some, and what works there. Routes that say so say it once in a second.
fn place() -> Result<(Place, &'static str)> {
    let place = Place::new(true)?;
    let node = &place.topology.node;
    let works = |tools: &&str| IP.iter().all(|ip| netfilter(node, ip, tools, "*filter\nCOMMIT\n").is_ok());
    let tools = TOOLS.into_iter().find(works).context("no iptables-restore works here")?;
    let notices = ["icmp-host-unreachable", "icmp6-no-route"];
    for ((ip, address), with) in IP.into_iter().zip(NOWHERE).zip(notices) {
        let rule = format!("-A FORWARD -d {address} -j REJECT --reject-with {with}");
        netfilter(node, ip, tools, &format!("*filter\n{rule}\nCOMMIT\n"))?;
    }
    Ok((place, tools))
}

/// Has a host's kernel take rules.
fn netfilter(host: &Host, ip: &str, tools: &str, text: &str) -> Result<()> {
    let mut command = host.command(&format!("{ip}{tools}-restore"))?;
    ok_with_input(&mut command, text).with_context(|| text.to_owned())
}
