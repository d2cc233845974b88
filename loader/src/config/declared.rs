//! Containers that the operator has declared in files.

use std::{
    ffi::OsStr,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ConfigError, Template, template::Patterns};
use crate::api::{
    allowance::Allowance, feature::Mask, flow_events::FlowEvents, mac::Mac, masquerade::Masquerade,
    mode::Mode, name::Name, packet_sockets::PacketSockets, rules::Family, runtime::Runtime,
    settings::Settings, spoofing::Spoofing, target::Target, timeouts::Timeouts,
};

/// What a file in `containers/` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declaration {
    /// Of one container.
    Container(Declared),
    /// Of all that its patterns mean.
    Template(Template),
}

/// A container that is to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The file that says so.
    pub path: PathBuf,
    /// Its name, which is the file's without `.toml`.
    pub name: Name,
    /// How it is recognised.
    pub target: Target,
    /// What is set about it.
    pub settings: Settings,
}

/// What stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    cgroups: Vec<PathBuf>,
    interface: Option<String>,
    lxc: Option<String>,
    docker: Option<String>,
    podman: Option<String>,
    nspawn: Option<String>,
    libvirt: Option<String>,
    r#match: Option<Patterns>,
    rules: Option<PathBuf>,
    rules6: Option<PathBuf>,
    addresses: Option<Vec<IpAddr>>,
    macs: Option<Vec<Mac>>,
    routes: Option<bool>,
    spoofing: Option<Spoofing>,
    masquerade: Option<Masquerade>,
    mode: Option<Mode>,
    features: Option<Mask>,
    max_rules: Option<u32>,
    max_flows: Option<u32>,
    max_flow_rate: Option<u32>,
    flow_events: Option<FlowEvents>,
    timeouts: Option<Timeouts>,
    max_ports: Option<u32>,
    max_set_entries: Option<u32>,
    max_guards: Option<u32>,
    ports: Option<Allowance>,
    packet_sockets: Option<PacketSockets>,
}

/// Reads the files in `containers/` beside the configuration file, in the order of their names. One that makes no sense
/// does not keep the others from being read.
pub fn declared(config: &Path) -> Vec<Result<Declaration, ConfigError>> {
    let directory = config.parent().unwrap_or(Path::new("")).join("containers");
    match files(&directory) {
        Ok(paths) => paths.into_iter().map(read).collect(),
        Err(error) => vec![Err(error)],
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let failed = |error| ConfigError::Read { path: directory.to_owned(), error };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.retain(|path| path.extension() == Some(OsStr::new("toml")));
    paths.sort();
    Ok(paths)
}

fn read(path: PathBuf) -> Result<Declaration, ConfigError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match stem.parse() {
        Ok(name) => name,
        Err(error) => return Err(ConfigError::FileName { path, error }),
    };
    match fs::read_to_string(&path) {
        Ok(text) => parse(path, name, &text),
        Err(error) => Err(ConfigError::Read { path, error }),
    }
}

