//! What passes between two ports of a bridge is judged at both.

use std::io::ErrorKind;

use anyhow::Result;
use berth_tests::sockets::{accept, errno};
use berth_tests::topology::at;
use berth_tests::{Guest, Sockets as _, privileged};

use crate::Net;

const PORT: u16 = 8080;

/// Whether `from` can connect to a listener of `to`.
fn connects(from: &Guest, to: &Guest, family: usize) -> Result<Option<i32>> {
    let address = at(to.addresses[family], PORT);
    let listener = to.host.tcp_listen(address)?;
    let result = from.host.tcp_connect(address);
    if result.is_ok() {
        accept(&listener)?;
    }
    Ok(match result {
        Err(error) if error.kind() == ErrorKind::TimedOut => Some(libc::ETIMEDOUT),
        other => errno(other),
    })
}

#[test]
fn rules_of_both_are_asked() -> Result<()> {
    privileged!();
    let net = Net::new(&["--mode", "stateful"])?;
    for (family, flag) in [(0, &[][..]), (1, &["--ipv6"][..])] {
        let rule = |name: &str, rule: &[&str]| {
            net.berth.ok([&["rules", "append"], flag, &[name], rule].concat()).map(drop)
        };
        let flush = |name: &str| net.berth.ok([&["rules", "flush", name], flag].concat()).map(drop);
        assert_eq!(connects(&net.c, &net.d, family)?, None);
        let tcp = ["-p", "tcp", "--dport", "8080", "-j", "REJECT", "--reject-with", "tcp-reset"];
        for (name, chain) in [("d", "INPUT"), ("c", "OUTPUT")] {
            rule(name, &[&[chain], &tcp[..]].concat())?;
            assert_eq!(connects(&net.c, &net.d, family)?, Some(libc::ECONNREFUSED), "{name}");
            assert_eq!(connects(&net.d, &net.c, family)?, None, "{name}");
            flush(name)?;
        }
        // The answers alone.
        let answers = ["INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"];
        rule("c", &answers)?;
        rule("c", &[&["INPUT"], &tcp[..]].concat())?;
        assert_eq!(connects(&net.c, &net.d, family)?, None);
        assert_eq!(connects(&net.d, &net.c, family)?, Some(libc::ECONNREFUSED));
        flush("c")?;
    }
    Ok(())
}
