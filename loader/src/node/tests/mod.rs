//! The node on a kernel and a system that exist in memory only.

mod declared;
mod flows;
mod membership;
mod nat;
mod presence;
mod publications;
mod reservations;
mod restore;
mod rules;
mod rules_of_nat;
mod sets;
mod templates;
mod views;

use std::{collections::BTreeMap, fs, net::IpAddr};

use super::{
    Addresses, Forwarding, LocalPorts, Node, NodeError, Uplinks,
    fake::{FakeKernel, FakeSystem, link, lxc},
};
use crate::{
    api::{
        name::Name, request::Request, response::Response, settings::Settings, status::Daemon, target::Target,
    },
    config::{self, Config},
    state::{State, Store},
};

/// A node, and the directory with its files.
struct Bench {
    directory: tempfile::TempDir,
    node: Node<FakeKernel, FakeSystem>,
}

impl Bench {
    /// A node with two cgroups, a veth and an uplink.
    fn new() -> Self {
        let mut system = FakeSystem::default();
        for (number, path) in (10..).zip(["/a", "/b", "/b/inner", "/b2", "/lxc.payload.l"]) {
            system.cgroups.insert(path.into(), number);
        }
        system.links = vec![link("lo", 1), link("eth0", 2), link("veth0", 3), link("veth1", 4)];
        system.uplinks = vec![link("eth0", 2)];
        system.addresses = vec![address("127.0.0.1"), address("192.0.2.1")];
        Self::with(FakeKernel::default(), system, tempfile::tempdir().unwrap())
    }

    fn with(kernel: FakeKernel, system: FakeSystem, directory: tempfile::TempDir) -> Self {
        let path = directory.path();
        fs::write(path.join("ip_local_port_range"), "32768 60999\n").unwrap();
        if !path.join("ip_local_reserved_ports").exists() {
            fs::write(path.join("ip_local_reserved_ports"), "\n").unwrap();
        }
        let store = Store::new(&path.join("state"));
        let mut node = Node {
            kernel,
            observer: system,
            state: store.load().unwrap().unwrap_or_default(),
            store,
            config: Config::default(),
            config_path: path.join("berth.toml"),
            local_ports: LocalPorts::at(path),
            forwarding: Forwarding::at(path),
            uplinks: Uplinks::Automatic,
            links: None,
            attachments: BTreeMap::new(),
            former: BTreeMap::new(),
            rules: BTreeMap::new(),
            sets: BTreeMap::new(),
            addresses: Addresses::default(),
            nat: None,
            clashes: Vec::new(),
            templates: Vec::new(),
            unread: None,
            failures: BTreeMap::new(),
            most: 100,
            problem: None,
        };
        node.restore().unwrap();
        node.refresh().unwrap();
        Self { directory, node }
    }

    /// Another berth takes over kernel and files.
    fn again(self) -> Self {
        Self::with(self.node.kernel, self.node.observer, self.directory)
    }

    /// The node starts anew: the kernel has forgotten everything.
    fn rebooted(self) -> Self {
        Self::with(FakeKernel::default(), self.node.observer, self.directory)
    }

    fn execute(&mut self, request: Request) -> Result<Response, NodeError> {
        let daemon = Daemon { running: false, pid: None, since: None, problem: None };
        self.node.execute(request, &daemon)
    }

    fn add(&mut self, text: &str, target: Target) -> Result<Response, NodeError> {
        self.add_with(text, target, Settings::default())
    }

    fn add_with(&mut self, text: &str, target: Target, settings: Settings) -> Result<Response, NodeError> {
        self.execute(Request::ContainerAdd { name: name(text), target, settings })
    }

    /// What is on file.
    fn saved(&self) -> State {
        self.node.store.load().unwrap().unwrap_or_default()
    }

    /// Asserts that `work` fails with `message`, and that nothing is changed by it.
    #[track_caller]
    fn refuses<T>(&mut self, message: &str, work: impl FnOnce(&mut Self) -> Result<T, NodeError>) {
        let before = (picture(&self.node.state), self.kernel_picture());
        let Err(error) = work(self) else { panic!("not refused: {message}") };
        let text = error.to_string();
        assert!(text.contains(message) && !text.contains('\n'), "{text}");
        assert_eq!(picture(&self.node.state), before.0, "{message}");
        assert_eq!(picture(&self.saved()), before.0, "{message}");
        assert_eq!(self.kernel_picture(), before.1, "{message}");
    }

    fn kernel_picture(&self) -> String {
        let kernel = &self.node.kernel;
        format!("{:?} {:?} {:?} {:?}", kernel.containers, kernel.ports, kernel.owned, kernel.nat)
    }
}

/// All but the numbers that were given out: they need not be given out again.
fn picture(state: &State) -> String {
    format!("{:?} {:?} {:?}", state.containers, state.reservations, state.local_ports)
}

/// Has the files in `containers/` read that are there, and these, as at a start.
fn declare(bench: &mut Bench, files: &[(&str, &str)]) {
    let containers = bench.directory.path().join("containers");
    fs::create_dir_all(&containers).unwrap();
    for (name, text) in files {
        fs::write(containers.join(name), text).unwrap();
    }
    bench.node.declare(config::declared(&bench.node.config_path));
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cgroup(path: &str) -> Target {
    Target { cgroups: vec![path.into()], ..Target::default() }
}

fn interface(name: &str) -> Target {
    Target { interface: Some(name.to_owned()), ..Target::default() }
}
