//! What the privileged tests, the demo and the benchmarks run.

use std::path::Path;

use anyhow::{Result, bail};

use super::debian;
use crate::arch::Arch;
use crate::command;

/// Debian's package, and what it is wanted for: a program, or a file by its path.
const WANTED: [(&str, &str); 23] = [
    ("iproute2", "ip"),
    ("iputils-ping", "ping"),
    ("iperf3", "iperf3"),
    ("traceroute", "traceroute"),
    ("tcpdump", "tcpdump"),
    ("ethtool", "ethtool"),
    ("bpftool", "bpftool"),
    ("lxc", "lxc-start"),
    ("lxc-templates", "/usr/share/lxc/templates/lxc-busybox"),
    ("busybox-static", "busybox"),
    ("podman", "podman"),
    ("crun", "crun"),
    ("netavark", "/usr/lib/podman/netavark"),
    ("libvirt-daemon", "libvirtd"),
    ("libvirt-daemon-driver-qemu", "virt-qemu-run"),
    ("libvirt-clients", "virsh"),
    ("dnsmasq-base", "dnsmasq"),
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("procps", "ps"),
    ("libcap2-bin", "capsh"),
    ("iptables", "iptables-restore"),
    ("nftables", "nft"),
    ("ipset", "ipset"),
];

/// What `cargo xtask vm` runs, besides the emulator.
const KERNELS: [(&str, &str); 2] = [("xz-utils", "xz"), ("apt", "apt-get")];

pub fn provide() -> Result<()> {
    install(&WANTED)
}

pub fn emulator(arch: Arch) -> Result<()> {
    let emulator = match arch {
        Arch::X86_64 => ("qemu-system-x86", "qemu-system-x86_64"),
        Arch::Aarch64 => ("qemu-system-arm", "qemu-system-aarch64"),
    };
    install(&[&[emulator], KERNELS.as_slice()].concat())
}

fn install(wanted: &[(&str, &str)]) -> Result<()> {
    if debian::is_debian() {
        let packages: Vec<String> = wanted.iter().map(|(package, _)| (*package).to_owned()).collect();
        return debian::install(&packages);
    }
    let missing: Vec<&str> =
        wanted.iter().map(|(_, wanted)| *wanted).filter(|wanted| !present(wanted)).collect();
    if !missing.is_empty() {
        bail!("the tests and the demo need {}: install what has them", missing.join(", "));
    }
    Ok(())
}

pub fn describe() -> String {
    WANTED.map(|(package, _)| package).join(" ")
}

fn present(wanted: &str) -> bool {
    if wanted.starts_with('/') { Path::new(wanted).exists() } else { command::find(wanted).is_some() }
}
