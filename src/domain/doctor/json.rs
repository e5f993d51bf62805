//! A JSON body as other programs would have written it.

use super::case::Case;
use super::hypothesis::{Idea, Ideas};
use super::rewrite::{self, Layout, TAB};
use super::tokens::{self, Kind, Token};
use super::values::{Html, Number, Slash, Unicode, Values};

const ADVICE: &str = "Sign and check the bytes as they are sent. In Express, express.raw({type: 'application/json'}) before express.json(); in Flask request.get_data(); in Next.js await req.text().";

const NO_JSON: &str = "the body is no JSON of up to 4 MiB";

/// Writes a layout in words, with and without sorted keys.
fn layouts<'a>(case: &Case<'a>, layouts: &[(&str, Layout)], sorted: bool) -> Ideas<'a> {
    let json = case.json().ok_or(NO_JSON)?;
    if sorted && !json.any(Kind::Colon, |_| true) {
        return Err("the body has no keys");
    }
    let order = if sorted { json.sorted() } else { &json.tokens };
    Ok(layouts
        .iter()
        .take(most(case))
        .filter(|(_, layout)| !json.deep || layout.indent.is_none())
        .map(|(how, layout)| {
            let keys = if sorted { ", with sorted keys" } else { "" };
            rewritten(
                rewrite::write_as(order, *layout, Values::KEPT),
                &format!("it was signed {how}{keys}"),
            )
        })
        .collect())
}

/// Returns how many forms of one kind are written at the most.
fn most(case: &Case<'_>) -> usize {
    if case.large() { 1 } else { usize::MAX }
}

fn rewritten<'a>(body: String, how: &str) -> Idea<'a> {
    Idea::body(
        body.into_bytes(),
        format!("The JSON was written anew on the way; {how}."),
        ADVICE,
    )
}

/// Tries the JSON without blanks.
pub(super) fn compact<'a>(case: &Case<'a>) -> Ideas<'a> {
    layouts(case, &[("without blanks", Layout::COMPACT)], false)
}

/// Tries the JSON with a blank behind commas and colons.
pub(super) fn spaced<'a>(case: &Case<'a>) -> Ideas<'a> {
    layouts(
        case,
        &[(
            "with a blank behind commas and colons, as Python's json.dumps writes",
            Layout::SPACED,
        )],
        false,
    )
}

/// Tries the JSON with a value on each line.
pub(super) fn indented<'a>(case: &Case<'a>) -> Ideas<'a> {
    layouts(case, &INDENTED, false)
}

const INDENTED: [(&str, Layout); 3] = [
    ("indented by 2", Layout::indented(2)),
    ("indented by 4", Layout::indented(4)),
    ("indented by tabs", Layout::indented(TAB)),
];

/// Tries the JSON with sorted keys.
pub(super) fn sorted<'a>(case: &Case<'a>) -> Ideas<'a> {
    let every = [
        ("without blanks", Layout::COMPACT),
        ("with blanks", Layout::SPACED),
        INDENTED[0],
        INDENTED[1],
    ];
    layouts(case, &every, true)
}

fn kept<'a>(case: &Case<'a>, every: &[(&str, Values)]) -> Ideas<'a> {
    let json = case.json().ok_or(NO_JSON)?;
    Ok(every
        .iter()
        .take(most(case))
        .map(|(how, values)| {
            rewritten(
                rewrite::write_kept(json.source, &json.tokens, *values),
                &format!("it was signed {how}"),
            )
        })
        .collect())
}

/// Tries `/` escaped and not.
pub(super) fn slashes<'a>(case: &Case<'a>) -> Ideas<'a> {
    let json = case.json().ok_or(NO_JSON)?;
    if !json.any(Kind::Text, |text| text.contains('/')) {
        return Err("the body has no slash");
    }
    let with = |slash| Values {
        slash,
        ..Values::KEPT
    };
    kept(
        case,
        &[
            (
                "with every / as \\/, as PHP's json_encode writes",
                with(Slash::Escaped),
            ),
            ("with every / as it is", with(Slash::Plain)),
        ],
    )
}

/// Tries characters beyond ASCII escaped and not.
pub(super) fn unicode<'a>(case: &Case<'a>) -> Ideas<'a> {
    let json = case.json().ok_or(NO_JSON)?;
    let foreign =
        |text: &str| !text.is_ascii() || text.contains("\\u") || text.contains(['<', '>', '&']);
    if !json.any(Kind::Text, foreign) {
        return Err("the body has plain ASCII only");
    }
    let with = |unicode| Values {
        unicode,
        ..Values::KEPT
    };
    let html = |html| Values {
        html,
        ..Values::KEPT
    };
    let mut every = [
        (
            "with characters such as é as \\u00e9, as Python writes",
            with(Unicode::Lower),
        ),
        ("with characters such as \\u00e9 as é", with(Unicode::Plain)),
        ("with characters such as é as \\u00E9", with(Unicode::Upper)),
        (
            "with < > & as \\u003c and the like, as Go writes",
            html(Html::Escaped),
        ),
        ("with < > & as they are", html(Html::Plain)),
    ];
    // What came escaped was signed plain, if anything.
    if json.source.is_ascii() {
        every.swap(0, 1);
    }
    kept(case, &every)
}

