//! `berth.toml`.

use std::{fs, io, path::Path};

use berth_common::abi::config::{self as abi, MAX_UPLINKS};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{ConfigError, Defaults, Limits, MarkBits, Nat, Runtimes};
use crate::api::{feature::Mask, timeouts::Timeouts};

/// What `berth.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Interfaces that carry traffic to other hosts; none means those that a default route leads over.
    #[serde(deserialize_with = "uplinks")]
    pub uplinks: Vec<String>,
    /// What happens to packets for nobody.
    pub unowned: Unowned,
    /// What happens when the operator reserves a port that the kernel may hand out.
    pub local_port_range: LocalPortRange,
    /// Features that containers' rules may use on this node.
    pub features: Mask,
    /// The bits of packets' marks that are berth's own.
    pub mark: MarkBits,
    /// Whether flows keep verdicts.
    pub keep_verdicts: KeepVerdicts,
    /// Whether packets of established flows go from interface to interface past the node's own stack.
    pub fastpath: bool,
    /// Whether TCP segments pass for their connection's that are outside of its window
    /// (`net.netfilter.nf_conntrack_tcp_be_liberal`).
    pub tcp_liberal: bool,
    /// Whether TCP connections may be met in mid-stream.
    pub tcp_loose: TcpLoose,
    /// How long flows last.
    pub timeouts: Timeouts,
    /// How addresses are translated.
    pub nat: Nat,
    /// Where container runtimes keep what they know of their containers.
    pub runtimes: Runtimes,
    /// How much the node's tables hold.
    pub sizes: Limits,
    /// What holds for containers that say nothing else.
    pub defaults: Defaults,
}

/// Whether a flow keeps what rules have said of its packets, where that is the same for all of them. It changes nothing but
/// what packets cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepVerdicts(pub bool);

impl Default for KeepVerdicts {
    fn default() -> Self {
        Self(true)
    }
}

/// Whether TCP connections may be met in mid-stream (`net.netfilter.nf_conntrack_tcp_loose`): those that are older than berth's
/// tables are not known then, unless their sockets are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpLoose(pub bool);

impl Default for TcpLoose {
    fn default() -> Self {
        Self(true)
    }
}

/// What happens to packets for nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unowned {
    /// They pass, counted.
    #[default]
    Pass,
    /// They are dropped, counted.
    Drop,
}

/// What happens when the operator reserves a port within `net.ipv4.ip_local_port_range`, from which the kernel takes
/// ports for sockets that ask for none: it could give the port to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalPortRange {
    /// The port is put into `net.ipv4.ip_local_reserved_ports` for as long as it is reserved.
    #[default]
    Reserve,
    /// The reservation is refused.
    Refuse,
}

impl Config {
    /// Reads `path`. If the file does not exist, nothing is configured, unless it `must_exist`.
    pub fn read(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(error) => Err(ConfigError::Read { path: path.to_owned(), error }),
        }
    }

    /// How strictly TCP is looked at, as the programs are told.
    pub fn tcp(&self) -> u32 {
        let liberal = if self.tcp_liberal { abi::Config::TCP_LIBERAL } else { 0 };
        let strict = if self.tcp_loose.0 { 0 } else { abi::Config::TCP_STRICT };
        liberal | strict
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::content(path.to_owned(), text, &error))
    }
}

fn uplinks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.len() > MAX_UPLINKS {
        return Err(D::Error::custom(format!(
            "{} uplinks are too many; a node may have {MAX_UPLINKS}",
            names.len()
        )));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::mode::Mode;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("berth.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_everything_by_default() {
        assert_eq!(parse("").unwrap(), Config::default());
        assert_eq!(Config::default().defaults.max_flows, 8_192);
    }

    #[test]
    fn takes_every_key() {
        let config = parse(
            "uplinks = ['eth0']\nunowned = 'drop'\nlocal_port_range = 'refuse'\nfeatures = 'limit,multiport'\nmark = 0x780\nkeep_verdicts = false\nfastpath = true\n\
             tcp_liberal = true\ntcp_loose = false\n\
             [sizes]\nflows = 1048576\nports = 4096\nguards = 77\ncontainers = 100\n\
             [defaults]\nmode = 'full'\nmax_rules = 3\nmax_flows = 1\nmax_ports = 2\nmax_set_entries = 4\nmax_guards = 5\n\
             max_flow_rate = 6\n[timeouts]\nudp = 7\n[nat]\nports = '2000-3000'\nfrom_node = true\n",
        )
        .unwrap();
        assert_eq!(config.uplinks, ["eth0"]);
        assert_eq!(config.unowned, Unowned::Drop);
        assert_eq!(config.features.to_string(), "filter,multiport,limit");
        assert_eq!(config.mark.mask(), 0x780);
        assert_eq!((config.keep_verdicts, config.fastpath), (KeepVerdicts(false), true));
        assert_eq!((config.tcp_liberal, config.tcp_loose), (true, TcpLoose(false)));
        assert_eq!(config.local_port_range, LocalPortRange::Refuse);
        assert_eq!(config.sizes, Limits { flows: 1_048_576, ports: 4_096, guards: 77, containers: 100 });
        let defaults = Defaults {
            mode: Mode::Full,
            max_rules: 3,
            max_flows: 1,
            max_ports: 2,
            max_set_entries: 4,
            max_guards: 5,
            max_flow_rate: 6,
        };
        assert_eq!(config.defaults, defaults);
        assert_eq!(config.timeouts.to_string(), "udp=7");
        assert_eq!((config.nat.ports.0.to_string().as_str(), config.nat.from_node), ("2000-3000", true));
    }

    #[test]
    fn the_packaged_example_is_the_default() {
        assert_eq!(parse(include_str!("../../../packaging/berth.toml")).unwrap(), Config::default());
    }

    #[test]
    fn names_the_line() {
        for (text, line, word) in [
            ("uplinks = []\nuplink = 'x'\n", 2, "unknown field"),
            ("\n\nunowned = 'maybe'\n", 3, "unknown variant"),
            ("mark = 7\n", 1, "four bits"),
            ("[timeouts]\nudp = 3\nudpx = 3\n", 1, "no timeout is called"),
            ("features = 'limits'\n", 1, "did you mean limit"),
            ("[sizes]\n# many\nflows = 3\n", 3, "3 is not from 1024"),
            ("[nat]\nports = '9-8'\n", 2, "ends before it begins"),
            ("[nat]\nports = '1023-8000'\n", 2, "begins below 1024"),
            ("[nat]\nports = 'many'\n", 2, "is no port or range of ports"),
            ("\nuplinks = ['a'\n", 2, ""),
            ("[defaults]\nmax_flows = -1\n", 2, ""),
            ("uplinks=['a','b','c','d','e','f','g','h','i']", 1, "too many"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with(&format!("berth.toml:{line}: ")), "{message}");
            assert!(message.contains(word) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_only_if_it_was_named() {
        let path = Path::new("/nonexistent/berth.toml");
        assert_eq!(Config::read(path, false).unwrap(), Config::default());
        assert!(Config::read(path, true).is_err());
    }
}
