//! Containers that nobody has named: a template means their cgroups.

use anyhow::Result;
use berth_tests::sockets::errno;
use berth_tests::topology::{REMOTE_V4, at};
use berth_tests::wait::{self, LIMIT};
use berth_tests::{Berth, Cgroup, Sockets as _, Tenant, Topology, privileged};

const RULES: &str = "*filter\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n-A OUTPUT -p udp --dport 9 -j DROP\nCOMMIT\n";

fn names(berth: &Berth) -> Result<Vec<String>> {
    Ok(berth.status()?.containers.into_iter().map(|container| container.name).collect())
}

#[test]
fn they_are_taken_in_and_let_go() -> Result<()> {
    privileged!();
    let topology = Topology::builder().with_known_neighbours().build()?;
    let jobs = Cgroup::new("jobs")?;
    let mut berth = Berth::start(&topology)?;
    let template =
        format!("match = '{}/*'\nmax_flows = 50\nrules = 'ci.rules'\n", jobs.hierarchy_path()?.display());
    berth.declare("ci.toml", &template)?;
    berth.declare("ci.rules", RULES)?;
    berth.restart()?;
    let job = |name| Tenant::in_cgroup(&topology.node, jobs.child(name)?);
    let there = |berth: &Berth, expected: &[&str]| {
        wait::until_true("those that are there", LIMIT, || Ok(names(berth)? == expected))
    };
    assert_eq!(names(&berth)?, [""; 0]);

    let first = job("job.1")?;
    there(&berth, &["job.1"])?;
    let known = berth.container("job.1")?;
    assert_eq!((known.state.as_str(), known.flows.limit), ("active", 50));
    assert_eq!(known.rest["template"], "ci");
    let refused = |tenant: &Tenant| -> Result<Option<i32>> {
        Ok(errno(tenant.udp_connect(at(REMOTE_V4, 9))?.send(b"x")))
    };
    assert_eq!(refused(&first)?, Some(libc::EPERM));

    // One that comes while nobody looks is there when somebody does.
    berth.kill9()?;
    let second = job("job.2")?;
    assert_eq!((refused(&first)?, refused(&second)?), (Some(libc::EPERM), None));
    berth.restart()?;
    there(&berth, &["job.1", "job.2"])?;
    assert_eq!((refused(&second)?, berth.container("job.1")?.id), (Some(libc::EPERM), known.id));

    first.vanish()?;
    there(&berth, &["job.2"])?;
    second.vanish()?;
    there(&berth, &[])
}
