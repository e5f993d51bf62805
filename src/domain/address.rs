//! The scope of a target's address: some scopes are sent to freely, some after
//! a confirmation, and some only if explicitly allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Addresses outside link-local ranges at which clouds provide metadata
/// services: Alibaba, Azure and Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same for IPv6, as the first segments: Amazon, Google, Oracle and
/// Scaleway.
const METADATA_V6: [&[u16]; 4] = [
    &[0xfd00, 0xec2],
    &[0xfd20, 0xce],
    &[0xfd00, 0xc1],
    &[0xfd00, 0x42],
];

/// Host names of metadata services, regardless of their addresses.
const METADATA_NAMES: [&str; 8] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
];

/// Returns whether a host is the name of a cloud metadata service, alone or as
/// the end of a longer name. `host` is written as in a URL.
pub fn is_metadata_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    METADATA_NAMES.iter().any(|name| {
        let rest = host.strip_suffix(name);
        rest.is_some_and(|rest| rest.is_empty() || name.contains('.') && rest.ends_with('.'))
    })
}

/// The scope of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressKind {
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, unique local and shared addresses.
    Private,
    /// Any other address.
    Public,
    /// Link-local, or the address of a cloud metadata service.
    LinkLocal,
}

impl AddressKind {
    /// Describes the scope in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Loopback => "this machine",
            Self::Private => "a private network",
            Self::Public => "a public address",
            Self::LinkLocal => "a link-local or cloud metadata address",
        }
    }
}

/// A host with its resolved addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedHost {
    /// The host as written in its URL.
    pub host: String,
    /// The addresses; empty if the host cannot be resolved.
    pub addresses: Vec<IpAddr>,
}

impl ResolvedHost {
    /// Returns whether the host is on another machine, so that sending needs a
    /// confirmation. Link-local addresses are refused unless `link_local` is
    /// set.
    pub fn needs_confirmation(&self, link_local: bool) -> bool {
        if is_metadata_name(&self.host) && !link_local {
            return false;
        }
        let strange = |address: &IpAddr| match kind(*address) {
            AddressKind::Loopback => false,
            AddressKind::LinkLocal => link_local,
            AddressKind::Private | AddressKind::Public => true,
        };
        self.addresses.iter().any(strange)
    }

    /// Formats the host, and its address if that differs.
    pub fn words(&self) -> String {
        let Some(address) = self.most_remote() else {
            return self.host.clone();
        };
        if self.host.trim_matches(['[', ']']).parse() == Ok(address) {
            self.host.clone()
        } else {
            format!("{} ({address})", self.host)
        }
    }

    /// Returns the scope of the host; of several addresses, the most remote
    /// one.
    pub fn kind(&self) -> Option<AddressKind> {
        self.most_remote().map(kind)
    }

    fn most_remote(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().max_by_key(|a| kind(*a))
    }
}

/// Returns the scope of an address, including IPv4 addresses embedded in IPv6.
pub fn kind(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => {
            if v6.is_loopback() || v6.is_unspecified() {
                AddressKind::Loopback
            } else if v6.is_unicast_link_local()
                || METADATA_V6.iter().any(|m| v6.segments().starts_with(m))
            {
                AddressKind::LinkLocal
            } else if v6.is_unique_local() {
                AddressKind::Private
            } else {
                within(v6).map_or(AddressKind::Public, kind_v4)
            }
        }
    }
}

fn kind_v4(address: Ipv4Addr) -> AddressKind {
    // 100.64/10 is shared by a carrier's customers (RFC 6598).
    let shared = matches!(address.octets(), [100, 64..=127, ..]);
    // Operating systems route the unspecified address to this machine.
    if address.is_loopback() || address.is_unspecified() {
        AddressKind::Loopback
    } else if address.is_link_local() || METADATA_V4.contains(&address) {
        AddressKind::LinkLocal
    } else if address.is_private() || shared {
        AddressKind::Private
    } else {
        AddressKind::Public
    }
}

