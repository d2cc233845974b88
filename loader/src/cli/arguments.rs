//! What can stand on the command line.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::{
    container::ContainerCommand, hook::HookCommand, options::Options, publish::PublishCommand,
    rules::RulesCommand, set::SetCommand,
};
use crate::{
    api::{
        flow::Top,
        flow_filter::{FlowFilter, Page},
        name::Name,
        request::Request,
        reservation::Service,
    },
    config::of_flows,
    node::Purpose,
};

/// Version of the program, and of the layouts it shares with the programs in the kernel.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (ABI 19)");
/// Shown below the commands.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed
  2  wrong usage
  3  no daemon to be reached and nothing in force
  4  not permitted, or not supported by this kernel (`berth doctor` tells)
  5  the kernel's verifier refuses a program";
const _: () = assert!(berth_common::abi::VERSION == 19, "VERSION names another");

/// Gives every packet on this node an owner, and holds it to its quotas
#[derive(Parser, Debug)]
#[command(name = "berth", version = VERSION, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// For every command.
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Put everything in force and keep it so, serve requests
    Daemon(Start),
    /// Put everything in force, without a daemon
    Up(Start),
    /// End all enforcement; what was set up stays on file
    Down,
    /// Containers
    #[command(subcommand)]
    Container(Box<ContainerCommand>),
    /// Rules of containers, in the language of iptables-save
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Named sets of containers, which their rules match with -m set
    #[command(subcommand)]
    Set(SetCommand),
    /// What rules may use, and which of four sets forbids it: a container's, or any in mode full
    Features {
        /// The container
        name: Option<Name>,
        /// How to print
        #[command(flatten)]
        json: Json,
    },
    /// Ports that containers hold
    #[command(subcommand)]
    Ports(PortsCommand),
    /// Ports of the node that are those of containers with an interface of their own
    #[command(subcommand)]
    Publish(PublishCommand),
    /// Conversations
    #[command(subcommand)]
    Flows(FlowsCommand),
    /// The node as a whole
    Status(Json),
    /// What was dropped, refused or logged lately, and which flows have begun and ended
    Events(Events),
    /// What this kernel has and lacks of what berth uses, and what is in force
    Doctor(Json),
    /// For runtimes to call, so that containers are in force before their first packet
    #[command(subcommand)]
    Hook(HookCommand),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Command {
    /// Whether it tells what it does, rather than only what came of it.
    pub fn speaks(&self) -> bool {
        matches!(self, Self::Daemon(_) | Self::Up(_))
    }
}

/// What to put in force.
#[derive(Args, Debug)]
pub struct Start {
    /// Interface that carries traffic to other hosts; may be repeated [default: those of the configuration, or else
    /// those that a default route leads over]
    #[arg(long = "uplink", value_name = "IF", num_args = 1.., value_delimiter = ',')]
    uplinks: Vec<String>,
    /// For developers: load the programs of this eBPF object instead of those in this binary
    #[arg(long, value_name = "FILE", hide = true)]
    object: Option<PathBuf>,
}

impl Start {
    /// The same for the node. Who is `patient` carries on without uplinks that do not exist yet.
    pub fn purpose(self, patient: bool) -> Purpose {
        Purpose::Enforce { uplinks: self.uplinks, object: self.object, patient }
    }
}

/// How to print.
#[derive(Args, Debug, Clone, Copy)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Ports that containers hold.
#[derive(Subcommand, Debug)]
pub enum PortsCommand {
    /// Show who holds which port
    List(Json),
    /// Reserve a port for a container, which need not exist yet
    Reserve {
        /// Which port, for whom
        #[command(flatten)]
        port: PortArguments,
        /// For a network stack in user space: keep the kernel from answering for the port
        #[arg(long)]
        raw: bool,
    },
    /// Give up a reservation
    Release {
        /// Which port, for whom
        #[command(flatten)]
        port: PortArguments,
    },
}

/// A port of a container.
#[derive(Args, Debug)]
pub struct PortArguments {
    /// Container
    pub name: Name,
    /// Protocol (tcp, udp, udplite, sctp, icmp, icmpv6, gre) and port, echo id or key, as in tcp/8080
    #[arg(value_name = "PROTOCOL/PORT")]
    pub service: Service,
    /// Only at this address
    #[arg(long, value_name = "A")]
    pub address: Option<IpAddr>,
}

impl PortsCommand {
    /// What is asked, and how to print the answer.
    pub fn request(self) -> (Request, bool) {
        match self {
            Self::List(Json { json }) => (Request::PortsList, json),
            Self::Reserve { port: PortArguments { name, service, address }, raw } => {
                (Request::PortReserve { name, service, address, raw }, false)
            }
            Self::Release { port: PortArguments { name, service, address } } => {
                (Request::PortRelease { name, service, address }, false)
            }
        }
    }
}

/// Conversations.
#[derive(Subcommand, Debug)]
pub enum FlowsCommand {
    /// Show them
    List {
        /// Only those in which this container (or `host`, `unowned`) has a part
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// Which of them
        #[command(flatten)]
        filter: FlowFilter,
        /// In which order, and how many
        #[command(flatten)]
        page: Page,
        /// How to print
        #[command(flatten)]
        json: Json,
    },
    /// Show those that carry most, again and again
    Top(FlowsTop),
    /// Forget them: the next packet of each is a first packet again
    Flush {
        /// Only those of this container
        #[arg(long, value_name = "NAME")]
        owner: Option<Name>,
        /// Which of them
        #[command(flatten)]
        filter: FlowFilter,
    },
    /// Make the table larger while it is in use; no flow is lost
    Resize {
        /// How many flows it is to hold
        #[arg(value_parser = clap::value_parser!(u32).range(of_flows()))]
        flows: u32,
    },
}

