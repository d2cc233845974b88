//! Taking a node into care.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use berth_common::abi;
use log::{error, info, warn};

use super::{Addresses, Forwarding, LocalPorts, Node, NodeError, Observer, Uplinks, refused};
use crate::{
    config::{Config, Unowned, declared},
    containers::{self, Host},
    control::{Bpffs, Kernel, Object, Pinned, Policy, Sizes, ensure_bpffs},
    state::{Instance, Resized, State, Store},
};

/// Where one instance of berth keeps its things.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Configuration file.
    pub config: PathBuf,
    /// Whether somebody has named it, so that it must exist.
    pub config_named: bool,
    /// Directory of the state.
    pub state_dir: PathBuf,
    /// Directory of socket and lock.
    pub run_dir: PathBuf,
    /// Directory of the pins.
    pub pin_dir: PathBuf,
}

impl Paths {
    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("berth.sock")
    }

    /// The file that whoever has the node in care holds a lock on.
    pub fn lock(&self) -> PathBuf {
        self.run_dir.join("berth.lock")
    }
}

/// What a node is taken into care for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To put everything in force that configuration and state say.
    Enforce {
        /// Uplinks named on the command line; none for those of the configuration.
        uplinks: Vec<String>,
        /// The eBPF object to load; the one in this binary if none is named.
        object: Option<PathBuf>,
        /// Whether to carry on without uplinks that do not exist: they may come.
        patient: bool,
    },
    /// To carry out a request on what is in force.
    Request,
}

impl Node<Kernel, Host> {
    /// Takes over what is pinned, or loads it if the purpose is to enforce; then makes it what configuration and state
    /// say.
    pub fn open(paths: &Paths, purpose: &Purpose) -> Result<Self, NodeError> {
        let mut host = Host::check()?;
        let store = Store::new(&paths.state_dir);
        let known = store.load()?;
        let (config, problem) = configuration(paths, known.as_ref())?;
        if let (Some(problem), Purpose::Enforce { .. }) = (&problem, purpose) {
            error!("{problem}");
        }
        host.runtimes = config.runtimes.clone();
        let uplinks = choose_uplinks(&host, &config, purpose)?;

        let mut sizes = Sizes::from(&config.sizes);
        sizes.flows = Resized::wanted(known.as_ref().and_then(|state| state.resized), sizes.flows);
        let (kernel, adopted) =
            attach(paths, &sizes, purpose).map_err(|error| refused::keep(paths, error))?;
        let has_past = known.is_some();
        let node = Self {
            most: kernel.sizes()?.containers,
            kernel,
            observer: host,
            store,
            state: known.unwrap_or_default(),
            config,
            config_path: paths.config.clone(),
            local_ports: LocalPorts::system(),
            forwarding: Forwarding::system(),
            uplinks,
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
            problem,
        };
        let started = node.start(paths, purpose, adopted, has_past);
        if started.is_err() && !adopted {
            // What was loaded for nothing must not stay behind.
            if let Err(error) = Kernel::down(&paths.pin_dir) {
                warn!("{error}");
            }
        }
        started
    }

    fn start(
        mut self,
        paths: &Paths,
        purpose: &Purpose,
        adopted: bool,
        has_past: bool,
    ) -> Result<Self, NodeError> {
        let instance = instance()?;
        if adopted && self.state.instance.as_ref().is_some_and(|other| *other != instance) {
            return Err(NodeError::OtherNamespace(paths.pin_dir.clone()));
        }
        if adopted && !has_past {
            self.check_pins(&paths.pin_dir)?;
        }
        if !adopted {
            self.state.uplinks.clear();
        }
        self.kernel.configure(&Policy {
            netns_cookie: instance.netns,
            drop_unowned: self.config.unowned == Unowned::Drop,
            keep_verdicts: self.config.keep_verdicts.0,
            fastpath: self.config.fastpath,
            tcp: self.config.tcp(),
            mark_mask: self.config.mark.mask(),
        })?;
        self.state.instance = Some(instance);
        if self.problem.is_none() && matches!(purpose, Purpose::Enforce { .. }) {
            self.state.config = Some(self.config.clone());
        }
        self.restore()?;
        let declared = declared(&paths.config);
        if matches!(purpose, Purpose::Request) {
            // A hook may tell of a container that one of them means.
            self.note_templates(&declared);
            return Ok(self);
        }
        // Container by container, then the uplinks: nothing passes an uplink before its owner is known.
        self.declare(declared);
        let interfaces = self.observer.links()?.into();
        self.follow_templates(&interfaces);
        self.follow_interfaces()?;
        self.warn_of_masquerade_ports();
        self.refresh_uplinks(&interfaces)?;
        Ok(self)
    }

