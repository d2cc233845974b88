//! Real Podman containers, whose Podman has storage, networks and locks of its own.
//!
//! All of its commands run on a host's network and in one mount namespace, where Podman finds the cgroup hierarchy, leaves the
//! names of its network namespaces, gives addresses out, and counts its locks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::berth::Berth;
use crate::cgroup::Cgroup;
use crate::command::command_in;
use crate::endpoint::{Endpoint, Host};
use crate::name;
use crate::process::{Process, ok_for};
use crate::wait::{self, LIMIT};

/// How long Podman may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Has the cgroup hierarchy alone where Podman looks for it, says that it is done, and stays.
const PLACE: &str = "umount --lazy --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && \
    mkdir -p /run/containers && mount -t tmpfs none /run/containers && mount -t tmpfs none /run/netns && \
    mount -t tmpfs none /dev/shm && echo ready && exec sleep infinity";
/// What the containers' only image is called.
const IMAGE: &str = "busybox";
/// What can be run in them, all of which busybox is.
const PROGRAMS: [&str; 4] = ["sh", "sleep", "ping", "nc"];
/// Has the hook called where there is an annotation.
const HOOK: &str = include_str!("../../packaging/oci-hook.json");
const ANNOTATION: &str = "berth=yes";

/// A Podman. Dropping it removes its containers and all that it has.
#[derive(Debug)]
pub struct Podman {
    host: Host,
    directory: PathBuf,
    cgroup: Cgroup,
    /// Has the mount namespace.
    place: Process,
}

impl Podman {
    /// Makes one on a host's network, with an image that has nothing but busybox.
    pub fn new(host: &Host) -> Result<Self> {
        let cgroup = Cgroup::new("podman")?;
        let directory = std::env::temp_dir().join(format!("{}-podman", name::unique()));
        for part in ["hooks", "networks", "tmp", "rootfs/bin"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let mut command = command_in(host.netns(), None, "unshare")?;
        let place = Process::spawn(command.args(["--mount", "sh", "-c", PLACE]))?;
        let mut podman = Self { host: host.clone(), directory, cgroup, place };
        podman.set_up().context("set Podman up")?;
        Ok(podman)
    }

    /// What berth.toml has to say, that its containers are found.
    pub fn config(&self) -> String {
        let [lib, run] = [self.storage(), self.run_directory()];
        format!("[runtimes]\npodman = \"{}\"\npodman_run = \"{}\"\n", lib.display(), run.display())
    }

    /// Has it call `berth hook oci` of this instance, as docs/runtimes.md has it, for containers that are told to be berth's.
    pub fn install_hook(&self, berth: &Berth) -> Result<()> {
        let command = berth.command(["hook", "oci"])?;
        let arguments = command.get_args().map(|argument| argument.to_string_lossy());
        let arguments: Vec<_> = ["berth".into()].into_iter().chain(arguments).collect();
        let mut hook: serde_json::Value = serde_json::from_str(HOOK)?;
        hook["hook"] = json!({ "path": command.get_program().to_string_lossy(), "args": arguments });
        Ok(fs::write(self.directory.join("hooks/berth.json"), hook.to_string())?)
    }

    /// Starts a container that runs this line of shell; `options` are those of `podman run`.
    pub fn run(&self, name: &str, options: &[&str], line: &str) -> Result<()> {
        let cgroup = self.cgroup.hierarchy_path()?;
        let mut command = self.command("podman")?;
        // Privileged, as no limit may be raised in a sandbox that is itself a container.
        command.args(["run", "-d", "--privileged", "--name", name]);
        command.args(["--annotation", ANNOTATION, "--cgroup-parent"]).arg(cgroup);
        command.args(options).args([IMAGE, "/bin/sh", "-c", line]);
        ok_for(&mut command, PATIENCE).map(drop)
    }

    /// Carries out a command of Podman's.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        ok_for(self.command("podman")?.args(arguments), PATIENCE)
    }

    fn set_up(&mut self) -> Result<()> {
        wait::until_true("Podman's mount namespace", LIMIT, || Ok(self.place.stdout()? == "ready\n"))?;
        fs::write(self.directory.join("containers.conf"), self.settings())?;
        let [lib, run] = [self.storage(), self.run_directory()];
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            lib.display(),
            run.display()
        );
        fs::write(self.directory.join("storage.conf"), storage)?;
        let (root, image) = (self.directory.join("rootfs"), self.directory.join("image.tar"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|place| place.join("busybox"));
        let busybox = places.find(|program| program.is_file()).context("find busybox")?;
        fs::copy(busybox, root.join("bin/busybox"))?;
        for program in PROGRAMS {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(program))?;
        }
        let mut tar = Command::new("tar");
        ok_for(tar.arg("-C").arg(&root).arg("-cf").arg(&image).arg("."), PATIENCE)?;
        ok_for(self.command("podman")?.arg("import").arg(&image).arg(IMAGE), PATIENCE)?;
        Ok(())
    }

    fn settings(&self) -> String {
        let place = |name: &str| self.directory.join(name).display().to_string();
        format!(
            "[containers]\npids_limit = 0\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
             log_driver = \"k8s-file\"\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"crun\"\n\
             tmp_dir = \"{}\"\nhooks_dir = [\"{}\"]\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"{}\"\n",
            place("tmp"),
            place("hooks"),
            place("networks"),
        )
    }

    fn storage(&self) -> PathBuf {
        self.directory.join("lib")
    }

    fn run_directory(&self) -> PathBuf {
        self.directory.join("run")
    }

    fn command(&self, program: &str) -> io::Result<Command> {
        let mut command = command_in(self.host.netns(), None, "nsenter")?;
        command.args(["--mount", "--target", &self.place.id().to_string(), program]);
        command.env("CONTAINERS_CONF", self.directory.join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.directory.join("storage.conf"));
        Ok(command)
    }

    fn remove(&mut self) -> Result<()> {
        let removed = self.ok(&["rm", "--force", "--all", "--time", "0"]);
        self.place.kill()?;
        remove_tree(&self.directory)?;
        removed.map(drop)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("Podman at {} is left behind in part: {error:#}", self.directory.display());
        }
    }
}

/// What watches over a container that was killed may be at work there still.
fn remove_tree(directory: &Path) -> Result<()> {
    wait::until_true("Podman's directories to be gone", LIMIT, || {
        Ok(fs::remove_dir_all(directory).is_ok() || !directory.exists())
    })
}
