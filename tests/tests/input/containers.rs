//! Containers that there are not, and cgroups that cannot be containers.

use anyhow::Result;
use berth_tests::{Endpoint, Process, SharedNode, Tenant, cgroup, privileged};

use crate::node::{FAILED, USAGE, refuses};

#[test]
fn unknown_containers() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let words = "there is no container nobody; `berth container list` shows";
    refuses(
        &node,
        &[
            ("container show nobody", FAILED, words),
            ("container show nobody --json", FAILED, words),
            ("container rm nobody", FAILED, words),
            ("container set nobody --mode full", FAILED, words),
            ("flows list --owner nobody", FAILED, words),
            ("flows flush --owner nobody", FAILED, words),
            ("ports release nobody tcp/80", FAILED, words),
        ],
    )
}

#[test]
fn names_that_are_taken_or_no_names() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let path = c.cgroup().path().display().to_string();
    let long = "x".repeat(64);
    refuses(
        &node,
        &[
            (&format!("container add a --cgroup {path}"), FAILED, "there is a container a already"),
            (&format!("container add a/b --cgroup {path}"), USAGE, "is no container name"),
            (&format!("container add .. --cgroup {path}"), USAGE, "is no container name"),
            (&format!("container add {long} --cgroup {path}"), USAGE, "1 to 63 characters"),
            (&format!("container add host --cgroup {path}"), USAGE, "may not name a container"),
            (&format!("container add unowned --cgroup {path}"), USAGE, "may not name a container"),
            (
                "container add c",
                USAGE,
                "<--cgroup <PATH>|--interface <IF>|--pid <PID>|--lxc <NAME>|--docker <NAME>|--podman <NAME>|--nspawn <MACHINE>|--libvirt <DOMAIN>>",
            ),
        ],
    )
}

#[test]
fn cgroups_that_are_no_containers() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let mount = cgroup::mount_point()?.display().to_string();
    let ours = node.a.cgroup().path();
    let inner = node.a.cgroup().child("inner")?;
    let c = Tenant::new(&node.topology.node, "c")?;
    let (path, below) = (c.cgroup().path().display(), c.cgroup().child("below")?);
    let around = ours.parent().unwrap_or(ours).display();
    refuses(
        &node,
        &[
            ("container add c --cgroup /none/such", FAILED, "there is no cgroup /none/such under"),
            (&format!("container add c --cgroup {path}/cgroup.procs"), FAILED, "there is no cgroup"),
            ("container add c --cgroup /", FAILED, "root of the cgroup hierarchy is the host itself"),
            (&format!("container add c --cgroup {mount}"), FAILED, "is the host itself"),
            ("container add c --cgroup /x/../..", FAILED, "is not a path in the cgroup hierarchy"),
            (&format!("container add c --cgroup {}", ours.display()), FAILED, "which is container a's"),
            (&format!("container add c --cgroup {}", inner.path().display()), FAILED, "overlaps"),
            (&format!("container add c --cgroup {around}"), FAILED, "neither inside nor around it"),
            (&format!("container set b --cgroup {}", inner.path().display()), FAILED, "overlaps"),
            (
                &format!("container add c --cgroup {path} --cgroup {}", below.path().display()),
                FAILED,
                "name only the outer one",
            ),
            // One good one does not make up for it.
            (&format!("container add c --cgroup {path} --cgroup /none"), FAILED, "there is no cgroup /none"),
        ],
    )
}

#[test]
fn processes_that_lead_to_no_container() -> Result<()> {
    privileged!();
    let node = SharedNode::new()?;
    let on_node = Process::spawn(node.topology.node.command("sleep")?.arg("600"))?;
    std::fs::write(cgroup::mount_point()?.join("cgroup.procs"), on_node.id().to_string())?;
    // No wire leads from here to the node.
    let elsewhere = std::process::id();
    refuses(
        &node,
        &[
            ("container add c --pid 4194305", FAILED, "there is no process 4194305"),
            ("container add c --pid 0", FAILED, "there is no process 0"),
            (&format!("container add c --pid {}", on_node.id()), FAILED, "is in the root cgroup"),
            (&format!("container add c --pid {elsewhere}"), FAILED, "no veth leads from it to this one"),
            ("container add c --lxc none-such", FAILED, "no LXC container none-such is running"),
        ],
    )
}
