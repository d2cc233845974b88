//! Whether the node routes.

use std::{
    collections::BTreeSet,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Where the two settings are, in the network namespace of whoever opens them.
const DIRECTORY: &str = "/proc/sys/net";

/// `net.ipv4.ip_forward` and `net.ipv6.conf.all.forwarding`.
#[derive(Clone, Debug)]
pub struct Forwarding {
    directory: PathBuf,
}

impl Forwarding {
    /// Those of this network namespace.
    pub fn system() -> Self {
        Self::at(Path::new(DIRECTORY))
    }

    /// Those in `directory`.
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The settings that keep packets to and from these addresses from being routed.
    pub fn closed(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<&'static str> {
        let settings: BTreeSet<_> = addresses.into_iter().map(setting).collect();
        // What cannot be read says nothing.
        let is_closed =
            |path: &str| fs::read_to_string(self.directory.join(path)).is_ok_and(|value| value.trim() == "0");
        settings.into_iter().filter(|(_, path)| is_closed(path)).map(|(name, _)| name).collect()
    }

    /// The same, for who has just had addresses translated.
    pub fn notes(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<String> {
        let closed = self.closed(addresses).into_iter();
        closed.map(|name| format!("nothing is routed to it or from it until {name} is 1")).collect()
    }
}

/// What is set for the family: the name, and where.
const fn setting(address: IpAddr) -> (&'static str, &'static str) {
    match address {
        IpAddr::V4(_) => ("net.ipv4.ip_forward", "ipv4/ip_forward"),
        IpAddr::V6(_) => ("net.ipv6.conf.all.forwarding", "ipv6/conf/all/forwarding"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_if_it_matters() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("ipv4")).unwrap();
        let set = |value: &str| fs::write(directory.path().join("ipv4/ip_forward"), value).unwrap();
        let addresses = ["192.0.2.1", "2001:db8::1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let forwarding = Forwarding::at(directory.path());
        set("0\n");
        assert_eq!(forwarding.closed(addresses), ["net.ipv4.ip_forward"]);
        assert!(forwarding.closed([addresses[1]]).is_empty());
        set("1\n");
        assert!(forwarding.notes(addresses).is_empty());
    }
}
