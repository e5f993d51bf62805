//! Hypotheses about the signed text: other parts, another order, other
//! separators.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::case::Case;
use super::hypothesis::{Variation, Variations, non_empty_or};
use super::signed_shape::{self, Slot, SlotValues};
use crate::domain::signature::Reading;
use crate::domain::text::visible;

/// Common shapes to try if the scheme has another; see [`signed_shape::read`].
const COMMON_SHAPES: [&str; 26] = [
    "b", "t.b", "tb", "t:b", "b.t", "bt", "t|b", "t\nb", "t_b", "t-b", "i.t.b", "t.i.b", "itb",
    "i:t:b", "i.b", "ib", "u.b", "ub", "ut.b", "utb", "mub", "mubt", "m.u.t.b", "tub", "t.u.b",
    "u.t.b",
];

/// Common separators between the parts.
const SEPARATORS: [&str; 12] = [
    ".", "", ":", "\n", "|", ",", "-", "_", " ", "&", ";", "\r\n",
];

const ADVICE: &str =
    "Build the signed text as the scheme requires; creel sign makes a signature to compare with.";

/// Tries the body alone.
pub(super) fn body_only<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.shape == [Slot::Body] {
        return Err("the scheme signs the body alone");
    }
    let what = format!(
        "Signed over the body alone; the scheme signs {}.",
        case.scheme.signed.text()
    );
    Ok(vec![Variation::text(
        signed_shape::fill(&signed_shape::read("b"), &case.values),
        what,
        ADVICE,
    )])
}

/// Tries other parts and orders that do not contain the address.
pub(super) fn other_parts<'a>(case: &Case<'a>) -> Variations<'a> {
    let values = guessed(case);
    let shapes = COMMON_SHAPES.iter().map(|text| signed_shape::read(text));
    Ok(shapes
        .filter(|shape| shape.len() > 1 && !shape.contains(&Slot::Url))
        .filter(|shape| signed_shape::order(shape) != signed_shape::order(&case.shape))
        .filter(|shape| values.fit(shape))
        .map(|shape| variation(case, &shape, &values))
        .collect::<Vec<_>>())
    .and_then(non_empty_or("the request has neither a time nor an id"))
}

/// Tries the same parts with another separator.
pub(super) fn separator<'a>(case: &Case<'a>) -> Variations<'a> {
    let order = signed_shape::order(&case.shape);
    if order.len() < 2 {
        return Err("the scheme signs one part alone");
    }
    let with = |between: &str| {
        let mut shape = Vec::new();
        for (at, place) in order.iter().enumerate() {
            if at > 0 && !between.is_empty() {
                shape.push(Slot::Literal(between.as_bytes().to_vec()));
            }
            shape.push((*place).clone());
        }
        variation(case, &shape, &case.values)
    };
    Ok(SEPARATORS.iter().map(|between| with(between)).collect())
}

/// Tries the address as an additional part.
pub(super) fn with_url<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.shape.contains(&Slot::Url) {
        return Err("the scheme signs the address already");
    }
    let mut variations = Vec::new();
    for address in super::url::candidates(case).into_iter().take(4) {
        let values = SlotValues {
            url: address.text.into_bytes(),
            ..guessed(case)
        };
        for text in COMMON_SHAPES {
            let shape = signed_shape::read(text);
            if shape.contains(&Slot::Url) && values.fit(&shape) {
                variations.push(variation(case, &shape, &values));
            }
        }
    }
    non_empty_or("the address is not known")(variations)
}

/// Tries the signed text of every other known provider.
pub(super) fn other_provider<'a>(case: &Case<'a>) -> Variations<'a> {
    let mut seen = BTreeSet::new();
    let mut variations = Vec::new();
    let own = &case.subject.provider.name;
    for provider in case.subject.known.iter().filter(|p| p.name != *own) {
        let Some(scheme) = &provider.signature else {
            continue;
        };
        if !scheme.is_plain() {
            continue;
        }
        let shape = signed_shape::of(&scheme.signed);
        let reading = Reading::of(case.subject.request, scheme);
        let theirs = SlotValues::of(&reading, case.subject.request, case.subject.url);
        let ours = guessed(case);
        let or = |theirs: Vec<u8>, ours: &Vec<u8>| {
            if theirs.is_empty() {
                ours.clone()
            } else {
                theirs
            }
        };
        let values = SlotValues {
            time: or(theirs.time, &ours.time),
            id: or(theirs.id, &ours.id),
            url: or(theirs.url, &ours.url),
            method: theirs.method,
        };
        let text = signed_shape::fill(&shape, &values);
        if shape == case.shape && text == case.text
            || !values.fit(&shape)
            || !seen.insert(format!("{text:?}"))
        {
            continue;
        }
        variations.push(Variation::text(
            text,
            format!(
                "Signed by the scheme of {}: {}.",
                provider.title,
                scheme.signed.text()
            ),
            format!(
                "If that is the sender, name it:  creel --provider {}   Otherwise sign {}.",
                provider.name,
                case.scheme.signed.text()
            ),
        ));
    }
    non_empty_or("the parts of no other provider are present")(variations)
}

