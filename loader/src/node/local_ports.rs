//! Ports that the kernel may hand to sockets that ask for none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::NodeError;
use crate::api::port_span::PortSpan;

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
    pub fn range(&self) -> Result<PortSpan, NodeError> {
        let path = self.directory.join("ip_local_port_range");
        let text = read(&path)?;
        let mut numbers = text.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(last))) => Ok(PortSpan { first, last }),
            _ => Err(unintelligible(path)),
        }
    }

    /// Those of them that the kernel is not kept from handing out.
    pub fn free(&self, ports: &[u16]) -> Result<Vec<u16>, NodeError> {
        let reserved = self.reserved()?;
        let is_free = |port: &u16| !reserved.iter().any(|span| span.contains(*port));
        Ok(ports.iter().copied().filter(is_free).collect())
    }

    /// Keeps the kernel from handing them out.
    pub fn reserve(&self, ports: &[u16]) -> Result<(), NodeError> {
        if ports.is_empty() {
            return Ok(());
        }
        let mut spans = self.reserved()?;
        let before = spans.len();
        for &port in ports {
            if !spans.iter().any(|span| span.contains(port)) {
                spans.push(PortSpan { first: port, last: port });
            }
        }
        if spans.len() == before { Ok(()) } else { self.write(spans) }
    }

    /// Lets the kernel hand them out again.
    pub fn release(&self, ports: &[u16]) -> Result<(), NodeError> {
        if ports.is_empty() {
            return Ok(());
        }
        let spans = ports.iter().fold(self.reserved()?, |spans, port| {
            spans.into_iter().flat_map(|span| without(span, *port)).collect()
        });
        self.write(spans)
    }

    fn reserved(&self) -> Result<Vec<PortSpan>, NodeError> {
        let path = self.directory.join("ip_local_reserved_ports");
        let text = read(&path)?;
        let parts = text.trim().split(',').filter(|part| !part.is_empty());
        parts.map(|part| parse(part).ok_or_else(|| unintelligible(path.clone()))).collect()
    }

    fn write(&self, spans: Vec<PortSpan>) -> Result<(), NodeError> {
        let path = self.directory.join("ip_local_reserved_ports");
        let spans = PortSpan::merged(spans).into_iter();
        let texts: Vec<_> = spans.map(|PortSpan { first, last }| format!("{first}-{last}")).collect();
        fs::write(&path, texts.join(",") + "\n").map_err(|error| NodeError::Sysctl { path, error })
    }
}

/// The kernel takes zero for a port, too.
fn parse(part: &str) -> Option<PortSpan> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some(PortSpan { first: first.parse().ok()?, last: last.parse().ok()? })
}

fn without(span: PortSpan, port: u16) -> Vec<PortSpan> {
    let PortSpan { first, last } = span;
    if !span.contains(port) {
        return vec![span];
    }
    let below = port.checked_sub(1).filter(|&end| end >= first).map(|last| PortSpan { first, last });
    let above = port.checked_add(1).filter(|&start| start <= last).map(|first| PortSpan { first, last });
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
        assert_eq!(ports.range().unwrap(), PortSpan { first: 32_768, last: 60_999 });
    }

    #[test]
    fn adds_and_takes_away() {
        let (directory, ports) = with("\n");
        assert_eq!(ports.free(&[40_000, 40_001]).unwrap(), [40_000, 40_001]);
        for port in [40_000, 40_000, 65_535] {
            ports.reserve(&[port]).unwrap();
            assert!(ports.free(&[port]).unwrap().is_empty());
        }
        assert_eq!(reserved(&directory), "40000-40000,65535-65535");
        ports.release(&[40_000]).unwrap();
        ports.release(&[65_535]).unwrap();
        assert_eq!(reserved(&directory), "");
    }

    #[test]
    fn many_at_once_are_few_words() {
        let (directory, ports) = with("40002\n");
        let many: Vec<u16> = (40_000..44_096).collect();
        ports.reserve(&many).unwrap();
        assert_eq!(reserved(&directory), "40000-44095");
        ports.release(&many[1..]).unwrap();
        assert_eq!(reserved(&directory), "40000-40000");
    }

    #[test]
    fn leaves_what_others_wrote() {
        let (directory, ports) = with("80,32768-32770\n");
        assert!(ports.free(&[32_769]).unwrap().is_empty());
        ports.release(&[32_769]).unwrap();
        assert_eq!(reserved(&directory), "80-80,32768-32768,32770-32770");
    }

    #[test]
    fn says_what_it_cannot_use() {
        let ports = LocalPorts::at(Path::new("/nonexistent"));
        assert!(ports.reserve(&[1]).unwrap_err().to_string().contains("ip_local_reserved_ports"));
        let (_directory, ports) = with("x\n");
        assert!(ports.reserve(&[1]).is_err());
    }
}
