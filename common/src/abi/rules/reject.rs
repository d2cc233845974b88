//! How a packet is rejected: what the code of a rejecting [entry](super::entry) means.

use super::Family;

/// What the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A TCP segment with RST.
    Reset,
    /// ICMP "destination unreachable" (type 3) with this code.
    Icmp(u8),
    /// ICMPv6 "destination unreachable" (type 1) with this code.
    Icmp6(u8),
}

macro_rules! rejections {
    ($($(#[$doc:meta])* $kind:ident = $number:literal, $name:literal, $answer:expr;)+) => {
        /// A way to reject a packet.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rejection { $($(#[$doc])* $kind = $number),+ }

        impl Rejection {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The one of this number.
            #[inline(always)]
            pub const fn by_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)+
                    _ => None,
                }
            }

            /// Its name behind `--reject-with`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),+ }
            }

            /// What the sender is told.
            #[inline(always)]
            pub const fn answer(self) -> Answer {
                match self { $(Self::$kind => $answer),+ }
            }
        }
    };
}

rejections! {
    /// For TCP alone.
    TcpReset = 0, "tcp-reset", Answer::Reset;
    /// RFC 792.
    Network = 1, "icmp-net-unreachable", Answer::Icmp(0);
    /// RFC 792.
    Host = 2, "icmp-host-unreachable", Answer::Icmp(1);
    /// RFC 792.
    Protocol = 3, "icmp-proto-unreachable", Answer::Icmp(2);
    /// RFC 792.
    Port = 4, "icmp-port-unreachable", Answer::Icmp(3);
    /// RFC 1122 §3.2.2.1.
    NetworkProhibited = 5, "icmp-net-prohibited", Answer::Icmp(9);
    /// RFC 1122 §3.2.2.1.
    HostProhibited = 6, "icmp-host-prohibited", Answer::Icmp(10);
    /// RFC 1812 §5.2.7.1.
    AdministrativelyProhibited = 7, "icmp-admin-prohibited", Answer::Icmp(13);
    /// RFC 4443 §3.1.
    NoRoute6 = 8, "icmp6-no-route", Answer::Icmp6(0);
    /// RFC 4443 §3.1.
    AdministrativelyProhibited6 = 9, "icmp6-adm-prohibited", Answer::Icmp6(1);
    /// RFC 4443 §3.1.
    Address6 = 10, "icmp6-addr-unreachable", Answer::Icmp6(3);
    /// RFC 4443 §3.1.
    Port6 = 11, "icmp6-port-unreachable", Answer::Icmp6(4);
    /// RFC 4443 §3.1.
    PolicyFail6 = 12, "icmp6-policy-fail", Answer::Icmp6(5);
    /// RFC 4443 §3.1.
    RejectRoute6 = 13, "icmp6-reject-route", Answer::Icmp6(6);
}

impl Rejection {
    /// Its number.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The family that has it; nothing if both do.
    pub const fn family(self) -> Option<Family> {
        match self.answer() {
            Answer::Reset => None,
            Answer::Icmp(_) => Some(Family::Ipv4),
            Answer::Icmp6(_) => Some(Family::Ipv6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_again() {
        for (rejection, number) in Rejection::ALL.iter().zip(0..) {
            assert_eq!((rejection.number(), Rejection::by_number(number)), (number, Some(*rejection)));
            let family = if rejection.name().starts_with("icmp6-") {
                Some(Family::Ipv6)
            } else {
                rejection.name().starts_with("icmp-").then_some(Family::Ipv4)
            };
            assert_eq!(rejection.family(), family);
        }
        assert_eq!(Rejection::by_number(14), None);
    }
}
