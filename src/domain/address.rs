//! What kind of place an address is: some are sent to freely, some after a
//! question, some not at all unless that was asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Addresses outside link-local ranges where clouds keep metadata services.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, unique local and shared addresses.
    Private,
    /// Anywhere else.
    Public,
    /// Link-local, or where clouds keep their metadata service.
    LinkLocal,
}

impl Kind {
    /// Says in words what an address of this kind is.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Loopback => "this machine",
            Self::Private => "a private network",
            Self::Public => "a public address",
            Self::LinkLocal => "a link-local or cloud metadata address",
        }
    }
}

/// A host and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The host, as its URL writes it.
    pub host: String,
    /// Its addresses; none where it is not found.
    pub addresses: Vec<IpAddr>,
}

impl Place {
    /// Says whether it is elsewhere, so that sending to it is asked for first.
    /// Link-local addresses are not sent to unless `link_local` is allowed.
    pub fn is_strange(&self, link_local: bool) -> bool {
        let strange = |address: &IpAddr| match kind(*address) {
            Kind::Loopback => false,
            Kind::LinkLocal => link_local,
            Kind::Private | Kind::Public => true,
        };
        self.addresses.iter().any(strange)
    }

    /// Writes the host and its address, where that is not the same.
    pub fn words(&self) -> String {
        let Some(address) = self.strangest() else {
            return self.host.clone();
        };
        if self.host.trim_matches(['[', ']']).parse() == Ok(address) {
            self.host.clone()
        } else {
            format!("{} ({address})", self.host)
        }
    }

    /// Returns what kind of place it is: of several addresses, the farthest.
    pub fn kind(&self) -> Option<Kind> {
        self.strangest().map(kind)
    }

    fn strangest(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().max_by_key(|a| kind(*a))
    }
}

/// Says what kind of place an address is, in any of the forms an IPv4 address
/// takes within IPv6.
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => {
            if v6.is_loopback() || v6.is_unspecified() {
                Kind::Loopback
            } else if v6.is_unicast_link_local() || v6 == METADATA_V6 {
                Kind::LinkLocal
            } else if v6.is_unique_local() {
                Kind::Private
            } else {
                within(v6).map_or(Kind::Public, kind_v4)
            }
        }
    }
}

fn kind_v4(address: Ipv4Addr) -> Kind {
    // 100.64/10 is shared by a carrier's customers (RFC 6598).
    let shared = matches!(address.octets(), [100, 64..=127, ..]);
    // Systems take the address of no host for their own.
    if address.is_loopback() || address.is_unspecified() {
        Kind::Loopback
    } else if address.is_link_local() || address == METADATA_V4 {
        Kind::LinkLocal
    } else if address.is_private() || shared {
        Kind::Private
    } else {
        Kind::Public
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
    fn knows_every_kind_in_every_form() {
        for (kind, texts) in [
            (
                Kind::LinkLocal,
                &[
                    "169.254.169.254",
                    "169.254.0.1",
                    "100.100.100.200",
                    "fd00:ec2::254",
                    "fe80::1",
                    "febf:ffff::1",
                    "::ffff:169.254.169.254",
                    "::169.254.169.254",
                    "::ffff:100.100.100.200",
                    "64:ff9b::169.254.169.254",
                    "64:ff9b:1::169.254.169.254",
                    "2002:a9fe:a9fe::1",
                ][..],
            ),
            (
                Kind::Loopback,
                &[
                    "127.0.0.1",
                    "127.9.9.9",
                    "0.0.0.0",
                    "::1",
                    "::",
                    "::ffff:127.0.0.1",
                ],
            ),
            (
                Kind::Private,
                &[
                    "10.0.0.1",
                    "172.16.0.1",
                    "192.168.1.1",
                    "100.100.100.201",
                    "fd00::1",
                    "::ffff:10.0.0.1",
                ],
            ),
            (
                Kind::Public,
                &["93.184.216.34", "169.253.0.1", "2001:db8::1"],
            ),
        ] {
            for text in texts {
                assert_eq!(super::kind(text.parse().unwrap()), kind, "{text}");
            }
        }
    }

    #[test]
    fn a_place_is_strange_where_any_address_is() {
        let place = |host: &str, addresses: &[&str]| Place {
            host: host.to_owned(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        };
        let here = place("localhost", &["127.0.0.1", "::1"]);
        assert!(!here.is_strange(true));
        let both = place("both.test", &["127.0.0.1", "93.184.216.34"]);
        assert!(both.is_strange(false));
        assert_eq!(both.words(), "both.test (93.184.216.34)");
        assert_eq!(both.kind(), Some(Kind::Public));
        let six = place("[fd00::1]", &["fd00::1"]);
        assert!(six.is_strange(false));
        assert_eq!(six.words(), "[fd00::1]");
        let cloud = place("169.254.169.254", &["169.254.169.254"]);
        assert!(!cloud.is_strange(false) && cloud.is_strange(true));
        let none = place("nothing.invalid", &[]);
        assert!(!none.is_strange(true));
        assert_eq!(
            (none.words().as_str(), none.kind()),
            ("nothing.invalid", None)
        );
    }
}
