//! Hypotheses about JSON bodies that were serialized again by another program.

use super::case::Case;
use super::hypothesis::{Variation, Variations};
use super::rewrite::{self, Layout, TAB};
use super::tokens::{self, Token, TokenKind};
use super::value_style::{Html, Number, Slash, Unicode, ValueStyle};

const ADVICE: &str = "Sign and verify the bytes as sent. In Express, use express.raw({type: 'application/json'}) before express.json(); in Flask, request.get_data(); in Next.js, await req.text().";

const NOT_JSON: &str = "the body is not JSON of up to 4 MiB";

/// Serializes the body in several layouts, optionally with sorted keys.
fn layouts<'a>(case: &Case<'a>, layouts: &[(&str, Layout)], sorted: bool) -> Variations<'a> {
    let json = case.json().ok_or(NOT_JSON)?;
    if sorted && !json.any(TokenKind::Colon, |_| true) {
        return Err("the body has no keys");
    }
    let order = if sorted { json.sorted() } else { &json.tokens };
    Ok(layouts
        .iter()
        .take(max_forms(case))
        .filter(|(_, layout)| !json.deep || layout.indent.is_none())
        .map(|(how, layout)| {
            let keys = if sorted { ", with sorted keys" } else { "" };
            rewritten(
                rewrite::write_as(order, *layout, ValueStyle::KEPT),
                &format!("it was signed {how}{keys}"),
            )
        })
        .collect())
}

/// Returns how many forms of one kind are tried.
fn max_forms(case: &Case<'_>) -> usize {
    if case.is_large() { 1 } else { usize::MAX }
}

fn rewritten<'a>(body: String, how: &str) -> Variation<'a> {
    Variation::body(
        body.into_bytes(),
        format!("The JSON was re-serialized in transit; {how}."),
        ADVICE,
    )
}

/// Tries the JSON without whitespace.
pub(super) fn compact<'a>(case: &Case<'a>) -> Variations<'a> {
    layouts(case, &[("without whitespace", Layout::COMPACT)], false)
}

/// Tries the JSON with a space after commas and colons.
pub(super) fn spaced<'a>(case: &Case<'a>) -> Variations<'a> {
    layouts(
        case,
        &[(
            "with a space after commas and colons, as by Python's json.dumps",
            Layout::SPACED,
        )],
        false,
    )
}

/// Tries the JSON with one value per line.
pub(super) fn indented<'a>(case: &Case<'a>) -> Variations<'a> {
    layouts(case, &INDENTED, false)
}

const INDENTED: [(&str, Layout); 3] = [
    ("indented by 2", Layout::indented(2)),
    ("indented by 4", Layout::indented(4)),
    ("indented by tabs", Layout::indented(TAB)),
];

/// Tries the JSON with sorted keys.
pub(super) fn sorted<'a>(case: &Case<'a>) -> Variations<'a> {
    let every = [
        ("without whitespace", Layout::COMPACT),
        ("with spaces", Layout::SPACED),
        INDENTED[0],
        INDENTED[1],
    ];
    layouts(case, &every, true)
}

fn kept<'a>(case: &Case<'a>, every: &[(&str, ValueStyle)]) -> Variations<'a> {
    let json = case.json().ok_or(NOT_JSON)?;
    Ok(every
        .iter()
        .take(max_forms(case))
        .map(|(how, values)| {
            rewritten(
                rewrite::write_kept(json.source, &json.tokens, *values),
                &format!("it was signed {how}"),
            )
        })
        .collect())
}

/// Tries `/` escaped and unescaped.
pub(super) fn slashes<'a>(case: &Case<'a>) -> Variations<'a> {
    let json = case.json().ok_or(NOT_JSON)?;
    if !json.any(TokenKind::Text, |text| text.contains('/')) {
        return Err("the body has no slash");
    }
    let with = |slash| ValueStyle {
        slash,
        ..ValueStyle::KEPT
    };
    kept(
        case,
        &[
            (
                "with every / as \\/, as by PHP's json_encode",
                with(Slash::Escaped),
            ),
            ("with every / unescaped", with(Slash::Plain)),
        ],
    )
}

