//! IPv6 addresses as the C library writes them.

use std::{fmt, net::Ipv6Addr};

/// Writes an address as glibc's inet_ntop does. It differs from Rust in one thing: where the first 96 bits and no more
/// are zero, the rest is written as an IPv4 address.
pub(in crate::rules) struct Text6(pub Ipv6Addr);

impl fmt::Display for Text6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.segments(), self.0.to_ipv4()) {
            ([0, 0, 0, 0, 0, 0, high, _], Some(low)) if high != 0 => write!(f, "::{low}"),
            _ => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_the_c_library() {
        for text in
            ["::", "::1", "::ffff", "::0.1.0.0", "::1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "1::2:0:0:3:0"]
        {
            assert_eq!(Text6(text.parse().unwrap()).to_string(), text);
        }
    }
}