fn parse(path: PathBuf, name: Name, text: &str) -> Result<Declaration, ConfigError> {
    let content: Content = match toml::from_str(text) {
        Ok(content) => content,
        Err(error) => return Err(ConfigError::content(path, text, &error)),
    };
    let named = [
        (Runtime::Lxc, content.lxc),
        (Runtime::Docker, content.docker),
        (Runtime::Podman, content.podman),
        (Runtime::Nspawn, content.nspawn),
        (Runtime::Libvirt, content.libvirt),
    ];
    let runtimes = named.into_iter().filter_map(|(runtime, name)| Some((runtime, name?))).collect();
    let target = Target { cgroups: content.cgroups, interface: content.interface, pid: None, runtimes };
    let settings = Settings {
        mode: content.mode,
        features: content.features,
        max_rules: content.max_rules,
        max_flows: content.max_flows,
        max_flow_rate: content.max_flow_rate,
        flow_events: content.flow_events,
        timeouts: content.timeouts,
        max_ports: content.max_ports,
        max_set_entries: content.max_set_entries,
        max_guards: content.max_guards,
        ports: content.ports,
        packet_sockets: content.packet_sockets,
        addresses: content.addresses,
        macs: content.macs,
        routes: content.routes,
        spoofing: content.spoofing,
        masquerade: content.masquerade,
    };
    let rules = [(Family::Ipv4, content.rules), (Family::Ipv6, content.rules6)];
    if let Some(patterns) = content.r#match {
        if !target.is_empty() {
            let message = "match means others than the one container that the file names";
            return Err(ConfigError::of_key(&path, text, "match", message));
        }
        return Template::new(path, name, text, patterns, settings, rules).map(Declaration::Template);
    }
    if target.is_empty() {
        let message = "nothing says how the container is recognised; give cgroups, interface, lxc, docker, podman, nspawn, libvirt or match";
        return Err(ConfigError::Content { path, line: 1, message: message.to_owned() });
    }
    for (key, (_, file)) in ["rules", "rules6"].into_iter().zip(rules) {
        if file.is_some() {
            let message =
                format!("{key} goes with match; `berth rules restore` gives one container its rules");
            return Err(ConfigError::of_key(&path, text, key, message));
        }
    }
    Ok(Declaration::Container(Declared { path, name, target, settings }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let containers = directory.path().join("containers");
        fs::create_dir(&containers).unwrap();
        for (name, text) in files {
            fs::write(containers.join(name), text).unwrap();
        }
        directory
    }

    fn container(declaration: Declaration) -> Declared {
        match declaration {
            Declaration::Container(declared) => declared,
            Declaration::Template(template) => panic!("{template:?}"),
        }
    }

    #[test]
    fn reads_every_key_in_the_order_of_names() {
        let directory = directory(&[
            (
                "web.toml",
                "interface = 'veth0'\naddresses = ['192.0.2.1', '2001:db8::1']\n\
                 macs = ['02:00:00:00:00:01']\nroutes = true\nmasquerade = '192.0.2.1'\n",
            ),
            (
                "mail.toml",
                "cgroups = ['/mail']\nlxc = 'mail'\nmode = 'stateful'\nmasquerade = false\nmax_flows = 10\n\
                 max_ports = 5\nports = [25, '587-588']\npacket_sockets = 'deny'\n",
            ),
            ("notes.txt", "not a container"),
        ]);
        let all = declared(&directory.path().join("berth.toml"));
        let all: Vec<_> = all.into_iter().map(|one| container(one.unwrap())).collect();
        assert_eq!(all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["mail", "web"]);
        assert_eq!(all[0].settings.ports.as_ref().unwrap().to_string(), "25,587-588");
        assert_eq!(all[0].settings.mode, Some(Mode::Stateful));
        assert_eq!(all[1].target.interface.as_deref(), Some("veth0"));
        assert_eq!(all[1].settings.addresses.as_ref().unwrap().len(), 2);
        assert_eq!(all[1].settings.macs.as_ref().unwrap()[0].to_string(), "02:00:00:00:00:01");
        assert_eq!(all[1].settings.routes, Some(true));
        let masquerades = [&all[0], &all[1]].map(|one| one.settings.masquerade);
        assert_eq!(masquerades, [Some(Masquerade::No), Some("192.0.2.1".parse().unwrap())]);
    }

    #[test]
    fn a_template_has_rules_in_files_beside_it() {
        let text =
            "match = ['lxc:ci-*', '/ci/*']\nmode = 'stateful'\nrules = 'ci.rules'\nrules6 = 'ci6.rules'\n";
        let files = [("ci.toml", text), ("ci.rules", "*filter\nCOMMIT\n"), ("ci6.rules", "")];
        let directory = directory(&files);
        let all = declared(&directory.path().join("berth.toml"));
        let [Ok(Declaration::Template(template))] = &all[..] else { panic!("{all:?}") };
        assert_eq!(template.name.as_str(), "ci");
        let patterns: Vec<_> = template.patterns.iter().map(ToString::to_string).collect();
        assert_eq!(patterns, ["lxc:ci-*", "/ci/*"]);
        assert_eq!(template.settings.mode, Some(Mode::Stateful));
        let rules = [(Family::Ipv4, "*filter\nCOMMIT\n".to_owned()), (Family::Ipv6, String::new())];
        assert_eq!(template.rules, rules);
    }

    #[test]
    fn no_directory_declares_nothing() {
        assert!(declared(Path::new("/nonexistent/berth.toml")).is_empty());
    }

    #[test]
    fn names_file_and_line() {
        for (name, text, expected) in [
            ("a.toml", "cgroups = ['/a']\nmode = 'open'\n", "a.toml:2: unknown variant"),
            ("a.toml", "cgroups = ['/a']\n\npid = 7\n", "a.toml:3: unknown field"),
            ("a.toml", "mode = 'full'\n", "a.toml:1: nothing says"),
            ("a.toml", "cgroups = ['/a']\nmacs = ['1']\n", "a.toml:2: \"1\" is no hardware address"),
            (
                "a.toml",
                "cgroups = ['/a']\nmasquerade = 'yes'\n",
                "a.toml:2: invalid value: string \"yes\", expected",
            ),
            ("a.toml", "cgroups = ['/a']\nports = ['90-80']\n", "a.toml:2: \"90-80\" ends before"),
            ("a.toml", "mode = 'full'\nmatch = 'lxd:*'\n", "a.toml:2: \"lxd:*\" begins with no runtime"),
            ("a.toml", "match = []\n", "a.toml:1: match means nothing"),
            ("a.toml", "lxc = 'a'\nmatch = 'lxc:*'\n", "a.toml:2: match means others"),
            (
                "a.toml",
                "match = 'lxc:*'\nmacs = ['02:00:00:00:00:01']\n",
                "a.toml:2: macs goes with one container",
            ),
            ("a.toml", "lxc = 'a'\nrules = 'x'\n", "a.toml:2: rules goes with match"),
            ("a.toml", "match = 'lxc:*'\nrules = 'none'\n", "containers/none; No such file"),
            ("a b.toml", "cgroups = ['/a']\n", "a b.toml: \"a b\" is no container name"),
        ] {
            let directory = directory(&[(name, text), ("z.toml", "cgroups = ['/z']")]);
            let all = declared(&directory.path().join("berth.toml"));
            assert!(all.len() == 2 && all[1].is_ok());
            let message = all[0].as_ref().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