/// Returns the IPv4 address that is embedded in an IPv6 address.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        // IPv4-mapped and IPv4-compatible (RFC 4291 section 2.5.5),
        // IPv4-translated (RFC 2765), NAT64 (RFC 6052) and local-use NAT64 (RFC
        // 8215), 6to4 (RFC 3056), ISATAP (RFC 5214).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0 | 1, _, _, _, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(joined(high, low)),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => Some(joined(!high, !low)),
        _ => None,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_kind_in_every_form() {
        for (kind, texts) in [
            (
                AddressKind::LinkLocal,
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
                    "::ffff:0:169.254.169.254",
                    "2001:0:1::5601:5601",
                    "2001:db8::5efe:169.254.169.254",
                    "2001:db8::200:5efe:169.254.169.254",
                    "168.63.129.16",
                    "::ffff:168.63.129.16",
                    "64:ff9b::168.63.129.16",
                    "2002:a83f:8110::",
                    "192.0.0.192",
                    "::ffff:192.0.0.192",
                    "fd00:ec2::23",
                    "fd20:ce::254",
                    "fd00:c1::a9fe:a9fe",
                    "fd00:42::42",
                ][..],
            ),
            (
                AddressKind::Loopback,
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
                AddressKind::Private,
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
                AddressKind::Public,
                &["93.184.216.34", "169.253.0.1", "2001:db8::1"],
            ),
        ] {
            for text in texts {
                assert_eq!(super::kind(text.parse().unwrap()), kind, "{text}");
            }
        }
    }

    /// Every notation of a URL host has the scope of the address or name that
    /// it denotes.
    #[test]
    fn a_metadata_service_is_known_in_every_spelling_of_a_url() {
        for host in [
            "169.254.169.254",
            "169.254.169.254.",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "025177524776",
            "169.254.43518",
            "169.16689662",
            "169。254。169。254",
            "１６９.254.169.254",
            "%31%36%39.254.169.254",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "2822734096",
            "0xa83f8110",
            "0300.0.0.0300",
            "3221225664",
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "metadata.google.internal..",
            "metadata。google。internal",
            "ｍetadata.google.internal",
            "x.metadata.google.internal",
            "metadata",
            "METADATA.",
            "instance-data",
            "metadata.goog",
        ] {
            let text = format!("http://{host}/latest");
            // Text that does not parse as a URL is never sent to.
            let Ok(url) = url::Url::parse(&text) else {
                continue;
            };
            let refused = match url.host().unwrap() {
                url::Host::Domain(name) => is_metadata_name(name),
                url::Host::Ipv4(v4) => super::kind(v4.into()) == AddressKind::LinkLocal,
                url::Host::Ipv6(v6) => super::kind(v6.into()) == AddressKind::LinkLocal,
            };
            assert!(refused, "{host} is {url}");
        }
        for host in [
            "metadata.example.test",
            "my-metadata",
            "app.goog",
            "metadata.test",
        ] {
            assert!(!is_metadata_name(host), "{host}");
        }
    }

    #[test]
    fn a_place_is_strange_where_any_address_is() {
        let place = |host: &str, addresses: &[&str]| ResolvedHost {
            host: host.to_owned(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        };
        let here = place("localhost", &["127.0.0.1", "::1"]);
        assert!(!here.needs_confirmation(true));
        let both = place("both.test", &["127.0.0.1", "93.184.216.34"]);
        assert!(both.needs_confirmation(false));
        assert_eq!(both.words(), "both.test (93.184.216.34)");
        assert_eq!(both.kind(), Some(AddressKind::Public));
        let six = place("[fd00::1]", &["fd00::1"]);
        assert!(six.needs_confirmation(false));
        assert_eq!(six.words(), "[fd00::1]");
        let cloud = place("169.254.169.254", &["169.254.169.254"]);
        assert!(!cloud.needs_confirmation(false) && cloud.needs_confirmation(true));
        let none = place("nothing.invalid", &[]);
        assert!(!none.needs_confirmation(true));
        assert_eq!(
            (none.words().as_str(), none.kind()),
            ("nothing.invalid", None)
        );
    }
}
