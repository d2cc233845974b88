//! What lines of FTP's control connections announce.

use berth_common::{
    abi::{address::Address, units::Port},
    memory::Bytes,
    wire::ftp::{self, Speaker},
};
use proptest::prelude::*;

use crate::support::{R4, R6, ip_address};

/// Something stands before the line, as headers do.
const BEFORE: usize = 20;

fn announced(speaker: Speaker, line: &[u8], address: &str) -> Option<u16> {
    let packet = [&[0x40; BEFORE], line].concat();
    let place = (u32::try_from(BEFORE).unwrap(), u32::try_from(line.len()).unwrap());
    let address = Address::from(ip_address(address));
    ftp::announced(&Bytes(&packet), place, speaker, &address).map(|Port(port)| port)
}

#[test]
fn ports_are_announced() {
    use Speaker::{Client, Server};
    for (speaker, line, address, port) in [
        (Client, "PORT 198,51,100,7,4,1\r\n", R4, 1025),
        (Client, "port   198,51,100,7,255,255\n", R4, 65_535),
        (Client, "PORT 198,51,100,007,0,21\r", R4, 21),
        (Client, "EPRT |1|198.51.100.7|6446|\r\n", R4, 6446),
        (Client, "eprt !1!198.51.100.7!1!", R4, 1),
        (Client, "EPRT |2|2001:db8:f::7|5282|\r\n", R6, 5282),
        (Client, "EPRT |2|2001:DB8:F:0:0:0:0:7|5282|\r\n", R6, 5282),
        (Client, "EPRT |2|2001:0db8:000f::0:7|5282|\r\n", R6, 5282),
        (Client, "EPRT |2|::1|99|\r\n", "::1", 99),
        (Client, "EPRT |2|fe80::|99|\r\n", "fe80::", 99),
        (Client, "EPRT |2|1:2:3:4:5:6:7:8|99|\r\n", "1:2:3:4:5:6:7:8", 99),
        (Client, "EPRT |2|1:2:3:4:5:6:7::|99|\r\n", "1:2:3:4:5:6:7:0", 99),
        (Server, "227 Entering Passive Mode (198,51,100,7,4,1).\r\n", R4, 1025),
        (Server, "227 Entering Passive Mode. 198,51,100,7,4,1\r\n", R4, 1025),
        (Server, "227 =198,51,100,7,4,1\r\n", R4, 1025),
        (Server, "229 Entering Extended Passive Mode (|||6446|)\r\n", R4, 6446),
        (Server, "229 Entering Extended Passive Mode (!!!6446!)\r\n", R6, 6446),
    ] {
        assert_eq!(announced(speaker, line.as_bytes(), address), Some(port), "{line}");
    }
}