/// Tries non-ASCII characters escaped and unescaped.
pub(super) fn unicode<'a>(case: &Case<'a>) -> Variations<'a> {
    let json = case.json().ok_or(NOT_JSON)?;
    let foreign =
        |text: &str| !text.is_ascii() || text.contains("\\u") || text.contains(['<', '>', '&']);
    if !json.any(TokenKind::Text, foreign) {
        return Err("the body is plain ASCII");
    }
    let with = |unicode| ValueStyle {
        unicode,
        ..ValueStyle::KEPT
    };
    let html = |html| ValueStyle {
        html,
        ..ValueStyle::KEPT
    };
    let mut every = [
        (
            "with characters such as é as \\u00e9, as by Python",
            with(Unicode::Lower),
        ),
        ("with characters such as \\u00e9 as é", with(Unicode::Plain)),
        ("with characters such as é as \\u00E9", with(Unicode::Upper)),
        (
            "with < > & as \\u003c and so on, as by Go",
            html(Html::Escaped),
        ),
        ("with < > & unescaped", html(Html::Plain)),
    ];
    // If the received JSON is ASCII, the signed one is more likely unescaped.
    if json.source.is_ascii() {
        every.swap(0, 1);
    }
    kept(case, &every)
}

/// Tries numbers in other notations: all of them alike, then each alone.
pub(super) fn numbers<'a>(case: &Case<'a>) -> Variations<'a> {
    /// With more numbers than this, numbers are not varied one by one.
    const MAX_NUMBERS_TRIED: usize = 24;
    let json = case.json().ok_or(NOT_JSON)?;
    let with = |number| ValueStyle {
        number,
        ..ValueStyle::KEPT
    };
    if !json.any(TokenKind::Number, |_| true) {
        return Err("the body has no number");
    }
    let every = [
        (
            "with numbers as short as possible, as by JavaScript (1 for 1.0)",
            with(Number::Short),
        ),
        (
            "with .0 after whole numbers that had a fraction",
            with(Number::Float),
        ),
        (
            "with two decimal places in numbers with a fraction",
            with(Number::Money),
        ),
        ("with .0 after every whole number", with(Number::AllFloat)),
        (
            "with two decimal places in every number",
            with(Number::AllMoney),
        ),
    ];
    let mut variations = kept(case, &every)?;
    let numbers: Vec<&Token<'_>> = json
        .tokens
        .iter()
        .filter(|t| t.kind == TokenKind::Number)
        .collect();
    if numbers.len() > MAX_NUMBERS_TRIED || json.source.len() > 64 << 10 {
        return Ok(variations);
    }
    for token in numbers {
        let ends: &[&str] = if token.text.contains(['e', 'E']) {
            &[]
        } else if token.text.contains('.') {
            &["0", "00"]
        } else {
            &[".0", ".00"]
        };
        let end = token.at + token.text.len();
        let mut add = |text: String| {
            let body = [&json.source[..token.at], &text, &json.source[end..]].concat();
            variations.push(rewritten(
                body,
                &format!("the number {} was signed as {text}", token.text),
            ));
        };
        for zeros in ends {
            add(format!("{}{zeros}", token.text));
        }
        if let Some((whole, fraction)) = token.text.split_once('.')
            && ends.len() == 2
        {
            let short = fraction.trim_end_matches('0');
            add(if short.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{short}")
            });
        }
    }
    Ok(variations)
}

