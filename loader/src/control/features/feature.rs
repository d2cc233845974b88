//! The features, and what berth makes of them.

/// Something that a kernel may have or lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The second version of control groups, mounted as a whole.
    Cgroup2,
    /// A file system to pin things in.
    Bpffs,
    /// The kernel's own type information.
    Btf,
    /// Programs on control groups.
    CgroupPrograms,
    /// Programs on interfaces.
    TcPrograms,
    /// Atomic instructions that give the old value.
    AtomicFetch,
    /// Memory that belongs to a socket, inherited by accepted ones.
    SocketStorage,
    /// Programs that look for sockets.
    SocketLookup,
    /// Programs that go through all sockets.
    SocketIterators,
    /// Programs that ask which cgroups a socket or task is in.
    AncestorCgroup,
    /// Programs that choose the error of a refused bind().
    SetRetval,
    /// Programs on sockets that ask for their network namespace.
    NetnsCookie,
    /// Programs that read the kernel's memory.
    KernelRead,
    /// The clock that is as good as free.
    CoarseClock,
    /// Events to user space.
    RingBuffer,
    /// Looks into arrays that lie in a map of maps.
    InnerArrays,
    /// Links to interfaces, in an order of their own.
    Tcx,
    /// The qdisc that takes programs as filters.
    Clsact,
    /// The compiler of programs.
    Jit,
    /// Compiled programs with their constants as they are.
    PlainJit,
    /// Programs among the security modules.
    BpfLsm,
    /// Programs on packets that ask for the network namespace.
    PacketNetnsCookie,
    /// Loops by a function of the kernel's.
    Loop,
    /// Memory that belongs to a cgroup.
    CgroupStorage,
    /// Programs in the drivers.
    Xdp,
    /// Interfaces made of programs.
    Netkit,
    /// Memory shared with user space.
    Arena,
}

/// How much berth needs a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It cannot do without.
    Required,
    /// It uses it, and does something else without.
    Used,
    /// It does not use it.
    Unused,
}

/// A feature as people see it.
struct Description {
    name: &'static str,
    need: Need,
    purpose: &'static str,
    without: &'static str,
    cost: &'static str,
}

impl Feature {
    /// In the order in which they are shown: what is required first, what others stand on before them.
    pub const ALL: [Self; 27] = [
        Self::Cgroup2,
        Self::Bpffs,
        Self::Btf,
        Self::CgroupPrograms,
        Self::TcPrograms,
        Self::AtomicFetch,
        Self::SocketStorage,
        Self::SocketLookup,
        Self::SocketIterators,
        Self::AncestorCgroup,
        Self::SetRetval,
        Self::NetnsCookie,
        Self::KernelRead,
        Self::CoarseClock,
        Self::RingBuffer,
        Self::InnerArrays,
        Self::Tcx,
        Self::Clsact,
        Self::Jit,
        Self::PlainJit,
        Self::BpfLsm,
        Self::PacketNetnsCookie,
        Self::Loop,
        Self::CgroupStorage,
        Self::Xdp,
        Self::Netkit,
        Self::Arena,
    ];

