//! Names of maps and programs, as they stand in the object and in the pin directory.

/// Maps that are pinned, hence survive the loader.
pub const MAPS: &[&str] = &[
    "CONFIG",
    "RUNTIME",
    "CONTAINERS",
    "USAGE",
    "COUNTERS",
    "NODE_COUNTERS",
    "CGROUPS",
    "ADDRESSES",
    "OWN_ADDRESSES",
    "INTERFACES",
    "FLOWS",
    "FLOW_INDEX",
    "FLOW_FREE",
    "FLOW_MORE",
    "FLOW_INDEXES",
    "FLOW_QUEUES",
    "FLOW_POOL",
    "FLOW_RINGS",
    "TIMEOUTS",
    "PORTS",
    "PORT_SUMMARY",
    "FRAGMENTS",
    "SOCKET_OWNERS",
    "SOCKET_PORTS",
    "SOCKET_ALIASES",
    "ADOPTIONS",
    "CONTROL",
    "EVENTS",
    "RULESETS",
    "SHELVES",
    "SETS",
    "OBJECTS",
    "BUCKETS",
    "RECENTS",
    "CONNLIMITS",
    "COUNTED",
    "COUNTS",
    "NAT_PUBLISHED",
    "NAT_SOURCES",
    "NAT_ADDRESSES",
    "NAT_FLOWS",
    "NAT_OUTER",
    "NAT_PENDING",
    "NAT_FRAGMENTS",
];

/// Programs attached to each container's cgroup.
pub const CGROUP_PROGRAMS: &[&str] = &[
    "berth_create",
    "berth_release",
    "berth_bind4",
    "berth_bind6",
    "berth_bound4",
    "berth_bound6",
    "berth_send",
    "berth_receive",
    "berth_sockopt",
];
/// BPF LSM programs on each container's cgroup, where the kernel has it. They see every way into the kernel, but only the
/// calls of the container's tasks; `berth_sockopt` sees whoever uses the container's sockets, but no 32-bit calls.
pub const LSM_PROGRAMS: &[&str] = &["berth_lsm_opt", "berth_lsm_sock"];
/// Programs on the root of the hierarchy, where the node's own connections are to reach published ports. Those that tell of an end come
/// before those that replace it.
pub const ROOT_PROGRAMS: &[&str] = &[
    "berth_recvmsg4",
    "berth_recvmsg6",
    "berth_peer4",
    "berth_peer6",
    "berth_connect4",
    "berth_connect6",
    "berth_sendmsg4",
    "berth_sendmsg6",
];
/// Ingress of an uplink.
pub const UPLINK_INGRESS: &str = "berth_up_in";
/// Egress of an uplink.
pub const UPLINK_EGRESS: &str = "berth_up_out";
/// Ingress of an uplink, before all else: what is for an address of the node's and goes on to a container.
pub const NAT_INGRESS: &str = "berth_nat_in";
/// Egress of an uplink, after all else: what goes on as if it were the node's.
pub const NAT_EGRESS: &str = "berth_nat_out";
/// Egress of `lo`.
pub const LOOPBACK_EGRESS: &str = "berth_lo_out";
/// Ingress of the node's side of a container's own interface: what the container sends.
pub const INTERFACE_INGRESS: &str = "berth_if_in";
/// Egress of the node's side of a container's own interface: what the container receives.
pub const INTERFACE_EGRESS: &str = "berth_if_out";
/// Ingress of the node's side of a container's own interface, after all else: what is for an address of the node's and goes on to another
/// container.
pub const HAIRPIN_INGRESS: &str = "berth_hair_in";
/// Egress of the node's side of a container's own interface, before all else: what comes from another container as if it were the
/// node's.
pub const HAIRPIN_EGRESS: &str = "berth_hair_out";
/// Carries out [`super::control::Control`] requests; run by `BPF_PROG_TEST_RUN`, attached nowhere.
pub const CONTROL: &str = "berth_control";
/// Iterators that adopt sockets.
pub const ITERATORS: &[(&str, &str)] = &[("berth_adopt_tcp", "tcp"), ("berth_adopt_udp", "udp")];
