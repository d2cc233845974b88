//! Requests: one for each operation.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    flow::Top,
    flow_filter::{FlowFilter, Page},
    name::Name,
    publication::Services,
    reservation::Service,
    rules::{Edit, Family, Restore},
    set::Commands,
    settings::Settings,
    target::Target,
};

/// What is asked of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Register a container.
    ContainerAdd {
        /// Its name.
        name: Name,
        /// How it is recognised.
        target: Target,
        /// What is set about it.
        settings: Settings,
    },
    /// Change a container.
    ContainerSet {
        /// Its name.
        name: Name,
        /// How it is recognised from now on, where given.
        target: Target,
        /// What is set about it.
        settings: Settings,
        /// Whether rules go that the change does not allow.
        #[serde(default)]
        drop_rules: bool,
    },
    /// Forget a container.
    ContainerRemove {
        /// Its name.
        name: Name,
    },
    /// All containers.
    ContainerList,
    /// One container.
    ContainerShow {
        /// Its name.
        name: Name,
    },
    /// A runtime has made an interface for an LXC container that starts.
    Announce {
        /// LXC's name for it.
        lxc: String,
        /// The node's side of the interface.
        interface: String,
    },
    /// An OCI runtime has made a container, in which nothing runs yet.
    AnnounceProcess {
        /// Its id.
        oci: String,
        /// The process that is to be its first.
        pid: u32,
    },
    /// Replace tables of a container's rules.
    RulesRestore(Restore),
    /// Change a table of a container's rules.
    RulesEdit(Edit),
    /// A container's rules as text.
    RulesSave {
        /// The container.
        name: Name,
        /// The family.
        family: Family,
        /// Whether with what they have counted.
        counters: bool,
    },
    /// A container's rules one by one.
    RulesList {
        /// The container.
        name: Name,
        /// The family.
        family: Family,
    },
    /// How a container's rules differ from a text.
    RulesDiff {
        /// The container.
        name: Name,
        /// The family.
        family: Family,
        /// iptables-save text.
        text: String,
    },
    /// Take a container's rules away.
    RulesFlush {
        /// The container.
        name: Name,
        /// The family.
        family: Family,
    },
    /// Keep a change of a container's rules.
    RulesConfirm {
        /// The container.
        name: Name,
    },
    /// Change a container's named sets.
    SetsChange {
        /// The container.
        name: Name,
        /// How.
        commands: Commands,
        /// Whether what is there already, or is not there, is no error.
        #[serde(default)]
        exist: bool,
    },
    /// A container's named sets.
    SetsList {
        /// The container.
        name: Name,
        /// One alone, with its entries.
        set: Option<String>,
    },
    /// A container's named sets as `ipset save` writes them.
    SetsSave {
        /// The container.
        name: Name,
        /// One alone.
        set: Option<String>,
    },
    /// Whether something is in a named set.
    SetTest {
        /// The container.
        name: Name,
        /// The set.
        set: String,
        /// An entry as `add` takes it.
        entry: String,
    },
    /// What rules may use: a container's, or any.
    Features {
        /// The container.
        name: Option<Name>,
    },
    /// All port reservations.
    PortsList,
    /// Reserve a port for a container, which need not exist yet.
    PortReserve {
        /// The container.
        name: Name,
        /// The port.
        service: Service,
        /// The address; all if none is given.
        address: Option<IpAddr>,
        /// For a user-space stack: the kernel's own answers for the port are suppressed.
        raw: bool,
    },
    /// Give up a reservation.
    PortRelease {
        /// The container.
        name: Name,
        /// The port.
        service: Service,
        /// The address; all if none is given.
        address: Option<IpAddr>,
    },
    /// Publish ports of a container.
    PublishAdd {
        /// The container.
        name: Name,
        /// The ports of the node.
        services: Services,
        /// The node's address; all if none is given.
        address: Option<IpAddr>,
        /// The container's address; its first one of each family if none is given.
        to_address: Option<IpAddr>,
        /// The first one of the container's ports; the same as the node's if none is given.
        to_port: Option<u16>,
    },
    /// Publish ports of a container no longer.
    PublishRemove {
        /// The container.
        name: Name,
        /// The ports of the node.
        services: Services,
        /// The node's address; all if none is given.
        address: Option<IpAddr>,
    },
    /// All published ports.
    PublishList,
    /// All flows, or some.
    FlowsList {
        /// A container's name, or `host` or `unowned`.
        owner: Option<String>,
        /// Which of them.
        #[serde(default)]
        filter: FlowFilter,
        /// In which order, and how many.
        #[serde(default)]
        page: Page,
    },
    /// The flows that carry most from now on; the answer comes when they have been watched.
    FlowsTop(Top),
    /// Delete all flows, or some.
    FlowsFlush {
        /// The container.
        owner: Option<Name>,
        /// Which of them.
        #[serde(default)]
        filter: FlowFilter,
    },
    /// Make the flow table larger, without losing any.
    FlowsResize {
        /// How many flows it is to hold.
        flows: u32,
    },
    /// The node as a whole.
    Status,
    /// The latest events.
    Events {
        /// How many at most.
        last: usize,
    },
    /// End the daemon; what it enforces stays.
    Shutdown,
}

impl Request {
    /// Whether it asks for a change, rather than a view.
    pub fn changes(&self) -> bool {
        match self {
            Self::ContainerAdd { .. }
            | Self::ContainerSet { .. }
            | Self::ContainerRemove { .. }
            | Self::Announce { .. }
            | Self::AnnounceProcess { .. }
            | Self::RulesRestore(_)
            | Self::RulesEdit(_)
            | Self::RulesFlush { .. }
            | Self::RulesConfirm { .. }
            | Self::SetsChange { .. }
            | Self::PortReserve { .. }
            | Self::PortRelease { .. }
            | Self::PublishAdd { .. }
            | Self::PublishRemove { .. }
            | Self::FlowsFlush { .. }
            | Self::FlowsResize { .. }
            | Self::Shutdown => true,
            Self::ContainerList
            | Self::ContainerShow { .. }
            | Self::RulesSave { .. }
            | Self::RulesList { .. }
            | Self::RulesDiff { .. }
            | Self::SetsList { .. }
            | Self::SetsSave { .. }
            | Self::SetTest { .. }
            | Self::Features { .. }
            | Self::PortsList
            | Self::PublishList
            | Self::FlowsList { .. }
            | Self::FlowsTop(_)
            | Self::Status
            | Self::Events { .. } => false,
        }
    }
}
