//! What differs between two requests, as lines: `-` what was, `+` what will be.

use crate::domain::body::{BodyView, MAX_FORMATTED_BYTES, ViewMode, view};
use crate::domain::diff::{self, DiffLine};
use crate::domain::headers::Header;
use crate::domain::request::Request;
use crate::domain::text::{bytes, visible_as, visible_bytes_as};

use super::look::Look;
use super::theme::Role;

/// How many lines of a body stand around what differs.
const CONTEXT: usize = 2;
/// From how many characters on the beginning that two lines share is left out.
const ALIKE: usize = 60;
/// How many of those stay in sight.
const KEPT: usize = 24;

/// A line and how it is coloured.
pub type Written = (String, Role);

/// Headers whose values come about only when a request is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct When<'a> {
    /// Those made then.
    pub later: &'a [String],
    /// Those that hold the time.
    pub now: &'a [String],
}

/// Writes which lines of request line, headers and body differ. Bodies of
/// more than `most` bytes are not compared line by line.
pub fn lines(
    old: &Request,
    new: &Request,
    when: When<'_>,
    most: usize,
    look: &Look,
) -> Vec<Written> {
    let mut lines = Vec::new();
    let first = |request: &Request| {
        let line = format!("{} {}", request.method, request.target());
        visible_as(&line, look.marks()).into_owned()
    };
    if first(old) != first(new) {
        lines.push((format!("- {}", first(old)), Role::Bad));
        lines.push((format!("+ {}", first(new)), Role::Good));
    }
    headers(old, new, when, look, &mut lines);
    body(old, new, most, look, &mut lines);
    lines
}

fn headers(old: &Request, new: &Request, when: When<'_>, look: &Look, lines: &mut Vec<Written>) {
    let write = |header: Header<'_>| {
        let name = visible_as(header.name, look.marks());
        format!("{name}: {}", visible_bytes_as(header.value, look.marks()))
    };
    let made = |header: Header<'_>| {
        if when.now.iter().any(|name| name == header.name) {
            format!("{} (now)", write(header))
        } else if when.later.iter().any(|name| name == header.name) {
            let name = visible_as(header.name, look.marks());
            format!("{name}: (made when it is sent)")
        } else {
            write(header)
        }
    };
    let before: Vec<Header<'_>> = old.headers.iter().collect();
    let after: Vec<Header<'_>> = new.headers.iter().collect();
    for run in diff::runs(&before, &after) {
        if run.same {
            continue;
        }
        // What takes the place of a header stands right below it.
        let mut rest: Vec<Header<'_>> = after[run.new].to_vec();
        for header in &before[run.old] {
            lines.push((format!("- {}", write(*header)), Role::Bad));
            if let Some(at) = rest.iter().position(|new| new.name == header.name) {
                lines.push((format!("+ {}", made(rest.remove(at))), Role::Good));
            }
        }
        lines.extend(
            rest.into_iter()
                .map(|h| (format!("+ {}", made(h)), Role::Good)),
        );
    }
}

fn body(old: &Request, new: &Request, most: usize, look: &Look, lines: &mut Vec<Written>) {
    if old.body == new.body {
        return;
    }
    let size = |request: &Request| bytes(request.body.len() as u64);
    let arrow = look.own("→");
    lines.push((
        format!("body: {} {arrow} {}", size(old), size(new)),
        Role::Context,
    ));
    if old.body.len().max(new.body.len()) > most.min(MAX_FORMATTED_BYTES) {
        let note = "The bodies are too large to be compared line by line here.";
        lines.push((note.to_owned(), Role::Context));
        return;
    }
    // Laid out first; where only blanks differ, as it stands; then its bytes.
    for mode in [ViewMode::Pretty, ViewMode::Raw, ViewMode::Hex] {
        let laid_out = |request: &Request| {
            view(&request.body, request.content_type(), mode).with_marks(look.marks())
        };
        let (old, new) = (laid_out(old), laid_out(new));
        // What is laid out beside what cannot be has no line in common.
        let broken = (old.kind(), old.problem().is_some()) != (new.kind(), new.problem().is_some());
        if mode == ViewMode::Pretty && broken {
            continue;
        }
        let written = |view: &BodyView| -> Vec<String> {
            let all = view.window(0, view.lines_total());
            all.iter().map(crate::domain::body::Line::text).collect()
        };
        let (mut before, mut after) = (written(&old), written(&new));
        let runs = diff::runs(&before, &after);
        let shown = diff::shown(&runs, CONTEXT);
        if shown.is_empty() {
            continue;
        }
        for run in runs
            .iter()
            .filter(|run| !run.same && run.old.len() == run.new.len())
        {
            for (old, new) in run.old.clone().zip(run.new.clone()) {
                skip_alike(&mut before[old], &mut after[new], look.glyphs.ellipsis);
            }
        }
        lines.extend(shown.into_iter().map(|line| match line {
            DiffLine::Same(at) => (format!("  {}", after[at]), Role::Plain),
            DiffLine::Old(at) => (format!("- {}", before[at]), Role::Bad),
            DiffLine::New(at) => (format!("+ {}", after[at]), Role::Good),
            DiffLine::Skipped(count) => (
                format!("  {} {count} lines alike", look.glyphs.ellipsis),
                Role::Context,
            ),
        }));
        return;
    }
}

