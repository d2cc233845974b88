//! Why a request is refused or fails.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use berth_common::abi;

use crate::{
    api::{
        error::{ApiError, Code},
        mode::Mode,
        name::{Name, NameError},
        port_span::PortSpan,
        publication::Services,
        reservation::Service,
        runtime::Runtime,
    },
    compile::CompileError,
    config::ConfigError,
    containers::ContainersError,
    control::{ControlError, PortRefusal, Refusal},
    lower::LowerError,
    rules::error::RuleErrors,
    sets::SetError,
    state::StateError,
};

/// Why a request is refused or fails: what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// There is no container of this name.
    #[error("there is no container {0}; `berth container list` shows those there are")]
    NoContainer(String),
    /// There is one already.
    #[error("there is a container {0} already; choose another name, or change it with `berth container set`")]
    NameTaken(Name),
    /// A template means it, and it cannot be called so.
    #[error("{1}; give {0} a file of its own in containers/")]
    NoName(String, #[source] NameError),
    /// What declares containers was not understood, so that one that is announced may be meant by it.
    #[error("no container is recognised as {who}, and one may be meant by what is not understood: {problem}")]
    Unread {
        /// Who is announced.
        who: String,
        /// What is wrong.
        problem: String,
    },
    /// Nothing says how the container is recognised.
    #[error(
        "nothing says how {0} is recognised; give --cgroup, --interface, --pid, or its name in a runtime (--lxc, --docker, --podman, --nspawn, --libvirt)"
    )]
    NoTarget(Name),
    /// There is nothing to change.
    #[error("nothing is to be changed about {0}; `berth container set --help` lists what can be")]
    NoChange(Name),
    /// The cgroup is another container's, or inside or around one that is.
    #[error("cgroup {} overlaps {}, which is container {owner}'s; name one that is neither inside nor around it", path.display(), other.display())]
    CgroupTaken {
        /// What was asked for.
        path: PathBuf,
        /// What it overlaps.
        other: PathBuf,
        /// Whose that is.
        owner: Name,
    },
    /// Of two cgroups in one request, one is inside the other.
    #[error("cgroup {} is inside {}; name only the outer one", inner.display(), outer.display())]
    CgroupTwice {
        /// The inner one.
        inner: PathBuf,
        /// The outer one.
        outer: PathBuf,
    },
    /// The interface is another container's.
    #[error(
        "interface {interface} is container {owner}'s; remove that container first, or name another interface"
    )]
    InterfaceTaken {
        /// What was asked for.
        interface: String,
        /// Whose it is.
        owner: Name,
    },
    /// The interface is the node's.
    #[error("interface {0} is an uplink or the loopback of the node; name the container's own interface")]
    InterfaceOfNode(String),
    /// A container is about to start with nothing on this node that could be judged.
    #[error(
        "container {0} has no interface on this node before it starts: it has none (network none, macvlan), or gets it later (user namespaces); start it without the hook, and the daemon finds what it gets"
    )]
    NoInterfaceYet(String),
    /// The runtime's container is registered.
    #[error("{} container {name} is container {owner} already", .runtime.title())]
    RuntimeNameTaken {
        /// Whose name it is.
        runtime: Runtime,
        /// What was asked for.
        name: String,
        /// Under which name it is registered.
        owner: Name,
    },
    /// The address is another container's.
    #[error("address {address} is container {owner}'s; take it from that container first")]
    AddressTaken {
        /// What was asked for.
        address: IpAddr,
        /// Whose it is.
        owner: Name,
    },
    /// Nobody can have this address.
    #[error("{0} cannot be a container's address; give a unicast address")]
    AddressUnfit(IpAddr),
    /// All ids are taken.
    #[error(
        "the node has as many containers as its tables hold ({0}); raise containers in [sizes] of berth.toml, then `berth down` and start again"
    )]
    Full(u32),
    /// The protocol does not go with the address.
    #[error(
        "{service} cannot be reserved at {address}; give a unicast address of the protocol's family, or none for all"
    )]
    AddressMismatch {
        /// What was asked for.
        service: Service,
        /// Where.
        address: IpAddr,
    },
    /// The port is another container's.
    #[error("{service} at {address} is held by {holder}; `berth ports list` shows who holds what")]
    PortTaken {
        /// What was asked for.
        service: Service,
        /// Where.
        address: IpAddr,
        /// Who holds it.
        holder: String,
    },
    /// The reservation was refused for another reason.
    #[error("{service} at {address} was not reserved; {refusal}")]
    PortRefused {
        /// What was asked for.
        service: Service,
        /// Where.
        address: IpAddr,
        /// Why not.
        #[source]
        refusal: PortRefusal,
    },
    /// The container has the reservation, of the other kind.
    #[error("{service} is reserved for {name} already, {}; release it first", if *raw { "with --raw" } else { "without --raw" })]
    ReservedOtherwise {
        /// The container.
        name: Name,
        /// What was asked for.
        service: Service,
        /// Whether what there is is for a user-space stack.
        raw: bool,
    },
    /// There is no such reservation.
    #[error("{name} has no reservation of {service} by the operator; `berth ports list` shows what there is")]
    NotReserved {
        /// The container.
        name: Name,
        /// What was to be released.
        service: Service,
    },
    /// The kernel could hand the port to somebody else, and the configuration wants that refused.
    #[error(
        "port {port} is within net.ipv4.ip_local_port_range ({range}), from which the kernel serves everybody; choose another, narrow the range, or set local_port_range = \"reserve\" in berth.toml"
    )]
    InLocalRange {
        /// What was asked for.
        port: u16,
        /// The range.
        range: PortSpan,
    },
    /// The container has no address that anything could be translated to, or from.
    #[error(
        "no address of {0} is known that other hosts could reach; declare it with `berth container set {0} --address`"
    )]
    NothingToTranslate(Name),
    /// The container uses the node's addresses.
    #[error(
        "{0} has no interface of its own; it uses the node's addresses, which need no translation (`berth ports reserve` reserves a port for it)"
    )]
    NoOwnInterface(Name),
    /// Rules in table nat would translate the node's addresses.
    #[error(
        "{0} shares the node's addresses, which rules in table nat would translate for all: remove those rules, or give it an interface of its own"
    )]
    NatOfNode(Name),
    /// A rule would have the container reach itself.
    #[error(
        "{at}-A {rule}: {name} would ask itself by its own address, which its kernel takes from nobody; let its programs ask there themselves",
        at = if *.line > 0 { format!("line {line}: ") } else { String::new() }
    )]
    NatToItself {
        /// The container.
        name: Name,
        /// The line of the rule; 0 for none.
        line: u32,
        /// The rule, with its chain.
        rule: String,
    },
    /// A rule translates to addresses that the container may not send from.
    #[error(
        "{at}-A {rule}: {name} may not send from all of {addresses}: its own are {own}; name some of those, or use MASQUERADE",
        at = if *.line > 0 { format!("line {line}: ") } else { String::new() },
        own = .own.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
    )]
    NatSource {
        /// The container.
        name: Name,
        /// The line of the rule; 0 for none.
        line: u32,
        /// The rule, with its chain.
        rule: String,
        /// What it translates to.
        addresses: String,
        /// The addresses that the container may send from.
        own: Vec<IpAddr>,
    },
    /// The mode has no published ports.
    #[error("mode {mode} does not allow published ports; use `berth container set {name} --mode full`")]
    PublishMode {
        /// The container.
        name: Name,
        /// Its mode.
        mode: Mode,
    },
    /// The mode has no published ports, and the container has.
    #[error("mode {mode} does not allow published ports; `berth publish rm {name} {service}` first")]
    ModePublished {
        /// The container.
        name: Name,
        /// The mode that it was to have.
        mode: Mode,
        /// One of the ports.
        service: Service,
    },
    /// The mode has no masquerading.
    #[error("mode {mode} does not allow {name} to be masqueraded; give it --mode full, or --masquerade no")]
    MasqueradeMode {
        /// The container.
        name: Name,
        /// The mode that it has, or was to have.
        mode: Mode,
    },
    /// Ports that masquerading takes are those of sockets.
    #[error(
        "masquerading takes ports {ports}, and net.ipv4.ip_local_port_range ({range}) gives some of them to the node's own sockets; set other ports under [nat] in berth.toml, or narrow the range"
    )]
    MasqueradePorts {
        /// What masquerading takes.
        ports: PortSpan,
        /// What sockets are given.
        range: PortSpan,
    },
    /// The address is not the node's, or not the node's alone.
    #[error("{0} is none of the node's own addresses; give one that is, and no container's")]
    NotTheNodes(IpAddr),
    /// The address is not the container's.
    #[error(
        "{address} is none of {name}'s addresses that other hosts could reach; declare it with `berth container set {name} --address`"
    )]
    NotItsAddress {
        /// The container.
        name: Name,
        /// What was asked for.
        address: IpAddr,
    },
    /// The container has no address of the family.
    #[error("{address} cannot be published to {name}; the address it would go to must be of the same family")]
    PublishFamily {
        /// The container.
        name: Name,
        /// The node's address.
        address: IpAddr,
    },
    /// The ports of the container would end beyond the last one.
    #[error("{services} has no room from port {to_port} on; ports end at 65535")]
    PublishRoom {
        /// What was to be published.
        services: Services,
        /// Where it was to begin.
        to_port: u16,
    },
    /// The address is gone to by what is published.
    #[error(
        "{service} is published to {address}; `berth publish rm {name} {service}` before {name} loses the address"
    )]
    AddressPublished {
        /// The container.
        name: Name,
        /// What is published.
        service: Service,
        /// Where to.
        address: IpAddr,
    },
    /// The port is published, with another end.
    #[error("{service} at {address} is published to {to} already; `berth publish rm {name} {service}` first")]
    PublishedOtherwise {
        /// The container.
        name: Name,
        /// What was asked for.
        service: Service,
        /// Where.
        address: IpAddr,
        /// The container's end.
        to: SocketAddr,
    },
    /// The container has reserved the port.
    #[error("{service} is reserved for {name} itself; `berth ports release {name} {service}` first")]
    PublishReserved {
        /// The container.
        name: Name,
        /// What was asked for.
        service: Service,
    },
    /// A program of the node's is bound to the port.
    #[error(
        "a program of the node's own is bound to {service}, and would hear nothing from other hosts; stop it, or \
         publish another port"
    )]
    PublishHost {
        /// The port.
        service: Service,
    },
    /// Sockets of the container's are bound to the port.
    #[error("sockets of {name} are bound to {service} on the node; close them first")]
    PublishBound {
        /// The container.
        name: Name,
        /// What was asked for.
        service: Service,
    },
    /// What was to be released is published.
    #[error("{service} of {name} is published; `berth publish rm {name} {service}` takes it back")]
    ReleasePublished {
        /// The container.
        name: Name,
        /// What was to be released.
        service: Service,
    },
    /// What was to be published no longer is only reserved.
    #[error("{services} of {name} is reserved, not published; `berth ports release` gives it up")]
    UnpublishReserved {
        /// The container.
        name: Name,
        /// What was asked for.
        services: Services,
    },
    /// No such port is published.
    #[error("{services} of {name} is not published; `berth publish list` shows what is")]
    NotPublished {
        /// The container.
        name: Name,
        /// What was asked for.
        services: Services,
    },
    /// A sysctl could not be read or written.
    #[error("cannot use {}; {error}", path.display())]
    Sysctl {
        /// Its file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// An uplink that must be there is not.
    #[error("there is no interface {0} in this network namespace; name an uplink that exists")]
    NoUplink(String),
    /// Nothing is in force.
    #[error("no daemon answers at {} and nothing is pinned at {}; start `berth daemon`, or `berth up` to do without", socket.display(), pin_dir.display())]
    NotUp {
        /// Where the daemon would be.
        socket: PathBuf,
        /// Where it would be pinned.
        pin_dir: PathBuf,
    },
    /// Only the daemon can do this.
    #[error("{0}, and none is running; start `berth daemon`")]
    NeedsDaemon(&'static str),
    /// What is pinned is of another layout.
    #[error("{} was made by a berth with ABI {found}, this one has {}; use that berth, or `berth down` (which drops all enforcement) and start again", pin_dir.display(), abi::VERSION)]
    OtherAbi {
        /// Where it is pinned.
        pin_dir: PathBuf,
        /// Its version.
        found: u32,
    },
    /// What is pinned is not ours.
    #[error("{} holds something that berth did not pin; give another --pin-dir", .0.display())]
    Foreign(PathBuf),
    /// What is pinned serves another network namespace.
    #[error("what is pinned at {} serves another network namespace; run berth in that one (nsenter --net), give another --pin-dir, or `berth down` first", .0.display())]
    OtherNamespace(PathBuf),
    /// What is pinned is not known.
    #[error("{} holds {count} containers that {} does not know; give the --state-dir it was started with, or `berth down` to start afresh", pin_dir.display(), state.display())]
    UnknownPins {
        /// Where it is pinned.
        pin_dir: PathBuf,
        /// How many.
        count: usize,
        /// The state file.
        state: PathBuf,
    },
    /// A text of rules is wrong.
    #[error("{}", first_line(.0))]
    Rules(RuleErrors),
    /// A rule cannot be carried out.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// Rules cannot be compiled, or cost too much.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Rules use what they may not use: each, with the reason.
    #[error("{} of the rules may not be used; {}", .0.len(), .0.first().map_or("", String::as_str))]
    Forbidden(Vec<String>),
    /// There are too many lists of recent addresses among the rules.
    #[error(
        "the rules name {asked} lists of recent addresses, both families together, and {limit} is what a container may have: let some share a list"
    )]
    RecentLists {
        /// How many there would be.
        asked: usize,
        /// How many there may be.
        limit: usize,
    },
    /// There are too many connlimits among the rules.
    #[error(
        "connlimit is asked for by {asked} rules, both families together, and {limit} may: let rules that count alike jump to a chain with one of them"
    )]
    Connlimits {
        /// How many there would be.
        asked: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The container may not hold so many rules.
    #[error(
        "{name} would hold {asked} rules, and may hold {limit}: remove some, or raise the limit with `berth container set {name} --max-rules`"
    )]
    RuleQuota {
        /// The container.
        name: Name,
        /// How many it would hold.
        asked: u64,
        /// How many it may hold.
        limit: u32,
    },
    /// A change of named sets is wrong.
    #[error(transparent)]
    Sets(#[from] SetError),
    /// Sets that were remembered make no sense.
    #[error("the named sets of {name} in the state directory cannot be read; {problem}")]
    SetsUnreadable {
        /// The container.
        name: Name,
        /// What is wrong.
        problem: SetError,
    },
    /// The container may not hold so many entries.
    #[error(
        "{name} would hold {asked} entries in its sets, and may hold {limit}: remove some, or raise the limit with `berth container set {name} --max-set-entries`"
    )]
    SetQuota {
        /// The container.
        name: Name,
        /// How many it would hold.
        asked: u64,
        /// How many it may hold.
        limit: u32,
    },
    /// Something is not in a set.
    #[error("{entry} is not in the set {set}")]
    NotInSet {
        /// The set.
        set: String,
        /// What was asked for.
        entry: String,
    },
    /// A limit that no container can be given.
    #[error("a container's limit of rules cannot be {0}: the least is {MIN_RULES}")]
    RuleLimit(u32),
    /// The rules that were remembered make no sense.
    #[error("the rules of {name} in the state file cannot be read; {problem}")]
    RulesUnreadable {
        /// The container.
        name: Name,
        /// What is wrong.
        problem: String,
    },
    /// No change waits to be confirmed.
    #[error("no change of {0}'s rules waits to be confirmed")]
    NothingToConfirm(Name),
    /// The system could not be observed, or does not have what was asked for.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// The kernel's verifier refuses a program.
    #[error("{refusal}; {}", kept(.log))]
    Refused {
        /// What it says.
        refusal: Box<Refusal>,
        /// Where its whole log is, or what kept it from being there.
        log: Result<PathBuf, io::Error>,
    },
    /// The kernel could not be changed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The state could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl NodeError {
    fn code(&self) -> Code {
        match self {
            Self::NoTarget(_) | Self::NoChange(_) => Code::Usage,
            Self::Refused { .. } | Self::Control(ControlError::Refused(_)) => Code::Unverified,
            Self::NeedsDaemon(_) | Self::NotUp { .. } => Code::Unreachable,
            Self::Containers(error) if error.is_unsupported() => Code::Unsupported,
            Self::Control(error) if error.is_unsupported() => Code::Unsupported,
            Self::State(StateError::Io { error, .. }) | Self::Sysctl { error, .. }
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Code::Unsupported
            }
            _ => Code::Failed,
        }
    }
}

/// Least rules that a container can be limited to, as with Virtuozzo's numiptent.
pub(super) const MIN_RULES: u32 = 16;

fn first_line(errors: &RuleErrors) -> String {
    errors.errors.first().map(ToString::to_string).unwrap_or_default()
}

fn kept(log: &Result<PathBuf, io::Error>) -> String {
    match log {
        Ok(path) => format!("its whole log is in {}, which a report of this should have", path.display()),
        Err(error) => format!("its whole log could not be kept ({error})"),
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        let refusal = Self::new(error.code(), error.to_string());
        match error {
            NodeError::Refused { refusal: by_verifier, .. } => refusal.with_details(by_verifier.excerpt),
            NodeError::Rules(errors) => {
                refusal.with_details(errors.to_string().lines().skip(1).map(str::to_owned).collect())
            }
            NodeError::Forbidden(rules) => refusal.with_details(rules.into_iter().skip(1).collect()),
            _ => refusal,
        }
    }
}
