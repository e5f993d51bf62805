//! Exports a request: as a curl command, or as raw header lines.

use std::fmt::Write as _;

use super::headers::{Header, Headers};
use super::request::Request;

/// Header fields that curl or the connection generates.
const GENERATED_BY_CURL: [&str; 6] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "keep-alive",
    "proxy-connection",
];

/// Header fields that curl adds unless they are specified.
const ADDED_BY_CURL: [&str; 3] = ["accept", "user-agent", "content-type"];

/// Formats a shell command that sends the same request with curl: the same
/// method, headers and body, byte for byte.
///
/// The result has no other effect in a POSIX shell or a terminal: words are in
/// single quotes, and anything but plain text is written in base64.
pub fn curl(request: &Request, url: &str) -> String {
    let mut command = String::new();
    let plain_body = plain(&request.body);
    if plain_body.is_none() && !request.body.is_empty() {
        command.push_str("printf %s '");
        command.push_str(&base64(&request.body));
        command.push_str("' | base64 -d | ");
    }
    command.push_str("curl --globoff --path-as-is");
    match request.method.as_str() {
        "HEAD" => command.push_str(" --head"),
        method => {
            command.push_str(" --request ");
            command.push_str(&quoted(method.as_bytes()));
        }
    }
    command.push(' ');
    command.push_str(&quoted(url.as_bytes()));
    for header in &request.headers {
        if !GENERATED_BY_CURL.contains(&header.name) {
            command.push_str(" \\\n  --header ");
            command.push_str(&header_word(header));
        }
    }
    for name in ADDED_BY_CURL {
        let needless = name == "content-type" && request.body.is_empty();
        if !request.headers.contains(name) && !needless {
            command.push_str(" \\\n  --header ");
            command.push_str(&quoted(format!("{name}:").as_bytes()));
        }
    }
    if request.body.is_empty() {
        // Without a body, curl sends no content-length; most apps accept that.
    } else if let Some(text) = plain_body {
        command.push_str(" \\\n  --data-raw ");
        command.push_str(&quoted(text.as_bytes()));
    } else {
        command.push_str(" \\\n  --data-binary @-");
    }
    command.push('\n');
    command
}

/// Formats header fields as in HTTP/1.1, one per line.
pub fn fields(headers: &Headers) -> Vec<u8> {
    let mut out = Vec::new();
    for header in headers {
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(header.value);
        out.push(b'\n');
    }
    out
}

/// Formats a header as one shell word.
fn header_word(header: Header<'_>) -> String {
    if header.value.is_empty() {
        // curl's notation for an empty header.
        return quoted(format!("{};", header.name).as_bytes());
    }
    let mut line = format!("{}: ", header.name).into_bytes();
    line.extend_from_slice(header.value);
    quoted(&line)
}

/// Quotes bytes as one word of a POSIX shell.
pub fn quoted(bytes: &[u8]) -> String {
    if let Some(text) = plain(bytes) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // printf supports octal escapes in every shell. The substitution preserves
    // everything except trailing newlines, which headers do not have.
    let mut escaped = String::new();
    for &byte in bytes {
        match byte {
            b' '..=b'~' if !matches!(byte, b'\\' | b'%' | b'\'') => escaped.push(char::from(byte)),
            _ => write!(escaped, "\\{byte:03o}").expect("writing to a string does not fail"),
        }
    }
    format!("\"$(printf '{escaped}')\"")
}

/// Returns the text if it contains nothing that is hidden or controls the
/// terminal it is pasted into.
fn plain(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let safe = |c: char| c == '\n' || c == '\t' || !super::text::is_hidden(c);
    text.chars().all(safe).then_some(text)
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(headers: &[(&str, &[u8])], body: &[u8]) -> Request {
        Request {
            method: "POST".into(),
            path: "/hooks".into(),
            headers: headers.iter().copied().collect(),
            body: Bytes::copy_from_slice(body),
            ..Request::default()
        }
    }

    #[test]
    fn writes_a_command_that_sends_the_same() {
        let request = request(
            &[
                ("host", b"example.test"),
                ("content-type", b"application/json"),
                ("x-empty", b""),
                ("accept", b"*/*"),
            ],
            b"{\"a\":\"it's\"}",
        );
        assert_eq!(
            curl(&request, "http://localhost:3000/hooks?a=[1]"),
            "curl --globoff --path-as-is --request 'POST' 'http://localhost:3000/hooks?a=[1]' \\\n  \
             --header 'content-type: application/json' \\\n  \
             --header 'x-empty;' \\\n  \
             --header 'accept: */*' \\\n  \
             --header 'user-agent:' \\\n  \
             --data-raw '{\"a\":\"it'\\''s\"}'\n"
        );
    }

    #[test]
    fn carries_bytes_that_are_no_text() {
        let request = request(&[("x-raw", b"a\xff'\x1b")], b"\0\xff");
        let command = curl(&request, "http://localhost/");
        assert!(
            command.starts_with("printf %s 'AP8=' | base64 -d | curl "),
            "{command}"
        );
        assert!(command.contains("--data-binary @-"), "{command}");
        assert!(
            command.contains(r#"--header "$(printf 'x-raw: a\377\047\033')""#),
            "{command}"
        );
        assert!(command.chars().all(|c| c == '\n' || !c.is_control()));
    }

    /// A shell must parse exactly the words that were quoted.
    #[test]
    fn a_shell_reads_the_same_words() {
        let words: [&[u8]; 5] = [
            b"plain",
            b"it's $HOME `id` \"x\" \\n",
            b"a\nb\tc",
            b"\x1b[31m%s\\\x80",
            "日本".as_bytes(),
        ];
        for word in words {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(output.stdout, word, "{script}");
        }
    }

    #[test]
    fn writes_fields_one_a_line() {
        let request = request(&[("a", b"1"), ("a", b"\xff")], b"");
        assert_eq!(fields(&request.headers), b"a: 1\na: \xff\n");
    }
}