/// Leaves out most of what two long lines begin with alike, so that what
/// differs is in sight.
fn skip_alike(old: &mut String, new: &mut String, ellipsis: &str) {
    let pairs = old.char_indices().zip(new.chars());
    let alike: Vec<usize> = pairs
        .take_while(|((_, a), b)| a == b)
        .map(|((at, _), _)| at)
        .collect();
    let Some(last) = alike.len().checked_sub(ALIKE) else {
        return;
    };
    let start = alike[last + ALIKE - KEPT];
    for line in [old, new] {
        line.replace_range(..start, ellipsis);
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::{ASCII, UNICODE, Zone};
    use super::super::theme::Theme;
    use super::*;

    fn request(path: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Request {
        Request {
            method: "POST".into(),
            path: path.into(),
            headers: headers.iter().copied().collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    fn drawn(old: &Request, new: &Request, later: &[&str]) -> Vec<String> {
        let look = Look {
            theme: Theme::Plain,
            glyphs: &UNICODE,
            zone: Zone::Local,
        };
        let later: Vec<String> = later.iter().map(|n| (*n).to_owned()).collect();
        let when = When {
            later: &later,
            now: &["time".to_owned()],
        };
        let written = lines(old, new, when, MAX_FORMATTED_BYTES, &look);
        let ascii = Look {
            glyphs: &ASCII,
            ..look
        };
        for (text, _) in lines(old, new, when, MAX_FORMATTED_BYTES, &ascii) {
            assert!(text.is_ascii(), "{text}");
        }
        written.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn shows_what_was_and_what_will_be() {
        let old = request(
            "/a",
            &[("host", "x"), ("sig", "1"), ("keep", "k")],
            b"{\"a\":1,\"b\":[1,2,3,4,5,6]}",
        );
        let new = request(
            "/b",
            &[
                ("host", "y"),
                ("sig", "2"),
                ("keep", "k"),
                ("new", "n"),
                ("time", "7"),
            ],
            b"{\"a\":2,\"b\":[1,2,3,4,5,6]}",
        );
        assert_eq!(
            drawn(&old, &new, &["sig"]),
            [
                "- POST /a",
                "+ POST /b",
                "- host: x",
                "+ host: y",
                "- sig: 1",
                "+ sig: (made when it is sent)",
                "+ new: n",
                "+ time: 7 (now)",
                "body: 25 B → 25 B",
                "  {",
                "-   \"a\": 1,",
                "+   \"a\": 2,",
                "    \"b\": [",
                "      1,",
                "  … 7 lines alike",
            ]
        );
        assert!(drawn(&old, &old, &["sig"]).is_empty());
    }

    #[test]
    fn a_blank_more_is_a_difference_too() {
        let old = request("/", &[], b"{\"a\":1}");
        let new = request("/", &[], b"{\"a\": 1}");
        let lines = drawn(&old, &new, &[]);
        assert_eq!(lines[1..], ["- {\"a\":1}", "+ {\"a\": 1}"]);
        let bytes = request("/", &[], b"\xff\x1b");
        assert!(drawn(&old, &bytes, &[]).len() > 2);
        for line in drawn(&old, &bytes, &[]) {
            assert!(!line.contains('\u{1b}'), "{line}");
        }
    }

    #[test]
    fn of_long_lines_that_begin_alike_the_difference_is_in_sight() {
        let old = request(
            "/",
            &[],
            b"{\"a\":\"0123456789012345678901234567890123456789\",\"b\":\"0123456789\",\"c\":1}",
        );
        let new = request(
            "/",
            &[],
            b"{\"a\":\"0123456789012345678901234567890123456789\",\"b\":\"0123456789\",\"c\":1,}",
        );
        let lines = drawn(&old, &new, &[]);
        assert_eq!(
            lines[1..],
            [
                "- …\",\"b\":\"0123456789\",\"c\":1}",
                "+ …\",\"b\":\"0123456789\",\"c\":1,}"
            ]
        );
    }
}