/// A library: its name, layout, value style, and whether it sorts the keys.
type Library = (&'static str, Layout, ValueStyle, bool);

const PLAIN: ValueStyle = ValueStyle {
    unicode: Unicode::Plain,
    slash: Slash::Plain,
    html: Html::Plain,
    number: Number::Kept,
};

const ASCII: ValueStyle = ValueStyle {
    unicode: Unicode::Lower,
    slash: Slash::Plain,
    html: Html::Plain,
    number: Number::Float,
};

/// Returns how JSON libraries of several languages serialize, most likely
/// first.
fn libraries() -> Vec<Library> {
    let (plain, ascii) = (PLAIN, ASCII);
    let script = ValueStyle {
        number: Number::Short,
        ..plain
    };
    let php = ValueStyle {
        slash: Slash::Escaped,
        number: Number::Kept,
        ..ascii
    };
    let go = ValueStyle {
        html: Html::Escaped,
        ..script
    };
    vec![
        (
            "JavaScript's JSON.stringify",
            Layout::COMPACT,
            script,
            false,
        ),
        ("Python's json.dumps", Layout::SPACED, ascii, false),
        (
            "JavaScript's JSON.stringify with 2 spaces",
            Layout::indented(2),
            script,
            false,
        ),
        (
            "Python's json.dumps with indent=2",
            Layout::indented(2),
            ascii,
            false,
        ),
        (
            "Python's json.dumps with indent=4",
            Layout::indented(4),
            ascii,
            false,
        ),
        (
            "Python's json.dumps with ensure_ascii=False",
            Layout::SPACED,
            ValueStyle {
                unicode: Unicode::Plain,
                ..ascii
            },
            false,
        ),
        (
            "Python's json.dumps with sort_keys",
            Layout::SPACED,
            ascii,
            true,
        ),
        (
            "Python's json.dumps with separators",
            Layout::COMPACT,
            ascii,
            false,
        ),
        (
            "Python's json.dumps with separators and sort_keys",
            Layout::COMPACT,
            ascii,
            true,
        ),
        ("PHP's json_encode", Layout::COMPACT, php, false),
        ("PHP's json_encode, pretty", Layout::indented(4), php, false),
        ("Go's json.Marshal", Layout::COMPACT, go, false),
        ("Go's json.Marshal of a map", Layout::COMPACT, go, true),
        ("Ruby or Java libraries", Layout::COMPACT, plain, false),
        (
            "a library that escapes nothing, sorted",
            Layout::COMPACT,
            plain,
            true,
        ),
    ]
}

/// Programs that print JSON to a file or a pipe and end it with a newline.
const PRINTING_PROGRAMS: [(&str, Layout, ValueStyle); 4] = [
    ("jq", Layout::indented(2), PLAIN),
    ("jq -c", Layout::COMPACT, PLAIN),
    ("python -m json.tool", Layout::indented(4), ASCII),
    ("Python's print(json.dumps(…))", Layout::SPACED, ASCII),
];

/// Tries the JSON as the libraries of several languages serialize it: layout,
/// escapes and numbers together.
pub(super) fn language<'a>(case: &Case<'a>) -> Variations<'a> {
    let json = case.json().ok_or(NOT_JSON)?;
    let shown = |layout: &Layout| !json.deep || layout.indent.is_none();
    let mut variations: Vec<Variation<'a>> = libraries()
        .into_iter()
        .take(max_forms(case).saturating_mul(2))
        .filter(|(_, layout, ..)| shown(layout))
        .map(|(who, layout, values, sorted)| {
            let order = if sorted { json.sorted() } else { &json.tokens };
            rewritten(
                rewrite::write_as(order, layout, values),
                &format!("it was signed as written by {who}"),
            )
        })
        .collect();
    let printed = PRINTING_PROGRAMS.into_iter().filter(|_| !case.is_large());
    variations.extend(printed.filter(|(_, layout, _)| shown(layout)).map(
        |(who, layout, values)| {
            let mut text = rewrite::write_as(&json.tokens, layout, values);
            text.push('\n');
            rewritten(text, &format!("it was signed as written by {who}"))
        },
    ));
    Ok(variations)
}

/// Returns whether a body begins like JSON and is truncated.
pub(super) fn is_cut_off(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
        && std::str::from_utf8(body).is_ok_and(|text| {
            tokens::tokens(text).is_err_and(|broken| {
                let lines = text.matches('\n').count() + 1;
                let last = text.rsplit('\n').next().unwrap_or_default();
                // An unterminated string is reported at its beginning.
                let in_text = last
                    .chars()
                    .skip(broken.column.saturating_sub(1))
                    .collect::<String>();
                broken.line == lines && (in_text.is_empty() || in_text.starts_with('"'))
            })
        })
}
