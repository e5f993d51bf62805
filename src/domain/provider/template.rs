//! The text that is signed: literals and places, filled with bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A template such as `{timestamp}.{body}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text that stands as it is.
    Literal(String),
    /// The body's bytes as they came.
    Body,
    /// The timestamp's text as it came.
    Timestamp,
    /// The event's id as it came.
    Id,
    /// The request's method.
    Method,
    /// The public address with path and query.
    Url,
}

/// What fills a template's places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling<'a> {
    /// The body's bytes.
    pub body: &'a [u8],
    /// The timestamp's text.
    pub timestamp: &'a [u8],
    /// The event's id.
    pub id: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// The public address.
    pub url: &'a [u8],
}

impl Template {
    /// Returns the template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether a place is in it.
    pub fn has(&self, part: &Part) -> bool {
        self.parts.contains(part)
    }

    /// Returns the signed bytes, piece by piece, without copying the body.
    pub fn pieces<'a>(&'a self, filling: &Filling<'a>) -> impl Iterator<Item = &'a [u8]> {
        let filling = *filling;
        self.parts.iter().map(move |part| match part {
            Part::Literal(text) => text.as_bytes(),
            Part::Body => filling.body,
            Part::Timestamp => filling.timestamp,
            Part::Id => filling.id,
            Part::Method => filling.method,
            Part::Url => filling.url,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            let close = rest[open..]
                .find('}')
                .ok_or_else(|| format!("{text:?} has a {{ without a }}"))?;
            let place = &rest[open + 1..open + close];
            parts.push(match place {
                "body" => Part::Body,
                "timestamp" => Part::Timestamp,
                "id" => Part::Id,
                "method" => Part::Method,
                "url" => Part::Url,
                _ => {
                    return Err(format!(
                        "{{{place}}} is no place in a signed text; there are {{body}}, {{timestamp}}, {{id}}, {{method}}, {{url}}"
                    ));
                }
            });
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_its_places() {
        let template = Template::parse("v0:{timestamp}:{body}").unwrap();
        let filling = Filling {
            body: b"\xff{}",
            timestamp: b"17",
            ..Filling::default()
        };
        assert_eq!(
            template.pieces(&filling).collect::<Vec<_>>().concat(),
            b"v0:17:\xff{}"
        );
        assert!(template.has(&Part::Body) && !template.has(&Part::Id));
    }

    #[test]
    fn explains_an_unknown_place() {
        assert!(Template::parse("{bodi}").unwrap_err().contains("{bodi}"));
        assert!(Template::parse("{body").is_err());
    }
}
