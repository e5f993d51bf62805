//! Explains errors in a TOML file: the line, what is wrong, and a suggested
//! fix.

use std::ops::Range;

use super::failure::Failure;

/// Converts an error of the TOML parser about `text`, from the file `shown`,
/// into a failure.
pub fn explain_toml_error(shown: &str, text: &str, error: &toml::de::Error) -> Failure {
    let message = discreet(error.message().trim().trim_end_matches('.'));
    let span = error.span().unwrap_or(0..0);
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| {
        let (name, rest) = rest.split_once('`')?;
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        Some((name.to_owned(), known))
    });
    let at = line(text, &span);
    if let Some(name) = missing(&message) {
        return Failure::usage(
            format!("{shown} line {at}: {name} is missing here."),
            format!("{message}."),
            format!("Add it:  {name} = …"),
        );
    }
    let Some((name, known)) = unknown else {
        return Failure::usage(
            format!("{shown} line {at}: this setting is not valid."),
            format!("{message}."),
            match alternatives(&message) {
                Some((said, known)) => match nearest(said, &known) {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("Write one of: {}.", known.join(", ")),
                },
                None => "Correct this line.".to_owned(),
            },
        );
    };
    let next = match nearest(&name, &known) {
        Some(near) => format!("Did you mean {near}?"),
        None => format!("The valid keys are: {}.", known.join(", ")),
    };
    Failure::usage(
        format!("{shown} line {at}: there is no setting {name}."),
        "",
        next,
    )
}

/// Removes the value from a parser message, because it may be a secret.
fn discreet(message: &str) -> String {
    for begin in ["invalid type: ", "invalid value: "] {
        let found = message
            .strip_prefix(begin)
            .and_then(|rest| Some((rest, rest.rfind(", expected ")?)));
        if let Some((rest, at)) = found {
            let kind = rest[..at].split(['"', '`']).next().unwrap_or_default();
            return format!("{begin}{}{}", kind.trim(), &rest[at..]);
        }
    }
    message.to_owned()
}

/// Returns the invalid word and the valid ones, if the message lists them.
fn alternatives(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown variant `")?;
    let (said, rest) = rest.split_once('`')?;
    Some((said, rest.split('`').skip(1).step_by(2).collect()))
}

/// Returns the name of the missing setting.
fn missing(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("missing field `")?;
    rest.split_once('`').map(|(name, _)| name)
}

/// Returns the line, counted from 1, at which a span starts.
pub fn line(text: &str, span: &Range<usize>) -> usize {
    1 + text.get(..span.start).unwrap_or(text).matches('\n').count()
}

/// Returns the candidate with the smallest edit distance, at most three.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|c| (edits(word, c), *c))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, c)| c)
}

/// Returns the edit distance between two words (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = usize::from(ca != *cb);
            let best = (corner + cost).min(row[j] + 1).min(row[j + 1] + 1);
            corner = row[j + 1];
            row[j + 1] = best;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_word() {
        assert_eq!(
            nearest("endpont", &["listen", "endpoints"]),
            Some("endpoints")
        );
        assert_eq!(nearest("xyz", &["listen", "endpoints"]), None);
    }
}
