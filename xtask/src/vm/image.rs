//! The machine's file system: this program as its first process, the tests, berth, and what they run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::cpio::Archive;
use super::modules::Module;
use super::protocol::{OBJECT, PLAN, Plan};
use super::source::Source;
use crate::build::Built;
use crate::suite::Suite;

/// Programs that the tests run.
const PROGRAMS: [&str; 20] = [
    "bpftool",
    "cat",
    "ethtool",
    "install",
    "ip",
    "iperf3",
    "ls",
    "nsenter",
    "ping",
    "readlink",
    "sh",
    "sleep",
    "ss",
    "sysctl",
    "tc",
    "tcpdump",
    "traceroute",
    "unshare",
    "capsh",
    "ps",
];
/// Those that are taken along where they are.
const OPTIONAL: [&str; 6] = ["conntrack", "hping3", "ipset", "iptables", "nft", "nmap"];
const BUSYBOX: &str = "busybox";

const DIRECTORIES: [&str; 14] = [
    "/dev",
    "/etc",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/var",
    "/var/lib",
    "/berth",
    "/berth/deps",
    "/modules",
];
const LINKS: [(&str, &str); 4] =
    [("/bin", "usr/bin"), ("/sbin", "usr/bin"), ("/usr/sbin", "bin"), ("/var/run", "../run")];

/// What is the same for every kernel.
#[derive(Default)]
pub struct Base {
    files: BTreeMap<String, Vec<u8>>,
    pub plan: Plan,
}

impl Base {
    /// Without tests the machine only verifies.
    pub fn gather(init: &Path, built: &Built, suite: &Suite, source: &Source, work: &Path) -> Result<Self> {
        let mut base = Self::default();
        base.program("/init", init, source, work)?;
        base.file(OBJECT, fs::read(&built.object)?);
        if suite.tests.is_empty() {
            return Ok(base);
        }
        base.program("/berth/berth", &built.berth, source, work)?;
        for (name, path) in &suite.binaries {
            base.program(&format!("/berth/{name}"), path, source, work)?;
        }
        for (name, path) in &suite.tests {
            let place = format!("/berth/deps/{name}");
            base.program(&place, path, source, work)?;
            base.plan.programs.push((name.clone(), place));
        }
        for name in PROGRAMS.into_iter().chain([BUSYBOX]) {
            let path = source.program(name).with_context(|| format!("the tests need {name}"))?;
            base.program(&format!("/usr/bin/{name}"), &path, source, work)?;
        }
        for name in OPTIONAL {
            if let Some(path) = source.program(name) {
                base.program(&format!("/usr/bin/{name}"), &path, source, work)?;
            }
        }
        base.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n");
        base.text("/etc/group", "root:x:0:\nnogroup:x:65534:\n");
        base.text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
        let variables = [
            ("BERTH_BIN", "/berth/berth"),
            ("BERTH_OBJECT", OBJECT),
            ("BERTH_VM", "1"),
            ("BERTH_REUSE", "1"),
        ];
        base.plan.environment.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Ok(base)
    }

    /// The archive for one kernel.
    pub fn archive(&self, modules: &[Module], plan: &Plan) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        for path in DIRECTORIES {
            archive.directory(path);
        }
        for (path, target) in LINKS {
            archive.link(path, target);
        }
        let mut known: Vec<String> = DIRECTORIES.map(ToOwned::to_owned).to_vec();
        for (path, content) in &self.files {
            parents(path, &mut known, &mut archive);
            archive.file(path, content);
        }
        for module in modules {
            archive.file(&module_path(module), &module.bytes);
        }
        archive.file(PLAN, serde_json::to_string(plan)?.as_bytes());
        Ok(archive.finish())
    }

    /// A program, and the libraries that it needs.
    fn program(&mut self, place: &str, path: &Path, source: &Source, work: &Path) -> Result<()> {
        let path = path.canonicalize()?;
        for (name, library) in source.libraries(&path)? {
            if !self.files.contains_key(&name) {
                self.file(&name, fs::read(&library)?);
            }
        }
        // A script cannot be stripped.
        let content = source.stripped(&path, work).or_else(|_| fs::read(&path))?;
        self.file(place, content);
        Ok(())
    }

    fn text(&mut self, place: &str, content: &str) {
        self.file(place, content.as_bytes().to_vec());
    }

    fn file(&mut self, place: &str, content: Vec<u8>) {
        // Where /bin and /sbin are links, what is below them is where they lead.
        let place = match place.strip_prefix("/bin/").or_else(|| place.strip_prefix("/sbin/")) {
            Some(rest) => format!("/usr/bin/{rest}"),
            None => place.to_owned(),
        };
        self.files.insert(place, content);
    }
}

pub fn module_path(module: &Module) -> String {
    format!("/modules/{}.ko", module.name)
}

fn parents(path: &str, known: &mut Vec<String>, archive: &mut Archive) {
    for (end, _) in path.match_indices('/').skip(1) {
        let parent = &path[..end];
        if !known.iter().any(|known| known == parent) {
            archive.directory(parent);
            known.push(parent.to_owned());
        }
    }
}
