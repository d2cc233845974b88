//! `berth container`.

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::arguments::Json;
use crate::api::{
    allowance::Allowance, feature::Mask, flow_events::FlowEvents, mac::Mac, masquerade::Masquerade,
    mode::Mode, name::Name, packet_sockets::PacketSockets, request::Request, runtime::Runtime,
    settings::Settings, spoofing::Spoofing, target::Target, timeouts::Timeouts,
};

/// Containers.
#[derive(Subcommand, Debug)]
pub enum ContainerCommand {
    /// Register a container
    #[command(group = ArgGroup::new("target").args(["cgroups", "interface", "pid", "lxc", "docker", "podman", "nspawn", "libvirt"]).required(true).multiple(true))]
    Add {
        /// Its name: letters, digits, '_', '.' and '-'
        name: Name,
        /// How it is recognised
        #[command(flatten)]
        target: TargetArguments,
        /// What is set about it
        #[command(flatten)]
        settings: SettingsArguments,
    },
    /// Forget a container; its flows and ports are released
    Rm {
        /// Its name
        name: Name,
    },
    /// Change a container while it runs; the ways it is recognised by, if any are given, replace those it had
    Set {
        /// Its name
        name: Name,
        /// How it is recognised from now on
        #[command(flatten)]
        target: TargetArguments,
        /// What is set about it
        #[command(flatten)]
        settings: SettingsArguments,
        /// Take those of its rules away that the change does not allow
        #[arg(long)]
        drop_rules: bool,
    },
    /// Show all containers
    List(Json),
    /// Show one container
    Show {
        /// Its name
        name: Name,
        /// How to print
        #[command(flatten)]
        json: Json,
    },
}

impl ContainerCommand {
    /// What is asked, and how to print the answer.
    pub fn request(self) -> (Request, bool) {
        match self {
            Self::Add { name, target, settings } => {
                let (target, settings) = (target.into(), settings.into());
                (Request::ContainerAdd { name, target, settings }, false)
            }
            Self::Rm { name } => (Request::ContainerRemove { name }, false),
            Self::Set { name, target, settings, drop_rules } => {
                let (target, settings) = (target.into(), settings.into());
                (Request::ContainerSet { name, target, settings, drop_rules }, false)
            }
            Self::List(Json { json }) => (Request::ContainerList, json),
            Self::Show { name, json: Json { json } } => (Request::ContainerShow { name }, json),
        }
    }
}

/// How a container is recognised.
#[derive(Args, Debug)]
pub struct TargetArguments {
    /// Cgroup (v2) with all its descendants; may be repeated
    #[arg(long = "cgroup", value_name = "PATH")]
    cgroups: Vec<PathBuf>,
    /// The node's side of its own interface (veth, tap)
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// One of its processes, from which cgroup or interface are found
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Its name in LXC; found anew whenever it starts
    #[arg(long, value_name = "NAME")]
    lxc: Option<String>,
    /// Its name or id in Docker; found anew whenever it starts
    #[arg(long, value_name = "NAME")]
    docker: Option<String>,
    /// Its name or id in Podman; found anew whenever it starts
    #[arg(long, value_name = "NAME")]
    podman: Option<String>,
    /// Its name in systemd-nspawn, as `machinectl list` has it; found anew whenever it starts
    #[arg(long, value_name = "MACHINE")]
    nspawn: Option<String>,
    /// Its name in libvirt, as `virsh list` has it; found anew whenever it starts
    #[arg(long, value_name = "DOMAIN")]
    libvirt: Option<String>,
}

impl From<TargetArguments> for Target {
    fn from(arguments: TargetArguments) -> Self {
        let TargetArguments { cgroups, interface, pid, lxc, docker, podman, nspawn, libvirt } = arguments;
        let named = [
            (Runtime::Lxc, lxc),
            (Runtime::Docker, docker),
            (Runtime::Podman, podman),
            (Runtime::Nspawn, nspawn),
            (Runtime::Libvirt, libvirt),
        ];
        let runtimes = named.into_iter().filter_map(|(runtime, name)| Some((runtime, name?))).collect();
        Self { cgroups, interface, pid, runtimes }
    }
}