/// Tries the time in another unit.
pub(super) fn time_unit<'a>(case: &Case<'a>) -> Variations<'a> {
    if !case.shape.contains(&Slot::Time) {
        return Err("the scheme signs no time");
    }
    let text = String::from_utf8_lossy(&case.values.time).into_owned();
    let mut forms: Vec<(String, &str)> = Vec::new();
    let seconds = match text.parse::<i64>() {
        Ok(number) => {
            forms.push((format!("{number}000"), "milliseconds"));
            forms.push((format!("{number}000000"), "microseconds"));
            forms.push((format!("{number}.0"), "seconds with a fraction"));
            if text.len() > 10 {
                forms.push(((number / 1000).to_string(), "seconds"));
                number / 1000
            } else {
                number
            }
        }
        Err(_) => match DateTime::parse_from_rfc3339(&text) {
            Ok(at) => {
                forms.push((at.timestamp().to_string(), "seconds"));
                forms.push((at.timestamp_millis().to_string(), "milliseconds"));
                at.timestamp()
            }
            Err(_) => return Err("the received time cannot be parsed"),
        },
    };
    if let Some(at) = DateTime::from_timestamp(seconds, 0) {
        for form in [
            "%Y-%m-%dT%H:%M:%SZ",
            "%Y-%m-%dT%H:%M:%S.000Z",
            "%Y-%m-%dT%H:%M:%S+00:00",
        ] {
            forms.push((at.format(form).to_string(), "a date"));
        }
    }
    Ok(forms
        .into_iter()
        .map(|(time, unit)| {
            let values = SlotValues {
                time: time.into_bytes(),
                ..case.values.clone()
            };
            Variation::text(
                signed_shape::fill(&case.shape, &values),
                format!(
                    "The signed time is in another unit ({unit}) than the received one: {}.",
                    visible(&text)
                ),
                "Sign the exact text of the header.",
            )
        })
        .collect())
}

/// Tries the times in other headers.
pub(super) fn time_header<'a>(case: &Case<'a>) -> Variations<'a> {
    if !case.shape.contains(&Slot::Time) {
        return Err("the scheme signs no time");
    }
    let variations = times(case)
        .into_iter()
        .map(|(header, time)| {
            let values = SlotValues { time, ..case.values.clone() };
            Variation::text(
                signed_shape::fill(&case.shape, &values),
                format!("The signed time is from the header {}, not from the one that the scheme names.", visible(&header)),
                "Sign the time in the scheme's own header, or name that header in creel.toml.",
            )
        })
        .collect();
    non_empty_or("no other header contains a time")(variations)
}

/// Tries the ids in other headers.
pub(super) fn id_header<'a>(case: &Case<'a>) -> Variations<'a> {
    if !case.shape.contains(&Slot::Id) {
        return Err("the scheme signs no id");
    }
    let variations = ids(case)
        .into_iter()
        .map(|(header, id)| {
            let values = SlotValues {
                id,
                ..case.values.clone()
            };
            Variation::text(
                signed_shape::fill(&case.shape, &values),
                format!(
                    "The signed id is from the header {}, not from the one that the scheme names.",
                    visible(&header)
                ),
                "Sign the id in the scheme's own header.",
            )
        })
        .collect();
    non_empty_or("no other header contains an id")(variations)
}

/// Returns the values of the case; a missing time or id is taken from the first
/// header that has one.
fn guessed(case: &Case<'_>) -> SlotValues {
    let mut values = case.values.clone();
    if values.time.is_empty() {
        values.time = times(case)
            .into_iter()
            .next()
            .map(|(_, time)| time)
            .unwrap_or_default();
    }
    if values.id.is_empty() {
        values.id = ids(case)
            .into_iter()
            .next()
            .map(|(_, id)| id)
            .unwrap_or_default();
    }
    if values.url.is_empty() {
        let first = super::url::candidates(case).into_iter().next();
        values.url = first
            .map(|address| address.text.into_bytes())
            .unwrap_or_default();
    }
    values
}

/// Returns up to eight times found in headers.
fn times(case: &Case<'_>) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for header in &case.subject.request.headers {
        for part in header.value.split(|b| matches!(b, b',' | b';' | b' ')) {
            let part = part.splitn(2, |b| *b == b'=').last().unwrap_or(part);
            let digits = (9..=19).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
            let date =
                std::str::from_utf8(part).is_ok_and(|t| DateTime::parse_from_rfc3339(t).is_ok());
            if (digits || date) && part != case.values.time {
                found.push((header.name.to_owned(), part.to_vec()));
            }
        }
        if let Some(at) = std::str::from_utf8(header.value)
            .ok()
            .and_then(|v| DateTime::parse_from_rfc2822(v).ok())
        {
            found.push((header.name.to_owned(), header.value.to_owned()));
            found.push((
                header.name.to_owned(),
                at.timestamp().to_string().into_bytes(),
            ));
        }
    }
    found.truncate(8);
    found
}

/// Returns up to eight ids found in headers.
fn ids(case: &Case<'_>) -> Vec<(String, Vec<u8>)> {
    let is_id = |name: &str| name.ends_with("-id") || name.ends_with("delivery") || name == "id";
    case.subject
        .request
        .headers
        .iter()
        .filter(|h| {
            is_id(h.name)
                && !h.value.is_empty()
                && h.value.len() <= 256
                && h.value != case.values.id
        })
        .map(|h| (h.name.to_owned(), h.value.to_owned()))
        .take(8)
        .collect()
}

fn variation<'a>(case: &Case<'a>, shape: &[Slot], values: &SlotValues) -> Variation<'a> {
    Variation::text(
        signed_shape::fill(shape, values),
        format!(
            "Signed over {}; the scheme signs {}.",
            signed_shape::show(shape),
            case.scheme.signed.text()
        ),
        ADVICE,
    )
}
