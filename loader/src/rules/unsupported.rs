//! What iptables has and berth has not, and what can be used instead.

/// Why something is refused.
pub(super) type Instead = &'static str;

const OWNER: Instead =
    "a container's rules see only its own packets; make containers of what is to be told apart";
const CONTENT: Instead = "packets' contents are not looked into";
const QUEUE: Instead = "packets are not handed to programs; report them with NFLOG";
const REWRITE: Instead = "no target changes packets, but for their addresses and ports in table nat";
const LOAD: Instead = "use -m limit, -m hashlimit or -m connlimit";
/// For protocols whose ports only multiport can match.
pub(super) const PORTS: Instead = "use -m multiport, which has this protocol's ports";
const BRIDGE: Instead = "use -i and -o";
const ROUTING: Instead = "no routing table is asked; sources are checked before any rule";
const TIME: Instead = "rules hold at all hours; let cron run berth rules restore";
const SETS: Instead = "change sets with berth set; match them with -m set";

/// Matches.
const MATCHES: &[(&str, Instead)] = &[
    ("ah", "match -p ah"),
    ("bpf", CONTENT),
    ("cgroup", OWNER),
    ("cluster", "use -m statistic or -m set"),
    ("connbytes", LOAD),
    ("connlabel", "use -m connmark"),
    ("cpu", "use -m statistic"),
    ("dccp", PORTS),
    ("devgroup", BRIDGE),
    ("dst", "use -m frag, or -p with what the packet carries"),
    ("ecn", "use -m tos or -m tcp --tcp-flags"),
    ("esp", "match -p esp"),
    ("eui64", ROUTING),
    ("geoip", "put the country's networks into a set and use -m set"),
    ("hbh", "use -m frag, or -p with what the packet carries"),
    ("ipp2p", CONTENT),
    ("ipv6header", "use -m frag, or -p with what the packet carries"),
    ("ipvs", "use -m conntrack"),
    ("layer7", CONTENT),
    ("mh", "match -p mh"),
    ("nfacct", "each rule counts; see berth rules list -v"),
    ("osf", CONTENT),
    ("owner", OWNER),
    ("physdev", BRIDGE),
    ("policy", "match -p esp or -p ah"),
    ("psd", LOAD),
    ("quota", LOAD),
    ("rateest", LOAD),
    ("realm", ROUTING),
    ("rpfilter", ROUTING),
    ("rt", "use -p with what the packet carries"),
    ("sctp", PORTS),
    ("socket", OWNER),
    ("srh", "use -p with what the packet carries"),
    ("string", CONTENT),
    ("tcpmss", "use -m tcp --tcp-option 2"),
    ("time", TIME),
    ("u32", CONTENT),
];

/// Targets.
const TARGETS: &[(&str, Instead)] = &[
    ("AUDIT", "use NFLOG"),
    ("CHECKSUM", REWRITE),
    ("CLASSIFY", "use MARK"),
    ("CLUSTERIP", REWRITE),
    ("CONNSECMARK", "use CONNMARK"),
    ("CT", "flows are tracked as the container's mode says"),
    ("DNPT", REWRITE),
    ("DSCP", REWRITE),
    ("ECN", REWRITE),
    ("HL", REWRITE),
    ("HMARK", "use MARK"),
    ("IDLETIMER", "use NFLOG"),
    ("LED", "use NFLOG"),
    ("NETMAP", "use DNAT and SNAT"),
    ("NFQUEUE", QUEUE),
    ("NOTRACK", "flows are tracked as the container's mode says"),
    ("QUEUE", QUEUE),
    ("RATEEST", LOAD),
    ("SECMARK", "use MARK"),
    ("SET", SETS),
    ("SNPT", REWRITE),
    ("STEAL", "use DROP"),
    ("SYNPROXY", "use -m hashlimit against floods"),
    ("TARPIT", "use DROP"),
    ("TCPMSS", REWRITE),
    ("TCPOPTSTRIP", REWRITE),
    ("TEE", "see berth capture"),
    ("TOS", REWRITE),
    ("TPROXY", "use REDIRECT"),
    ("TRACE", "see berth explain"),
    ("TTL", REWRITE),
    ("ULOG", "use NFLOG"),
];

/// Tables.
pub(super) const TABLES: &[(&str, Instead)] = &[
    ("raw", "flows are tracked as the container's mode says"),
    ("rawpost", "use table nat"),
    ("security", "use table filter"),
];

/// The tables' names and why rules in them are refused.
pub(super) fn table(name: &str) -> Option<(&'static str, Instead)> {
    TABLES.iter().find(|(known, _)| *known == name).copied()
}

/// What to use instead of the match, if iptables has it.
pub(super) fn of_match(name: &str) -> Option<Instead> {
    find(MATCHES, name)
}

/// What to use instead of the target, if iptables has it.
pub(super) fn of_target(name: &str) -> Option<Instead> {
    find(TARGETS, name)
}

fn find(table: &[(&str, Instead)], name: &str) -> Option<Instead> {
    table.iter().find(|(known, _)| *known == name).map(|&(_, instead)| instead)
}