#[test]
fn nothing_else_is_taken_for_an_announcement() {
    use Speaker::{Client, Server};
    for (speaker, line, address) in [
        // Another's address.
        (Client, "PORT 198,51,100,8,4,1\r\n", R4),
        (Client, "EPRT |1|198.51.100.8|6446|\r\n", R4),
        (Client, "EPRT |2|2001:db8:f::8|5282|\r\n", R6),
        (Client, "EPRT |1|198.51.100.7|6446|\r\n", R6),
        (Client, "EPRT |2|2001:db8:f::7|6446|\r\n", R4),
        (Client, "EPRT |2|::ffff:c633:6407|6446|\r\n", R4),
        (Server, "227 Entering Passive Mode (198,51,100,8,4,1).\r\n", R4),
        (Server, "227 Entering Passive Mode (198,51,100,7,4,1).\r\n", R6),
        // The other end's words.
        (Server, "PORT 198,51,100,7,4,1\r\n", R4),
        (Client, "227 Entering Passive Mode (198,51,100,7,4,1).\r\n", R4),
        // Numbers that are none.
        (Client, "PORT 198,51,100,7,4\r\n", R4),
        (Client, "PORT 198,51,100,7,4,256\r\n", R4),
        (Client, "PORT 198,51,100,7,,1\r\n", R4),
        (Client, "PORT 198,51,100,7,4,1,5\r\n", R4),
        (Client, "PORT 198,51,100,7,4,1 \r\n", R4),
        (Client, "PORT 198.51.100.7,4,1\r\n", R4),
        (Client, "PORT 198,51,100,7,0,0\r\n", R4),
        (Client, "PORT 198,51,100,7,99999999999999,1\r\n", R4),
        (Client, "EPRT |1|198.51.100.7|0|\r\n", R4),
        (Client, "EPRT |1|198.51.100.7|65536|\r\n", R4),
        (Client, "EPRT |1|198.51.100.7||\r\n", R4),
        (Client, "EPRT |3|198.51.100.7|1|\r\n", R4),
        (Client, "EPRT |1|198.51.100|1|\r\n", R4),
        (Client, "EPRT |1|198.51.100.7.1|1|\r\n", R4),
        (Client, "EPRT |1|198.51.100.7!1|\r\n", R4),
        (Client, "EPRT :2:2001:db8:f::7:1:\r\n", R6),
        (Client, "EPRT |2|2001:db8:f::0::7|1|\r\n", R6),
        (Client, "EPRT |2|2001:db8:f:::7|1|\r\n", R6),
        (Client, "EPRT |2|:1|1|\r\n", "::1"),
        (Client, "EPRT |2|1:|1|\r\n", "1::"),
        (Client, "EPRT |2||1|\r\n", "::"),
        (Client, "EPRT |2|00001::|1|\r\n", "1::"),
        (Client, "EPRT |2|1:2:3:4:5:6:7|1|\r\n", "1:2:3:4:5:6:7:0"),
        (Client, "EPRT |2|1:2:3:4:5:6:7:8:9|1|\r\n", "1:2:3:4:5:6:7:8"),
        (Client, "EPRT |2|1:2:3:4:5:6:7:8::|1|\r\n", "1:2:3:4:5:6:7:8"),
        (Server, "229 (|1||6446|)\r\n", R4),
        (Server, "229 (||6446|)\r\n", R4),
        (Server, "229 |||6446|\r\n", R4),
        // Not all of it, or too much.
        (Client, "PORT 198,51,100,7,4,1", R4),
        (Client, "EPRT |1|198.51.100.7|6446", R4),
        (Client, "POR", R4),
        (Client, "", R4),
        (Client, "XPORT 198,51,100,7,4,1\r\n", R4),
        (Server, "227", R4),
        (Server, "2270198,51,100,7,4,1\r\n", R4),
    ] {
        assert_eq!(announced(speaker, line.as_bytes(), address), None, "{line}");
    }
    let late = format!("227 {}198,51,100,7,4,1\r\n", "x".repeat(usize::try_from(ftp::LOOKED_AT).unwrap()));
    assert_eq!(announced(Server, late.as_bytes(), R4), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(address in any::<std::net::Ipv6Addr>(), port in 1_u16.., old in any::<std::net::Ipv4Addr>()) {
        let line = format!("EPRT |2|{address}|{port}|\r\n");
        // An address that ends in one of IPv4 is written so.
        if !line.contains('.') {
            prop_assert_eq!(announced(Speaker::Client, line.as_bytes(), &address.to_string()), Some(port));
        }
        let line = format!("EPRT |1|{old}|{port}|\r\n");
        prop_assert_eq!(announced(Speaker::Client, line.as_bytes(), &old.to_string()), Some(port));
        let [high, low] = port.to_be_bytes();
        let numbers = format!("{},{high},{low}", old.to_string().replace('.', ","));
        let line = format!("PORT {numbers}\r\n");
        prop_assert_eq!(announced(Speaker::Client, line.as_bytes(), &old.to_string()), Some(port));
        let line = format!("227 Entering ({numbers})\r\n");
        prop_assert_eq!(announced(Speaker::Server, line.as_bytes(), &old.to_string()), Some(port));
    }

    #[test]
    fn any_bytes_are_read(
        begins in 0..4_usize,
        line in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"0123456789|,.:(\r".to_vec()),
        ], 0..200),
    ) {
        let line = [[&b"PORT "[..], b"EPRT |2|", b"227 ", b"229 ("][begins], &line[..]].concat();
        for speaker in [Speaker::Client, Speaker::Server] {
            for address in [R4, R6] {
                announced(speaker, &line, address);
            }
        }
    }
}
