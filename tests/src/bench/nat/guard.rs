//! Who translates, and what else he looks at on the way.

use std::net::IpAddr;

use anyhow::Result;

use super::{INSIDE, OUTSIDE};
use crate::process::ok_with_input;
use crate::topology::{Topology, UPLINK};
use crate::{Berth, Bridge, Endpoint as _, Guest};

/// What stands on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Routes alone; the remote host knows the way to the guest.
    Nothing,
    /// berth, in mode full, with rules for what is new and what is established.
    Berth,
    /// The same, with its fast path.
    Fast,
    /// nft, with the same rules.
    Nft,
    /// iptables, with the same rules.
    Iptables,
    /// iptables, with the chains that Docker makes.
    Docker,
}

impl Guard {
    /// All, as they are measured.
    pub const ALL: [Self; 6] =
        [Self::Nothing, Self::Berth, Self::Fast, Self::Nft, Self::Iptables, Self::Docker];

    /// Whether it translates.
    pub fn translates(self) -> bool {
        self != Self::Nothing
    }

    /// Puts it in force; what it returns is to be kept.
    pub fn put_up(self, topology: &Topology, bridge: &Bridge, guest: &Guest) -> Result<Option<Berth>> {
        let (name, address) = (bridge.name.as_str(), guest.addresses[0]);
        let (program, text) = match self {
            Self::Nothing => return Ok(None),
            Self::Berth => return berth(topology, guest, "").map(Some),
            Self::Fast => return berth(topology, guest, "fastpath = true\n").map(Some),
            Self::Nft => ("nft -f -", nft(address)),
            Self::Iptables => ("iptables-restore -w", iptables(address)),
            Self::Docker => ("iptables-restore -w", docker(name, address)),
        };
        let mut words = program.split(' ');
        let mut command = topology.node.command(words.next().unwrap_or_default())?;
        ok_with_input(command.args(words), &text)?;
        Ok(None)
    }
}

const RULES: &str = "*filter
:INPUT DROP
:OUTPUT DROP
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -m conntrack --ctstate NEW -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT
COMMIT\n";

fn berth(topology: &Topology, guest: &Guest, more: &str) -> Result<Berth> {
    // As many ports as the others may give away, or nearly so.
    let config = format!("{more}[defaults]\nmax_flows = 60000\n[nat]\nports = '1024-32767'\n");
    let berth = Berth::builder(topology).config(&config).start()?;
    let options = guest.options();
    let known = ["container", "add", "c", "--mode", "full", "--masquerade", "yes"];
    berth.ok(known.into_iter().chain(options.iter().map(String::as_str)))?;
    for protocol in ["tcp", "udp"] {
        let outside = format!("{protocol}/{OUTSIDE}");
        berth.ok(["publish", "add", "c", &outside, "--to-port", &INSIDE.to_string()])?;
    }
    ok_with_input(&mut berth.command(["rules", "restore", "c"])?, RULES)?;
    Ok(berth)
}

fn nft(guest: IpAddr) -> String {
    format!(
        "table ip bench {{
         chain prerouting {{
           type nat hook prerouting priority dstnat
           iifname {UPLINK} meta l4proto {{ tcp, udp }} th dport {OUTSIDE} dnat to {guest}:{INSIDE}
         }}
         chain postrouting {{
           type nat hook postrouting priority srcnat
           oifname {UPLINK} ip saddr {guest} masquerade
         }}
         chain forward {{
           type filter hook forward priority filter; policy drop
           ct state established,related accept
           ct state new accept
         }}
         }}\n"
    )
}

fn iptables(guest: IpAddr) -> String {
    let inside = format!("{guest}:{INSIDE}");
    format!(
        "*nat
-A PREROUTING -i {UPLINK} -p tcp -m tcp --dport {OUTSIDE} -j DNAT --to-destination {inside}
-A PREROUTING -i {UPLINK} -p udp -m udp --dport {OUTSIDE} -j DNAT --to-destination {inside}
-A POSTROUTING -s {guest} -o {UPLINK} -j MASQUERADE
COMMIT
*filter
:FORWARD DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate NEW -j ACCEPT
COMMIT\n"
    )
}

/// What Docker 20.10 has written for one network and one container with a published port, TCP and UDP.
fn docker(bridge: &str, guest: IpAddr) -> String {
    let published = |protocol: &str, table: &str| {
        let match_of = |port| format!("-p {protocol} -m {protocol} --dport {port}");
        match table {
            "nat" => format!(
                "-A POSTROUTING -s {guest}/32 -d {guest}/32 {} -j MASQUERADE\n\
                 -A DOCKER ! -i {bridge} {} -j DNAT --to-destination {guest}:{INSIDE}\n",
                match_of(INSIDE),
                match_of(OUTSIDE)
            ),
            _ => {
                format!("-A DOCKER -d {guest}/32 ! -i {bridge} -o {bridge} {} -j ACCEPT\n", match_of(INSIDE))
            }
        }
    };
    let both = |table| published("tcp", table) + &published("udp", table);
    format!(
        "*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {guest}/24 ! -o {bridge} -j MASQUERADE
-A DOCKER -i {bridge} -j RETURN
{nat}COMMIT
*filter
:FORWARD DROP
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o {bridge} -j DOCKER
-A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT
-A FORWARD -i {bridge} -o {bridge} -j ACCEPT
{filter}-A DOCKER-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o {bridge} -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT\n",
        nat = both("nat"),
        filter = both("filter"),
    )
}