/// Tries numbers written otherwise: all alike, then each alone.
pub(super) fn numbers<'a>(case: &Case<'a>) -> Ideas<'a> {
    /// More numbers than these are not tried one by one.
    const ALONE: usize = 24;
    let json = case.json().ok_or(NO_JSON)?;
    let with = |number| Values {
        number,
        ..Values::KEPT
    };
    if !json.any(Kind::Number, |_| true) {
        return Err("the body has no number");
    }
    let every = [
        (
            "with numbers as short as can be, as JavaScript writes (1 for 1.0)",
            with(Number::Short),
        ),
        (
            "with .0 behind whole numbers that had a fraction",
            with(Number::Float),
        ),
        (
            "with two places behind the point where there is one",
            with(Number::Money),
        ),
        ("with .0 behind every whole number", with(Number::AllFloat)),
        (
            "with two places behind every number's point",
            with(Number::AllMoney),
        ),
    ];
    let mut ideas = kept(case, &every)?;
    let numbers: Vec<&Token<'_>> = json
        .tokens
        .iter()
        .filter(|t| t.kind == Kind::Number)
        .collect();
    if numbers.len() > ALONE || json.source.len() > 64 << 10 {
        return Ok(ideas);
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
            ideas.push(rewritten(
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
    Ok(ideas)
}

/// A program, how it lays JSON out, how it writes values, and whether it sorts
/// the keys.
type Library = (&'static str, Layout, Values, bool);

const PLAIN: Values = Values {
    unicode: Unicode::Plain,
    slash: Slash::Plain,
    html: Html::Plain,
    number: Number::Kept,
};

const ASCII: Values = Values {
    unicode: Unicode::Lower,
    slash: Slash::Plain,
    html: Html::Plain,
    number: Number::Float,
};

/// Returns what several languages' libraries write, the likeliest first.
fn libraries() -> Vec<Library> {
    let (plain, ascii) = (PLAIN, ASCII);
    let script = Values {
        number: Number::Short,
        ..plain
    };
    let php = Values {
        slash: Slash::Escaped,
        number: Number::Kept,
        ..ascii
    };
    let go = Values {
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
            "JavaScript's JSON.stringify with 2 blanks",
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
            Values {
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
        ("Ruby's or Java's libraries", Layout::COMPACT, plain, false),
        (
            "a library that escapes nothing, sorted",
            Layout::COMPACT,
            plain,
            true,
        ),
    ]
}

/// What programs write that print to a file or a pipe: they end the line.
const PRINTED: [(&str, Layout, Values); 4] = [
    ("jq", Layout::indented(2), PLAIN),
    ("jq -c", Layout::COMPACT, PLAIN),
    ("python -m json.tool", Layout::indented(4), ASCII),
    ("Python's print(json.dumps(…))", Layout::SPACED, ASCII),
];

/// Tries the JSON as the libraries of several languages write it: layout,
/// escapes and numbers at once.
pub(super) fn language<'a>(case: &Case<'a>) -> Ideas<'a> {
    let json = case.json().ok_or(NO_JSON)?;
    let shown = |layout: &Layout| !json.deep || layout.indent.is_none();
    let mut ideas: Vec<Idea<'a>> = libraries()
        .into_iter()
        .take(most(case).saturating_mul(2))
        .filter(|(_, layout, ..)| shown(layout))
        .map(|(who, layout, values, sorted)| {
            let order = if sorted { json.sorted() } else { &json.tokens };
            rewritten(
                rewrite::write_as(order, layout, values),
                &format!("it was signed as {who} writes it"),
            )
        })
        .collect();
    let printed = PRINTED.into_iter().filter(|_| !case.large());
    ideas.extend(
        printed
            .filter(|(_, layout, _)| shown(layout))
            .map(|(who, layout, values)| {
                let mut text = rewrite::write_as(&json.tokens, layout, values);
                text.push('\n');
                rewritten(text, &format!("it was signed as {who} writes it"))
            }),
    );
    Ok(ideas)
}

/// Says where a body stops being JSON, where it begins like it.
pub(super) fn broken_off(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
        && std::str::from_utf8(body).is_ok_and(|text| {
            tokens::tokens(text).is_err_and(|broken| {
                let lines = text.matches('\n').count() + 1;
                let last = text.rsplit('\n').next().unwrap_or_default();
                // A text in quotes that never ends is reported where it begins.
                let in_text = last
                    .chars()
                    .skip(broken.column.saturating_sub(1))
                    .collect::<String>();
                broken.line == lines && (in_text.is_empty() || in_text.starts_with('"'))
            })
        })
}