impl FlowsCommand {
    /// What is asked, and how to print the answer.
    pub fn request(self) -> (Request, bool) {
        match self {
            Self::List { owner, filter, page, json: Json { json } } => {
                (Request::FlowsList { owner, filter, page }, json)
            }
            Self::Top(top) => (Request::FlowsTop(top.watched()), top.json.json),
            Self::Flush { owner, filter } => (Request::FlowsFlush { owner, filter }, false),
            Self::Resize { flows } => (Request::FlowsResize { flows }, false),
        }
    }
}

/// Which flows carry most.
#[derive(Args, Debug)]
pub struct FlowsTop {
    /// Only those in which this container (or `host`, `unowned`) has a part
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Which of them
    #[command(flatten)]
    pub filter: FlowFilter,
    /// For how many seconds they are watched each time
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub interval: u64,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// How often; for ever on a terminal, and else once
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// How to print
    #[command(flatten)]
    pub json: Json,
}

impl FlowsTop {
    /// What is asked each time.
    pub fn watched(&self) -> Top {
        Top {
            owner: self.owner.clone(),
            filter: self.filter.clone(),
            milliseconds: self.interval * 1_000,
            limit: self.limit,
        }
    }
}

/// What was dropped, refused or logged lately, and which flows have begun and ended.
#[derive(Args, Debug)]
pub struct Events {
    /// Go on with those to come
    #[arg(short, long)]
    pub follow: bool,
    /// How many to begin with; the daemon keeps 1024, and as many of flows
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub last: usize,
    /// How to print
    #[command(flatten)]
    pub json: Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn is_consistent() {
        Arguments::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn takes_the_commands() {
        for line in [
            "berth daemon",
            "berth daemon --uplink eth0 --uplink eth1",
            "berth up --uplink eth0 eth1 --pin-dir /sys/fs/bpf/other",
            "berth up --object /tmp/berth.bpf.o",
            "berth doctor --json",
            "berth --state-dir /tmp/s --run-dir /tmp/r down",
            "berth container add a --cgroup /a --cgroup /b --mode full --ports 80,8000-8100",
            "berth container add a --interface veth0 --address 192.0.2.1 --address 2001:db8::1",
            "berth container add a --pid 1 --max-flows 5 --max-ports 6 --packet-sockets deny",
            "berth container add a --lxc a -q",
            "berth container add a --docker a --podman b --nspawn c --libvirt d",
            "berth container set a --mode stateful --ports all --address none",
            "berth container rm a",
            "berth container list --json",
            "berth container show a --json",
            "berth container set a --features conntrack,limit --max-rules 16 --drop-rules",
            "berth rules restore a /tmp/rules --confirm 60s",
            "berth rules check a --ipv6",
            "berth rules diff a -",
            "berth rules save a --counters",
            "berth rules list a -v --json",
            "berth rules append a INPUT -p tcp --dport 22 -j ACCEPT",
            "berth rules append --ipv6 --table mangle a OUTPUT -j MARK --set-mark 1",
            "berth rules insert a INPUT 3 -s 192.0.2.1 -j DROP",
            "berth rules delete a INPUT 1",
            "berth rules flush a -6",
            "berth rules confirm a",
            "berth set create a blocked hash:net --family inet6 --max 100000",
            "berth set create a web bitmap:port --range 80-443 --exist",
            "berth set create a old hash:ip family inet hashsize 1024 maxelem 5",
            "berth set add a blocked 2001:db8::/32 2001:db8:1::/48 nomatch --exist",
            "berth set del a blocked 2001:db8::/32",
            "berth set test a blocked 2001:db8::1",
            "berth set list a blocked --json",
            "berth set flush a",
            "berth set destroy a blocked",
            "berth set swap a blocked fresh",
            "berth set restore a /tmp/sets --exist",
            "berth set save a",
            "berth features",
            "berth features a --json",
            "berth ports list --json",
            "berth ports reserve a tcp/8080 --address 192.0.2.1 --raw",
            "berth ports release a icmp/7",
            "berth publish add a tcp/80",
            "berth publish add a udp/8000-8100 --address 192.0.2.1 --to-address 10.0.0.2 --to-port 9000",
            "berth publish rm a tcp/80 --address ::",
            "berth publish list --json",
            "berth container set a --masquerade yes",
            "berth container add a --interface veth0 --masquerade 192.0.2.1",
            "berth flows list --owner a --json",
            "berth flows flush",
            "berth flows resize 131072",
            "berth status --json --color never -v",
            "berth events --json --follow",
            "berth hook lxc web net up veth br0 vethA",
            "berth hook lxc",
            "berth hook oci",
            "berth completions bash",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for line in [
            "berth",
            "berth container add a",
            "berth container add a/b --cgroup /a",
            "berth container add a --cgroup /a --mode open",
            "berth container add a --cgroup /a --ports 0",
            "berth container add a --cgroup /a --address 300.0.0.1",
            "berth container show",
            "berth ports reserve a 8080",
            "berth publish add a sctp/80",
            "berth publish add a tcp/80 --to-port 0",
            "berth container set a --masquerade eth0",
            "berth flows list --owner",
            "berth flows resize 1000",
            "berth rules",
            "berth rules append a",
            "berth rules restore a --confirm soon",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
