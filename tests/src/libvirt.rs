//! A real libvirt, with a place of its own for all that it keeps, whose domains are virtual machines without a disk: their firmware
//! asks for an address, again and again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cgroup::Cgroup;
use crate::command::command_in;
use crate::endpoint::{Endpoint as _, Host};
use crate::name;
use crate::process::{Process, ok_for};
use crate::wait;

/// How long it may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Has all that libvirt writes in a directory, and the accounts that it asks for, and becomes libvirtd.
const PLACE: &str = "mount --make-rprivate / && \
    umount --lazy --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && \
    for part in run var/lib var/cache var/log; do \
        mount -t tmpfs none /$part && mkdir -p /$part/libvirt || exit 1; \
    done && \
    mount --bind \"$0/run\" /run/libvirt && mount --bind \"$0/etc\" /etc/libvirt && \
    mount --bind \"$0/passwd\" /etc/passwd && mount --bind \"$0/group\" /etc/group && exec libvirtd";
/// Nobody else gets to the socket.
const DAEMON: &str = "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n";
/// What it would keep its domains apart by is not to be had everywhere.
const DRIVER: &str = "security_driver = \"none\"\nuser = \"root\"\ngroup = \"root\"\ncgroup_controllers = []\n\
    namespaces = []\nremember_owner = 0\nstdio_handler = \"file\"\n";

/// A libvirt. Dropping it ends all of its domains and removes all that it has, but for networks' bridges and rules, which go with
/// the host's network namespace.
#[derive(Debug)]
pub struct Libvirt {
    directory: PathBuf,
    daemon: Process,
    /// Of the daemon and all that it has started, which ends with it.
    _cgroup: Cgroup,
}

impl Libvirt {
    /// Starts one on a host's network.
    pub fn start(host: &Host) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("{}-libvirt", name::unique()));
        for part in ["run", "etc/qemu"] {
            fs::create_dir_all(directory.join(part))?;
        }
        fs::write(directory.join("etc/libvirtd.conf"), DAEMON)?;
        fs::write(directory.join("etc/qemu.conf"), DRIVER)?;
        for (file, line) in
            [("passwd", "libvirt-qemu:x:64055:64055::/:/bin/false\n"), ("group", "libvirt-qemu:x:64055:\n")]
        {
            fs::write(directory.join(file), fs::read_to_string(format!("/etc/{file}"))? + line)?;
        }
        let cgroup = Cgroup::new("libvirt")?;
        let mut command = command_in(host.netns(), Some(&cgroup), "unshare")?;
        let daemon = Process::spawn(command.args(["--mount", "sh", "-c", PLACE]).arg(&directory))?;
        let mut libvirt = Self { directory, daemon, _cgroup: cgroup };
        wait::until_true("libvirt to answer", PATIENCE, || Ok(libvirt.virsh(&["version"]).is_ok()))
            .with_context(|| libvirt.daemon.stderr().unwrap_or_default())?;
        Ok(libvirt)
    }

    /// What berth.toml has to say, that its domains are found.
    pub fn config(&self) -> String {
        format!("[runtimes]\nlibvirt = \"{}\"\n", self.directory.join("run").display())
    }

    /// Starts a domain with an interface at a bridge.
    pub fn start_domain(&self, name: &str, bridge: &str) -> Result<()> {
        let domain = format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>\
             <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/></os>\
             <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
             <interface type='bridge'><source bridge='{bridge}'/><model type='e1000'/></interface>\
             </devices></domain>"
        );
        self.create("create", &domain)
    }

    /// Starts a network whose bridge has this address, and which goes out under the node's.
    pub fn start_network(&self, name: &str, bridge: &str, address: &str) -> Result<()> {
        let network = format!(
            "<network><name>{name}</name><forward mode='nat'/><bridge name='{bridge}'/>\
             <ip address='{address}' netmask='255.255.255.0'/></network>"
        );
        self.create("net-create", &network)
    }

    /// Carries out a command of virsh's.
    pub fn virsh(&self, arguments: &[&str]) -> Result<String> {
        let socket = self.directory.join("run/libvirt-sock");
        let uri = format!("qemu+unix:///system?socket={}", socket.display());
        ok_for(Command::new("virsh").args(["--quiet", "--connect", &uri]).args(arguments), PATIENCE)
    }

    fn create(&self, command: &str, text: &str) -> Result<()> {
        let file = self.directory.join("created.xml");
        fs::write(&file, text)?;
        self.virsh(&[command, file.to_str().context("a path that is not UTF-8")?]).map(drop)
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        let removed = self.daemon.kill().and_then(|()| Ok(fs::remove_dir_all(&self.directory)?));
        if let Err(error) = removed {
            eprintln!("libvirt at {} is left behind in part: {error:#}", self.directory.display());
        }
    }
}
