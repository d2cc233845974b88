//! Recognising virtual machines, and containers, of libvirt's by what it has written down about those that run.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use roxmltree::{Document, Node};

use super::{ContainersError, Link, Recognised, error::Context as _, link::links};
use crate::{api::runtime::Runtime, config::Runtimes};

/// Of the ways to connect a domain (libvirt, formatdomain.html, "Network interfaces") those that leave the node's end of it an
/// interface of the node's own. The end of a macvtap is the domain's itself.
const WITH_NODES_END: [&str; 4] = ["bridge", "ethernet", "internal", "network"];

/// A domain that runs.
#[derive(Debug, PartialEq, Eq)]
struct Domain {
    name: String,
    /// Interfaces of the node's.
    interfaces: Vec<String>,
}

/// The running domain of this name.
pub(super) fn find(places: &Runtimes, name: &str) -> Result<Option<Recognised>, ContainersError> {
    if matches!(name, "" | "." | "..") || name.contains('/') {
        return Ok(None);
    }
    let mut files = drivers(places)?.into_iter().map(|driver| driver.join(format!("{name}.xml")));
    let Some(domain) = files.find_map(|file| read(&file)).filter(|domain| domain.name == name) else {
        return Ok(None);
    };
    let links: Vec<Link> =
        links()?.into_iter().filter(|link| domain.interfaces.contains(&link.name)).collect();
    // One that is starting has none yet.
    Ok(Some(links).filter(|links| !links.is_empty()).map(Recognised::Own))
}

/// The names of those that run.
pub(super) fn names(places: &Runtimes) -> Result<Vec<String>, ContainersError> {
    let mut names = Vec::new();
    for driver in drivers(places)? {
        let entries = fs::read_dir(&driver).context(|| format!("list {}", driver.display()))?;
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let domains = files.filter(|path| path.extension().is_some_and(|end| end == "xml"));
        names.extend(domains.filter_map(|file| read(&file)).map(|domain| domain.name));
    }
    Ok(names)
}

/// Where each driver (qemu, lxc, …) keeps its domains. What else has a directory there keeps none.
fn drivers(places: &Runtimes) -> Result<Vec<PathBuf>, ContainersError> {
    let place = &places.libvirt;
    let entries = match fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ContainersError::NoRuntime { runtime: Runtime::Libvirt, place: place.clone() });
        }
        entries => entries.context(|| format!("list {}", place.display()))?,
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.is_dir()).collect())
}

/// The domain that a file is about, if it is about one; one that is being written is about none yet.
fn read(file: &Path) -> Option<Domain> {
    parse(&fs::read_to_string(file).ok()?)
}

fn parse(text: &str) -> Option<Domain> {
    let document = Document::parse(text).ok()?;
    let status = Some(document.root_element()).filter(|root| root.has_tag_name("domstatus"))?;
    let domain = child(status, "domain")?;
    let devices = child(domain, "devices").into_iter().flat_map(|devices| devices.children());
    let interfaces = devices.filter(|device| device.has_tag_name("interface") && has_nodes_end(*device));
    let interfaces = interfaces.filter_map(|device| child(device, "target")?.attribute("dev"));
    Some(Domain {
        name: child(domain, "name")?.text()?.to_owned(),
        interfaces: interfaces.map(str::to_owned).collect(),
    })
}

/// A network of libvirt's may turn out to be another kind of connection.
fn has_nodes_end(interface: Node<'_, '_>) -> bool {
    let kind = child(interface, "actual").unwrap_or(interface).attribute("type");
    kind.is_some_and(|kind| WITH_NODES_END.contains(&kind))
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n\
        <domstatus state='running' reason='booted' pid='4242'>\n  <monitor path='/x' type='unix'/>\n\
        <domain type='qemu' id='1'>\n  <name>web</name>\n  <devices>\n\
        <disk type='file'><target dev='vda'/></disk>\n\
        <interface type='network'>\n<mac address='52:54:00:00:00:01'/>\n<source network='default'/>\n\
          <actual type='network'><source bridge='virbr0'/></actual>\n<target dev='vnet0'/>\n</interface>\n\
        <interface type='network'><actual type='direct'/><target dev='macvtap0'/></interface>\n\
        <interface type='bridge'><source bridge='br0'/><target dev='vnet1'/></interface>\n\
        <interface type='direct'><target dev='macvtap1'/></interface>\n\
        </devices>\n</domain>\n</domstatus>\n";

    #[test]
    fn a_domain_has_the_nodes_ends() {
        let interfaces = ["vnet0", "vnet1"].map(str::to_owned).to_vec();
        assert_eq!(parse(STATUS), Some(Domain { name: "web".to_owned(), interfaces }));
        assert_eq!(parse(&STATUS.replace("domstatus", "networkstatus")), None);
        assert_eq!(parse(STATUS.get(..300).unwrap()), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn domains_are_found_by_name() {
        let root = tempfile::tempdir().unwrap();
        let places = Runtimes { libvirt: root.path().join("libvirt"), ..Runtimes::default() };
        let error = find(&places, "web").unwrap_err().to_string();
        assert!(error.contains("libvirt keeps no containers at /"), "{error}");
        for driver in ["qemu", "network"] {
            fs::create_dir_all(places.libvirt.join(driver)).unwrap();
        }
        fs::write(places.libvirt.join("libvirtd.pid"), "1\n").unwrap();
        fs::write(places.libvirt.join("network/default.xml"), STATUS.replace("domstatus", "networkstatus"))
            .unwrap();
        // Its only interface here is one that every machine has.
        fs::write(places.libvirt.join("qemu/web.xml"), STATUS.replace("vnet1", "lo")).unwrap();
        fs::write(places.libvirt.join("qemu/other.xml"), STATUS).unwrap();
        let found = find(&places, "web").unwrap();
        assert!(matches!(found, Some(Recognised::Own(links)) if links.len() == 1 && links[0].name == "lo"));
        for none in ["other", "default", "../qemu/web", "."] {
            assert_eq!(find(&places, none).unwrap(), None, "{none}");
        }
        let mut names = names(&places).unwrap();
        names.dedup();
        assert_eq!(names, ["web"]);
    }
}
