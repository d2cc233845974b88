//! A router between two ends, whose netfilter and berth both have an opinion of what it forwards.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};
use berth_common::abi::units::Protocol;
use berth_common::engine::tables::Which;
use berth_common::memory::Bytes;
use berth_tests::frame::ethernet_ip;
use berth_tests::link::{self, End, Mac};
use berth_tests::packet::{ALL, packet_socket};
use berth_tests::{Conntrack, Endpoint, Host, Netns, in_netns, name, process, sysctl};
use socket2::Socket;

use crate::berth::Berthed;
use crate::{LEFT, RIGHT};

/// What a packet is to rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Invalid,
    New,
    Established,
    Related,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Of TCP and SCTP.
    pub phase: String,
    pub is_assured: bool,
    pub is_answered: bool,
    /// In seconds.
    pub lasts: u32,
}

/// What netfilter says of a packet, and what both say of the connection after it.
#[derive(Clone, Debug)]
pub struct Judged {
    pub state: State,
    pub netfilter: Option<Connection>,
    pub berth: Option<Connection>,
}

impl Judged {
    /// Whether both mean the same connection: they are asked at different moments.
    pub fn agrees(&self) -> bool {
        match (&self.netfilter, &self.berth) {
            (None, None) => true,
            (Some(one), Some(two)) => {
                one.lasts.abs_diff(two.lasts) <= 2
                    && Connection { lasts: 0, ..one.clone() } == Connection { lasts: 0, ..two.clone() }
            }
            _ => false,
        }
    }
}

/// How packets are marked, by netfilter in their type of service.
pub const MARKS: [(u8, State, &str); 4] = [
    (4, State::Invalid, "INVALID"),
    (8, State::New, "NEW"),
    (16, State::Established, "ESTABLISHED"),
    (32, State::Related, "RELATED"),
];

/// How long associations last in each phase, by which one then tells which it was: by default most are as good as the same.
pub const SCTP_TIMEOUTS: [(&str, u32); 8] = [
    ("closed", 100),
    ("cookie_wait", 110),
    ("cookie_echoed", 120),
    ("established", 130),
    ("shutdown_sent", 140),
    ("shutdown_recd", 150),
    ("shutdown_ack_sent", 160),
    ("heartbeat_sent", 170),
];

pub const INTERFACES: [&str; 2] = ["left0", "right0"];
/// Further addresses of the left end, by their last byte, for protocols without ports.
pub const NAMELESS: RangeInclusive<u8> = 10..=250;
const OUTSIDE: &str = "wire0";
/// What is said on FTP's control connections is listened to.
const FTP: &str = "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n";
const MACS: [[Mac; 2]; 2] =
    [[[0x02, 0, 0, 0, 3, 1], [0x02, 0, 0, 0, 3, 2]], [[0x02, 0, 0, 0, 4, 1], [0x02, 0, 0, 0, 4, 2]]];

/// The router.
pub struct Router {
    berth: Berthed,
    host: Host,
    conntrack: Conntrack,
    /// The ends' sockets, left and right.
    ends: [Socket; 2],
    begun: u32,
    _outside: Vec<Host>,
}

impl Router {
    pub fn new() -> Result<Self> {
        let host = Host::new(Netns::create(&format!("{}-router", name::unique()))?);
        quieten(host.netns())?;
        let mut outside = Vec::new();
        let mut ends = Vec::new();
        for (place, (inside, [mac, far])) in INTERFACES.into_iter().zip(MACS).enumerate() {
            let end = Host::new(Netns::create(&format!("{}-end{place}", name::unique()))?);
            quieten(end.netns())?;
            link::wire(
                End { netns: host.netns(), name: inside, mac },
                End { netns: end.netns(), name: OUTSIDE, mac: far },
                9_000,
            )?;
            ends.push(packet_socket(&end, OUTSIDE, ALL)?);
            outside.push(end);
        }
        for (interface, address, [_, far]) in
            [(INTERFACES[0], LEFT, MACS[0]), (INTERFACES[1], RIGHT, MACS[1])]
        {
            link::add_address(host.netns(), interface, beside(address, 1)?, 24)?;
            link::add_neighbour(host.netns(), interface, address, far)?;
        }
        for host_number in NAMELESS {
            link::add_neighbour(host.netns(), INTERFACES[0], beside(LEFT, host_number)?, MACS[0][1])?;
        }
        let mut rules = String::new();
        let left = INTERFACES[0];
        for (mark, _, state) in MARKS {
            // What berth has marked otherwise goes no further.
            writeln!(
                rules,
                "-A FORWARD -i {left} -m conntrack --ctstate {state} -m mark ! --mark {mark} -j DROP\n\
                 -A FORWARD -m conntrack --ctstate {state} -j TOS --set-tos {mark:#x}"
            )?;
        }
        let mut command = host.command("iptables-legacy-restore")?;
        process::ok_with_input(&mut command, &format!("*mangle\n{rules}COMMIT\n{FTP}"))?;
        sysctl::set(host.netns(), "ipv4/ip_forward", "1")?;
        // Those of SCTP are a tenth of a test's packets' work, and berth looks at none.
        sysctl::set(host.netns(), "netfilter/nf_conntrack_checksum", "0")?;
        for (name, seconds) in SCTP_TIMEOUTS {
            let key = format!("netfilter/nf_conntrack_sctp_timeout_{name}");
            sysctl::set(host.netns(), &key, &seconds.to_string())?;
        }
        let conntrack = Conntrack::open(&host)?;
        let ends = <[Socket; 2]>::try_from(ends).map_err(|_| anyhow::anyhow!("not two ends"))?;
        let berth = Berthed::new(&host)?;
        Ok(Self { berth, host, conntrack, ends, begun: 0, _outside: outside })
    }