    /// Its name, which does not change.
    pub const fn name(self) -> &'static str {
        self.description().name
    }

    /// How much berth needs it.
    pub const fn need(self) -> Need {
        self.description().need
    }

    /// What berth uses it for, or why it does not.
    pub const fn purpose(self) -> &'static str {
        self.description().purpose
    }

    /// What berth does without it; empty if nothing else than with it.
    pub const fn without(self) -> &'static str {
        self.description().without
    }

    /// What its lack costs; empty if nothing.
    pub const fn cost(self) -> &'static str {
        self.description().cost
    }

    /// Whether the programs do not load without it, as opposed to what has to be there for anything to be loaded.
    pub const fn is_of_programs(self) -> bool {
        match self {
            Self::CgroupPrograms
            | Self::TcPrograms
            | Self::AtomicFetch
            | Self::SocketStorage
            | Self::SocketLookup
            | Self::SocketIterators
            | Self::AncestorCgroup
            | Self::SetRetval
            | Self::NetnsCookie
            | Self::KernelRead
            | Self::CoarseClock
            | Self::RingBuffer
            | Self::InnerArrays => true,
            Self::Cgroup2
            | Self::Bpffs
            | Self::Btf
            | Self::Tcx
            | Self::Clsact
            | Self::Jit
            | Self::PlainJit
            | Self::BpfLsm
            | Self::PacketNetnsCookie
            | Self::Loop
            | Self::CgroupStorage
            | Self::Xdp
            | Self::Netkit
            | Self::Arena => false,
        }
    }

    const fn description(self) -> Description {
        match self {
            Self::Cgroup2 => required("cgroup2", "tells containers apart"),
            Self::Bpffs => required("bpffs", "keeps what is in force when berth ends"),
            Self::Btf => required("btf", "tells where the kernel keeps what programs read"),
            Self::CgroupPrograms => required("cgroup-programs", "judge what containers' sockets do"),
            Self::TcPrograms => required("tc-programs", "count and judge packets at interfaces"),
            Self::AtomicFetch => required("atomic-fetch", "makes claims and quotas exact"),
            Self::SocketStorage => required("socket-storage", "remembers whose a socket is"),
            Self::SocketLookup => required("socket-lookup", "finds who would get a packet"),
            Self::SocketIterators => required("socket-iterators", "take over containers that run already"),
            Self::AncestorCgroup => required("ancestor-cgroup", "tells whose cgroup a socket belongs to"),
            Self::SetRetval => {
                required("set-retval", "makes bind() to a port of another's fail as it should")
            }
            Self::NetnsCookie => required("netns-cookie", "tells the node's sockets from those elsewhere"),
            Self::KernelRead => {
                required("kernel-read", "tells a packet's network namespace; lockdown can forbid it")
            }
            Self::CoarseClock => required("coarse-clock", "tells when flows end"),
            Self::RingBuffer => required("ring-buffer", "carries events"),
            Self::InnerArrays => required("inner-arrays", "keep rules and sets"),
            Self::Tcx => used(
                "tcx",
                "keeps programs on interfaces",
                "filters of a clsact qdisc",
                "others can remove them, or put theirs first",
            ),
            Self::Clsact => required("clsact", "keeps programs on interfaces, in place of TCX"),
            Self::Jit => used(
                "jit",
                "compiles programs",
                "they are interpreted, and tables are swept from user space",
                "each packet takes several times as long, clearing up a system call an entry",
            ),
            Self::PlainJit => used(
                "jit-unhardened",
                "compiles constants as they are",
                "they are blinded",
                "programs are twice as long, and slower",
            ),
            Self::BpfLsm => used(
                "bpf-lsm",
                "sees what sockets are told by every way into the kernel",
                "only cgroup/setsockopt is watched",
                "32-bit calls of setsockopt go unseen, and packet_sockets = \"deny\" is not enforced",
            ),
            Self::PacketNetnsCookie => {
                unused("packet-netns-cookie", "read from the socket, as older kernels need")
            }
            Self::Loop => unused("bpf-loop", "no program loops for long"),
            Self::CgroupStorage => {
                unused("cgroup-storage", "sockets remember their owner, which is safer to replace")
            }
            Self::Xdp => unused("xdp", "sees neither sockets nor what is sent"),
            Self::Netkit => unused("netkit", "containers bring interfaces of any kind"),
            Self::Arena => unused("arena", "older kernels lack it"),
        }
    }
}

const fn required(name: &'static str, purpose: &'static str) -> Description {
    Description { name, need: Need::Required, purpose, without: "", cost: "berth does not run" }
}

const fn used(
    name: &'static str,
    purpose: &'static str,
    without: &'static str,
    cost: &'static str,
) -> Description {
    Description { name, need: Need::Used, purpose, without, cost }
}

const fn unused(name: &'static str, purpose: &'static str) -> Description {
    Description { name, need: Need::Unused, purpose, without: "", cost: "" }
}
