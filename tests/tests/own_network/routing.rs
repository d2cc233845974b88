//! A container that routes for others.

use anyhow::Result;
use berth_tests::behind::{BEHIND, behind};
use berth_tests::bridge::INSIDE;
use berth_tests::topology::at;
use berth_tests::{Endpoint as _, Sockets as _, privileged};

use crate::{Net, only};

const PORT: u16 = 7777;

#[test]
fn what_it_routes_goes_through_forward() -> Result<()> {
    privileged!();
    let net = Net::new(&[])?;
    let host = behind(&net.c, &[(net.d.host.netns(), INSIDE)])?;
    for (family, flag) in [(0, &[][..]), (1, &["--ipv6"][..])] {
        let [_, own] = BEHIND[family];
        let (inner, outer) = (at(own, PORT), at(net.d.addresses[family], PORT));
        let (here, there) = (host.udp_bind(inner)?, net.d.host.udp_bind(outer)?);
        let out = || Ok(here.send_to(b"out", outer).map(drop)?);
        let back = || Ok(there.send_to(b"back", inner).map(drop)?);
        net.berth.ok(["container", "set", "c", "--routes", "no"])?;
        // It is no router: neither may it speak for others, nor is it shown what is for them.
        assert_eq!(net.drops("c", out)?, only("spoofed-source", 1), "{own}");
        assert_eq!(net.drops("c", back)?, only("not-owner", 1), "{own}");

        net.berth.ok(["container", "set", "c", "--routes", "yes"])?;
        assert!(net.drops("c", out)?.is_empty(), "{own}");
        assert_eq!(there.recv_from(&mut [0; 8])?, (3, inner));
        assert!(net.drops("c", back)?.is_empty(), "{own}");
        assert_eq!(here.recv_from(&mut [0; 8])?, (4, outer));

        // Neither INPUT nor OUTPUT is asked, and FORWARD knows which way it goes.
        let rules =
            "*filter\n:INPUT DROP\n:OUTPUT DROP\n:FORWARD DROP\n-A FORWARD -o eth0 -j ACCEPT\nCOMMIT\n";
        let restore = |rules: &str| {
            let file = net.berth.config_file().with_file_name("rules");
            std::fs::write(&file, rules)?;
            let file = file.to_string_lossy().into_owned();
            net.berth.ok([&["rules", "restore", "c", &file], flag].concat()).map(drop)
        };
        restore(rules)?;
        assert!(net.drops("c", out)?.is_empty(), "{own}");
        assert_eq!(there.recv_from(&mut [0; 8])?, (3, inner));
        assert_eq!(net.drops("c", back)?, only("rule", 1), "{own}");
        restore(&rules.replace("-o eth0", "-i eth0"))?;
        assert_eq!(net.drops("c", out)?, only("rule", 1), "{own}");
        assert!(net.drops("c", back)?.is_empty(), "{own}");
        assert_eq!(here.recv_from(&mut [0; 8])?, (4, outer));
        net.berth.ok([&["rules", "flush", "c"], flag].concat())?;
    }
    Ok(())
}