/// What can be set about a container.
#[derive(Args, Debug)]
pub struct SettingsArguments {
    /// Address that is its own; may be repeated; `none` for none
    #[arg(long = "address", value_name = "A")]
    addresses: Vec<OneOrNone<IpAddr>>,
    /// Hardware address of its own interface; may be repeated; `none` if any may be
    #[arg(long = "mac", value_name = "MAC")]
    macs: Vec<OneOrNone<Mac>>,
    /// Whether it routes: it may then send for those behind it, and advertise itself
    #[arg(long, value_name = "WHETHER")]
    routes: Option<YesNo>,
    /// Whether it may use other addresses than its own on its own interface
    #[arg(long, value_name = "WHETHER")]
    spoofing: Option<Spoofing>,
    /// Whether what it begins leaves by the uplinks under an address of the node's: yes (the uplink's), no, or which one
    #[arg(long, value_name = "WHETHER")]
    masquerade: Option<Masquerade>,
    /// What its rules may do
    #[arg(long)]
    mode: Option<Mode>,
    /// Features its rules may use: `all`, `none`, or a list as in conntrack,limit
    #[arg(long, value_name = "LIST")]
    features: Option<Mask>,
    /// Most rules it may hold, at least 16
    #[arg(long, value_name = "N")]
    max_rules: Option<u32>,
    /// Most flows it may hold
    #[arg(long, value_name = "N")]
    max_flows: Option<u32>,
    /// Most flows it may begin in a second; 0 for any number
    #[arg(long, value_name = "N")]
    max_flow_rate: Option<u32>,
    /// Of which of its flows `berth events` tells when they begin and end: `all`, `none`, or one in N, as in 1/64
    #[arg(long, value_name = "WHICH")]
    flow_events: Option<FlowEvents>,
    /// How long its flows last, in seconds, as in udp=10,tcp_established=3600; 0 as on the node
    #[arg(long, value_name = "LIST")]
    timeouts: Option<Timeouts>,
    /// Most port reservations it may hold
    #[arg(long, value_name = "N")]
    max_ports: Option<u32>,
    /// Most entries that its named sets may have, all together
    #[arg(long, value_name = "N")]
    max_set_entries: Option<u32>,
    /// Most addresses and flows that its rules may remember
    #[arg(long, value_name = "N")]
    max_guards: Option<u32>,
    /// Ports it may bind, as in 80,443,8000-8100; `all` for all
    #[arg(long, value_name = "RANGES")]
    ports: Option<Allowance>,
    /// Whether it may have packet sockets
    #[arg(long, value_name = "WHETHER")]
    packet_sockets: Option<PacketSockets>,
}

impl From<SettingsArguments> for Settings {
    fn from(arguments: SettingsArguments) -> Self {
        Self {
            mode: arguments.mode,
            features: arguments.features,
            max_rules: arguments.max_rules,
            max_flows: arguments.max_flows,
            max_flow_rate: arguments.max_flow_rate,
            flow_events: arguments.flow_events,
            timeouts: arguments.timeouts,
            max_ports: arguments.max_ports,
            max_set_entries: arguments.max_set_entries,
            max_guards: arguments.max_guards,
            ports: arguments.ports,
            packet_sockets: arguments.packet_sockets,
            addresses: listed(arguments.addresses),
            macs: listed(arguments.macs),
            routes: arguments.routes.map(|routes| routes == YesNo::Yes),
            spoofing: arguments.spoofing,
            masquerade: arguments.masquerade,
        }
    }
}

/// What of a list was given; nothing if the option was not.
fn listed<T>(given: Vec<OneOrNone<T>>) -> Option<Vec<T>> {
    (!given.is_empty()).then(|| given.into_iter().filter_map(|one| one.0).collect())
}

/// One of a list, or that there is none.
#[derive(Clone, Copy, Debug)]
struct OneOrNone<T>(Option<T>);

impl<T: FromStr> FromStr for OneOrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|one| Self(Some(one))) }
    }
}

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum YesNo {
    /// It is
    Yes,
    /// It is not
    No,
}
