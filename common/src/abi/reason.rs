//! Why a packet was dropped, or a call refused.

/// Places for reasons in the counters: room for reasons to come without a change of layout.
pub const REASONS: usize = 32;

macro_rules! reasons {
    ($($(#[$doc:meta])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why. The number is an index into counters, the name what users see.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])+ $variant = $number,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// From its number; numbers of no reason are none.
            #[inline(always)]
            pub const fn from_number(number: u8) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    _ => Self::None,
                }
            }

            /// Its name in output.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

reasons! {
    /// Not dropped.
    None = 0, "none";
    /// The flow belongs to another container, or its local end to another's (or the host's) socket.
    Hijack = 1, "hijack";
    /// The source port is reserved by another container.
    PortReserved = 2, "port-reserved";
    /// The source address is not the node's, nor the container's own.
    SpoofedSource = 3, "spoofed-source";
    /// A packet socket sent something other than IP.
    NonIp = 4, "non-ip";
    /// Another container uses the echo id with this destination.
    IcmpIdInUse = 5, "icmp-id-in-use";
    /// The container holds as many flows as it may.
    FlowQuota = 6, "flow-quota";
    /// The node's flow table is full.
    FlowTableFull = 7, "flow-table-full";
    /// A socket was offered a packet that its container does not own.
    NotOwner = 8, "not-owner";
    /// The packet is for nobody, and the node drops such packets.
    Unowned = 9, "unowned";
    /// A container sent router advertisements or answered DHCP.
    RogueServer = 10, "rogue-server";
    /// More DHCP, DAD, MLD or IGMP packets than a container may send in a second.
    ControlRate = 11, "control-rate";
    /// The headers are cut off or contradict themselves.
    Malformed = 12, "malformed";
    /// bind(): another container holds the port.
    BindConflict = 13, "bind-conflict";
    /// bind(): the port is outside the container's allowance.
    BindDenied = 14, "bind-denied";
    /// bind(): the container holds as many reservations as it may, or the node's table of them is full.
    PortQuota = 15, "port-quota";
    /// A socket option or family that would send past the hooks.
    BypassDenied = 16, "bypass-denied";
    /// A rule of the container, or the policy of its chain, drops it.
    Rule = 17, "rule";
    /// A rule of the container refuses it, and its sender is told.
    Rejected = 18, "rejected";
    /// The container's ruleset makes no sense to the programs: it is of another version, or damaged.
    RulesDamaged = 19, "rules-damaged";
    /// Too many packets were being judged on the processor at once.
    RulesBusy = 20, "rules-busy";
    /// A rule had to remember one more address or flow than the container may have remembered.
    GuardQuota = 21, "guard-quota";
    /// A rule had to remember something, and the node's table is full.
    GuardTableFull = 22, "guard-table-full";
    /// The container has begun as many flows in a second as it may.
    FlowRate = 23, "flow-rate";
    /// A frame on a container's own interface is from a hardware address that is not the container's.
    SpoofedMac = 24, "spoofed-mac";
    /// ARP or neighbour discovery that claims another's address.
    SpoofedNeighbour = 25, "spoofed-neighbour";
    /// No port is left by which the flow could go out under the node's address.
    NatPorts = 26, "nat-ports";
    /// The node's table of translations is full.
    NatTableFull = 27, "nat-table-full";
    /// A packet of a container that is masqueraded, in no flow that is: it would show the container's own address.
    NotTranslated = 28, "not-translated";
}

const _: () = assert!(Reason::ALL.len() <= REASONS);