    /// Netfilter forgets all connections.
    pub fn forget(&mut self) -> Result<()> {
        self.conntrack.forget()
    }

    /// How long states last in seconds, by the names that both have for them.
    pub fn set_timeouts(&self, timeouts: &[(&str, u32)]) -> Result<()> {
        for (name, seconds) in timeouts {
            let (protocol, state) = name.split_once('_').context("a timeout of no state")?;
            let key = format!("netfilter/nf_conntrack_{protocol}_timeout_{state}");
            sysctl::set(self.host.netns(), &key, &seconds.to_string())?;
        }
        self.berth.set_timeouts(timeouts)
    }

    /// Whether both still know the connection of a packet. It fails if they do not agree.
    pub fn stands(&self, packet: &[u8]) -> Result<bool> {
        let (netfilter, berth) = (self.connection(packet)?, self.berth.connection(packet)?);
        let judged = Judged { state: State::New, netfilter, berth };
        ensure!(judged.agrees(), "after the pause: {judged:?}");
        Ok(judged.netfilter.is_some())
    }

    /// Ports of the ends that no conversation has had yet.
    pub fn ports(&mut self) -> Result<[u16; 2]> {
        self.begun += 1;
        Ok([1_024 + u16::try_from(self.begun % 50_000)?, 2_000 + u16::try_from(self.begun / 50_000)?])
    }

    /// What is said of a packet. It fails if netfilter and berth do not agree on its state.
    pub fn judge(&mut self, packet: &[u8], from_left: bool) -> Result<Judged> {
        let (from, to) = if from_left { (0, 1) } else { (1, 0) };
        let [[mac, far], _] = [MACS[from], MACS[to]];
        self.ends[from].send(&ethernet_ip(far, mac, packet))?;
        let tos = self.forwarded(to).with_context(|| {
            let (netfilter, berth) = (self.connection(packet), self.berth.connection(packet));
            format!("both do not agree on its state; afterwards {netfilter:?}, {berth:?}")
        })?;
        let mark = MARKS.iter().find(|(mark, ..)| *mark == tos);
        let state = mark.with_context(|| format!("forwarded with a type of service of {tos}"))?.1;
        Ok(Judged { state, netfilter: self.connection(packet)?, berth: self.berth.connection(packet)? })
    }

    /// The type of service of the next packet that comes out.
    fn forwarded(&self, end: usize) -> Result<u8> {
        let mut buffer = [0; 9_100];
        loop {
            let length = (&self.ends[end]).read(&mut buffer)?;
            let frame = &buffer[..length];
            // What the ends themselves send is shown to them, too.
            let is_own = frame.get(6..12) == Some(&MACS[end][1]);
            if frame.get(12..14) == Some(&[8, 0]) && !is_own {
                return frame.get(15).copied().context("cut off");
            }
        }
    }

    /// A packet's connection, as the kernel prints it.
    fn connection(&self, packet: &[u8]) -> Result<Option<Connection>> {
        let headers = Bytes(packet).in_packet().context("no packet")?;
        let (source, destination) = (headers.source_port.0, headers.destination_port.0);
        let names = match headers.protocol {
            Protocol::TCP | Protocol::SCTP | Protocol::UDP => format!("sport={source} dport={destination} "),
            Protocol::ICMP => {
                let asks = headers.is_requester(Which::Source);
                format!("id={} ", if asks { source } else { destination })
            }
            // Of each there is one between two ends, or none.
            _ => format!("src={} dst={} ", IpAddr::from(headers.source), IpAddr::from(headers.destination)),
        };
        let has_phase = matches!(headers.protocol, Protocol::TCP | Protocol::SCTP);
        let number = headers.protocol.0.to_string();
        let text = in_netns(self.host.netns(), || fs::read_to_string("/proc/thread-self/net/nf_conntrack"))??;
        let is_meant = |line: &&str| line.contains(&names) && line.split_whitespace().nth(3) == Some(&number);
        let mut lines = text.lines().filter(is_meant);
        let Some(line) = lines.next() else { return Ok(None) };
        ensure!(lines.next().is_none(), "more than one connection:\n{text}");
        let mut fields = line.split_whitespace().skip(4);
        let lasts = fields.next().context("no time")?.parse()?;
        let phase = fields.next().context("no state")?;
        Ok(Some(Connection {
            phase: if has_phase { phase } else { "" }.to_owned(),
            is_assured: line.contains("[ASSURED]"),
            is_answered: !line.contains("[UNREPLIED]"),
            lasts,
        }))
    }
}

/// Another address of the same network.
pub fn beside(address: IpAddr, number: u8) -> Result<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ok(IpAddr::from([a, b, c, number]))
        }
        IpAddr::V6(_) => bail!("no router of IPv6"),
    }
}

fn quieten(netns: &Netns) -> Result<()> {
    for (key, value) in [
        ("ipv6/conf/default/disable_ipv6", "1"),
        ("ipv6/conf/all/disable_ipv6", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
    ] {
        sysctl::set(netns, key, value)?;
    }
    link::up(netns, "lo")
}
