//! Equivalent notations of an address: with and without its port.

/// Returns an address unchanged, without its port, or with the default port.
pub(super) fn with_and_without_port(url: &str) -> Vec<String> {
    let mut ways = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else {
        return ways;
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, local) = rest.split_at(end);
    let colon = host
        .rfind(':')
        .filter(|at| host[at + 1..].bytes().all(|b| b.is_ascii_digit()));
    let port = if scheme == "http" { 80 } else { 443 };
    ways.push(match colon {
        Some(at) => format!("{scheme}://{}{local}", &host[..at]),
        None => format!("{scheme}://{host}:{port}{local}"),
    });
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_comes_and_goes() {
        let second = |url| with_and_without_port(url).pop().unwrap();
        assert_eq!(second("https://a.b/c?d=e:1"), "https://a.b:443/c?d=e:1");
        assert_eq!(second("http://a.b"), "http://a.b:80");
        assert_eq!(second("https://a.b:8443/c"), "https://a.b/c");
        assert_eq!(second("https://[::1]/c"), "https://[::1]:443/c");
        assert_eq!(second("none"), "none");
    }
}