    /// What keeps configuration and state from being in force, if anything does.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// What the file says; if it makes no sense, what it said when it last did, and what is wrong with it.
fn configuration(paths: &Paths, known: Option<&State>) -> Result<(Config, Option<String>), NodeError> {
    match Config::read(&paths.config, paths.config_named) {
        Ok(config) => Ok((config, None)),
        Err(error) => match known.and_then(|state| state.config.clone()) {
            Some(config) => {
                let problem = format!("{error}; the last configuration that made sense holds");
                Ok((config, Some(problem)))
            }
            None => Err(error.into()),
        },
    }
}

fn choose_uplinks(host: &Host, config: &Config, purpose: &Purpose) -> Result<Uplinks, NodeError> {
    let Purpose::Enforce { uplinks, patient, .. } = purpose else {
        return Ok(Uplinks::Kept);
    };
    let mut names = if uplinks.is_empty() { config.uplinks.clone() } else { uplinks.clone() };
    names.sort();
    names.dedup();
    for name in &names {
        if host.link(name).is_err() {
            if !patient {
                return Err(NodeError::NoUplink(name.clone()));
            }
            warn!("there is no interface {name} yet; it becomes an uplink when it appears");
        }
    }
    Ok(if names.is_empty() { Uplinks::Automatic } else { Uplinks::Named(names) })
}

/// The kernel, and whether what was pinned was taken over.
fn attach(paths: &Paths, sizes: &Sizes, purpose: &Purpose) -> Result<(Kernel, bool), NodeError> {
    let pin_dir = paths.pin_dir.as_path();
    let object = match purpose {
        Purpose::Enforce { object, .. } => {
            mount(pin_dir)?;
            Some(object.as_deref().map_or_else(|| Ok(Object::embedded()), Object::read)?)
        }
        Purpose::Request => None,
    };
    match (Kernel::pinned(pin_dir)?, &object) {
        (Pinned::Nothing, Some(object)) => Ok((Kernel::load(pin_dir, sizes, object)?, false)),
        (Pinned::Nothing, None) => Err(NodeError::NotUp { socket: paths.socket(), pin_dir: pin_dir.into() }),
        (Pinned::Foreign, _) => Err(NodeError::Foreign(pin_dir.into())),
        (Pinned::Berth { abi }, _) if abi != abi::VERSION => {
            Err(NodeError::OtherAbi { pin_dir: pin_dir.into(), found: abi })
        }
        (Pinned::Berth { .. }, object) => {
            let kernel = match object {
                Some(object) => {
                    let mut kernel = Kernel::adopt(pin_dir, object)?;
                    resize(&mut kernel, sizes)?;
                    kernel
                }
                None => Kernel::join(pin_dir)?,
            };
            info!("took over what is pinned at {}", pin_dir.display());
            Ok((kernel, true))
        }
    }
}

/// Has the flow table grow to what is wanted; all else that is sized is made once.
fn resize(kernel: &mut Kernel, wanted: &Sizes) -> Result<(), NodeError> {
    kernel.provide_flows()?;
    let made = kernel.sizes()?;
    if made.flows < wanted.flows {
        // Enforcement goes on whatever comes of this.
        match kernel.grow_flows(wanted.flows) {
            Ok(before) => info!("the flow table holds {} flows, {before} before", wanted.flows),
            Err(error) => warn!("{error}"),
        }
    }
    if made.flows > wanted.flows || (Sizes { flows: wanted.flows, ..made }) != *wanted {
        warn!(
            "[sizes] of the configuration holds after `berth down` only: tables are made once, and flows can but grow"
        );
    }
    Ok(())
}

fn mount(pin_dir: &Path) -> Result<(), NodeError> {
    match ensure_bpffs(pin_dir)? {
        Bpffs::Mounted => {}
        Bpffs::MountedNow(at) => info!("mounted a BPF file system at {}", at.display()),
        Bpffs::MountedPrivately(at) => warn!(
            "mounted a BPF file system at {} in this mount namespace only; what is pinned ends with it",
            at.display()
        ),
    }
    Ok(())
}

/// This network namespace, in this run of the kernel.
pub fn instance() -> Result<Instance, NodeError> {
    let path = PathBuf::from("/proc/sys/kernel/random/boot_id");
    let boot = fs::read_to_string(&path).map_err(|error| NodeError::Sysctl { path, error })?;
    Ok(Instance { boot: boot.trim().to_owned(), netns: containers::netns_cookie()? })
}
