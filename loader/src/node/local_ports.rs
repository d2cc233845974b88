//! Ports that the kernel may hand to sockets that ask for none.

use std::{
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::NodeError;

/// Where the two settings are, in the network namespace of whoever opens them.
const DIRECTORY: &str = "/proc/sys/net/ipv4";

/// `net.ipv4.ip_local_port_range` and `net.ipv4.ip_local_reserved_ports`, which serve IPv6 too.
#[derive(Clone, Debug)]
pub struct LocalPorts {
    directory: PathBuf,
}

impl LocalPorts {
    /// Those of this network namespace.
    pub fn system() -> Self {
        Self::at(Path::new(DIRECTORY))
    }

    /// Those in `directory`.
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The range from which the kernel takes ports.
    pub fn range(&self) -> Result<RangeInclusive<u16>, NodeError> {
        let path = self.directory.join("ip_local_port_range");
        let text = read(&path)?;
        let mut numbers = text.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
            _ => Err(unintelligible(path)),
        }
    }

    /// Whether the kernel is kept from handing out `port`.
    pub fn holds(&self, port: u16) -> Result<bool, NodeError> {
        Ok(self.reserved()?.iter().any(|range| range.contains(&port)))
    }

    /// Keeps the kernel from handing out `port`.
    pub fn reserve(&self, port: u16) -> Result<(), NodeError> {
        let mut ranges = self.reserved()?;
        if ranges.iter().any(|range| range.contains(&port)) {
            return Ok(());
        }
        ranges.push(port..=port);
        self.write(&ranges)
    }

    /// Lets the kernel hand out `port` again.
    pub fn release(&self, port: u16) -> Result<(), NodeError> {
        let ranges = self.reserved()?.into_iter().flat_map(|range| without(&range, port));
        self.write(&ranges.collect::<Vec<_>>())
    }

    fn reserved(&self) -> Result<Vec<RangeInclusive<u16>>, NodeError> {
        let path = self.directory.join("ip_local_reserved_ports");
        let text = read(&path)?;
        let parts = text.trim().split(',').filter(|part| !part.is_empty());
        parts.map(|part| parse(part).ok_or_else(|| unintelligible(path.clone()))).collect()
    }

    fn write(&self, ranges: &[RangeInclusive<u16>]) -> Result<(), NodeError> {
        let path = self.directory.join("ip_local_reserved_ports");
        let texts: Vec<_> = ranges.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
        fs::write(&path, texts.join(",") + "\n").map_err(|error| NodeError::Sysctl { path, error })
    }
}

fn parse(part: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

fn without(range: &RangeInclusive<u16>, port: u16) -> Vec<RangeInclusive<u16>> {
    let (first, last) = (*range.start(), *range.end());
    if !range.contains(&port) {
        return vec![first..=last];
    }
    let below = port.checked_sub(1).filter(|&end| end >= first).map(|end| first..=end);
    let above = port.checked_add(1).filter(|&start| start <= last).map(|start| start..=last);
    below.into_iter().chain(above).collect()
}

fn read(path: &Path) -> Result<String, NodeError> {
    fs::read_to_string(path).map_err(|error| NodeError::Sysctl { path: path.to_owned(), error })
}

fn unintelligible(path: PathBuf) -> NodeError {
    NodeError::Sysctl { path, error: io::Error::other("it is not a list of ports") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(reserved: &str) -> (tempfile::TempDir, LocalPorts) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ip_local_port_range"), "32768\t60999\n").unwrap();
        fs::write(directory.path().join("ip_local_reserved_ports"), reserved).unwrap();
        let ports = LocalPorts::at(directory.path());
        (directory, ports)
    }

    fn reserved(directory: &tempfile::TempDir) -> String {
        let path = directory.path().join("ip_local_reserved_ports");
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    #[test]
    fn reads_the_range() {
        let (_directory, ports) = with("\n");
        assert_eq!(ports.range().unwrap(), 32_768..=60_999);
    }

    #[test]
    fn adds_and_takes_away() {
        let (directory, ports) = with("\n");
        assert!(!ports.holds(40_000).unwrap());
        for port in [40_000, 40_000, 65_535] {
            ports.reserve(port).unwrap();
            assert!(ports.holds(port).unwrap());
        }
        assert_eq!(reserved(&directory), "40000-40000,65535-65535");
        ports.release(40_000).unwrap();
        ports.release(65_535).unwrap();
        assert_eq!(reserved(&directory), "");
    }

    #[test]
    fn leaves_what_others_wrote() {
        let (directory, ports) = with("80,32768-32770\n");
        assert!(ports.holds(32_769).unwrap());
        ports.release(32_769).unwrap();
        assert_eq!(reserved(&directory), "80-80,32768-32768,32770-32770");
    }

    #[test]
    fn says_what_it_cannot_use() {
        let ports = LocalPorts::at(Path::new("/nonexistent"));
        assert!(ports.reserve(1).unwrap_err().to_string().contains("ip_local_reserved_ports"));
        let (_directory, ports) = with("x\n");
        assert!(ports.reserve(1).is_err());
    }
}
