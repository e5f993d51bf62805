//! Addresses that are not sent to unless that was asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses outside link-local ranges where clouds keep metadata services.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Says whether an address is link-local or a cloud's metadata service, in
/// any of the forms an IPv4 address takes within IPv6.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4 == METADATA_V4,
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6 == METADATA_V6
                || within(v6).is_some_and(|v4| is_link_local(v4.into()))
        }
    }
}

/// Returns the IPv4 address that an IPv6 address stands for.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        // Mapped and the old compatible form (RFC 4291 section 2.5.5), NAT64
        // (RFC 6052) and its form for local use (RFC 8215), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0 | 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_metadata_services_in_every_form() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "fd00:ec2::254",
            "fe80::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:100.100.100.200",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(is_link_local(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "169.253.0.1",
            "100.100.100.201",
            "fd00::1",
        ] {
            assert!(!is_link_local(text.parse().unwrap()), "{text}");
        }
    }
}
