//! Templates of signed texts: literals and placeholders that are filled with
//! bytes.

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::algorithm::{Algorithm, Encoding};
use super::scheme::HeaderList;
use super::{derived, value_source};
use crate::domain::request::Request;
use crate::domain::signature::{digest, encode};

/// A template such as `{timestamp}.{body}`. A file may write a long template as
/// a list of strings, which are concatenated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The display form: on one line, with pointers shortened to their last
    /// name.
    text: String,
    /// The text as written in the file.
    written: String,
    parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text.
    Literal(String),
    /// The bytes of the body as received.
    Body,
    /// The text of the timestamp as received.
    Timestamp,
    /// The event's id as received.
    Id,
    /// The request's method.
    Method,
    /// The public address with path and query.
    Url,
    /// The path as in the request line.
    Path,
    /// Path and query as in the request line.
    Target,
    /// Path and query, percent-encoded once more: the query as one word, then
    /// the whole as a URL.
    EscapedTarget,
    /// The key, for plain hashes and tokens.
    Secret,
    /// The first two parts of a JSON Web Token, including the dot between them.
    Token,
    /// The headers that the delivery lists, as `name:value`, sorted.
    Headers,
    /// The form fields sorted by name; names and values are concatenated, and
    /// each distinct value occurs once.
    Form,
    /// A header value: `{header:x-acme-id}`.
    Header(String),
    /// A decoded query parameter: `{query:challenge}`.
    Query(String),
    /// A value in the JSON body: `{/data/id}`; empty if it is absent.
    Pointer(String),
    /// For each of these strings that is present in the JSON body, one line for
    /// its name and one for its value: `{lines:Message,MessageId}`.
    Lines(Vec<String>),
    /// The digest of another part: `{body|sha256}`, `{body|sha256|base64url}`.
    /// An HMAC uses the key: `{/token|hmac-sha256}`.
    Digest(Box<Self>, Algorithm, Encoding),
}

/// The values of a template's placeholders.
#[derive(Clone, Copy, Debug, Default)]
pub struct TemplateValues<'a> {
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
    /// The key.
    pub secret: &'a [u8],
    /// The signed part of a JSON Web Token.
    pub token: &'a [u8],
    /// The headers that `{headers}` expands to.
    pub headers: Option<&'a HeaderList>,
    /// The request, for its headers, path and query.
    pub request: Option<&'a Request>,
}

impl Template {
    /// Returns the display form: on one line, with JSON pointers shortened to
    /// their last name.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text if the template has no placeholders.
    pub fn literal(&self) -> Option<&str> {
        let plain = |part: &Part| matches!(part, Part::Literal(_));
        self.parts.iter().all(plain).then_some(&self.written)
    }

    /// Returns the literals and placeholders in order.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns whether a part, or the inner part of a digest, passes a test.
    pub(crate) fn any(&self, test: &dyn Fn(&Part) -> bool) -> bool {
        fn inside(part: &Part, test: &dyn Fn(&Part) -> bool) -> bool {
            test(part) || matches!(part, Part::Digest(inner, ..) if inside(inner, test))
        }
        self.parts.iter().any(|part| inside(part, test))
    }

    /// Returns whether the template contains a part.
    pub fn has(&self, part: &Part) -> bool {
        self.any(&|p| p == part)
    }

    /// Returns whether the template contains the body or a value from it.
    pub fn reads_body(&self) -> bool {
        self.any(&|part| {
            matches!(
                part,
                Part::Body | Part::Form | Part::Pointer(_) | Part::Lines(_)
            )
        })
    }

    /// Returns whether a part depends on the secret.
    pub fn uses_secret(&self) -> bool {
        self.any(&|part| {
            *part == Part::Secret
                || matches!(part, Part::Digest(_, algorithm, _) if algorithm.is_keyed())
        })
    }

    /// Returns whether the template contains nothing but literals, body, time,
    /// id, method and address.
    pub fn is_plain(&self) -> bool {
        !self.any(&|part| {
            !matches!(
                part,
                Part::Literal(_)
                    | Part::Body
                    | Part::Timestamp
                    | Part::Id
                    | Part::Method
                    | Part::Url
            )
        })
    }

    /// Returns the signed bytes in pieces, without copying the body.
    pub fn pieces<'a>(
        &'a self,
        filling: &TemplateValues<'a>,
    ) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let filling = *filling;
        let reads_json = |part: &Part| matches!(part, Part::Pointer(_) | Part::Lines(_));
        let json = self
            .any(&reads_json)
            .then(|| value_source::json(filling.body))
            .flatten();
        self.parts
            .iter()
            .map(move |part| part.fill(&filling, json.as_ref()))
    }

    /// Returns the signed bytes.
    pub fn fill(&self, filling: &TemplateValues<'_>) -> Vec<u8> {
        self.pieces(filling).collect::<Vec<_>>().concat()
    }

    /// Parses a template.
    ///
    /// # Errors
    /// Returns a message that names the invalid placeholder.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            let close = rest[open..]
                .find('}')
                .ok_or_else(|| format!("{text:?} has a {{ without a }}"))?;
            parts.push(Part::parse(&rest[open + 1..open + close])?);
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self {
            text: shown(text),
            written: text.to_owned(),
            parts,
        })
    }
}

impl Part {
    fn fill<'a>(&'a self, filling: &TemplateValues<'a>, json: Option<&Value>) -> Cow<'a, [u8]> {
        let request = filling.request;
        let owned = |text: Option<String>| Cow::Owned(text.unwrap_or_default().into_bytes());
        Cow::Borrowed(match self {
            Self::Literal(text) => text.as_bytes(),
            Self::Body => filling.body,
            Self::Timestamp => filling.timestamp,
            Self::Id => filling.id,
            Self::Method => filling.method,
            Self::Url => filling.url,
            Self::Secret => filling.secret,
            Self::Token => filling.token,
            Self::Path => request.map_or(&[][..], |r| r.path.as_bytes()),
            Self::Target => return owned(request.map(Request::target)),
            Self::EscapedTarget => return owned(request.map(derived::escaped_target)),
            Self::Header(name) => request.and_then(|r| r.headers.first(name)).unwrap_or(&[]),
            Self::Query(name) => {
                let source = value_source::ValueSource {
                    query: Some(name.clone()),
                    ..value_source::ValueSource::default()
                };
                return owned(request.and_then(|r| source.read(r)));
            }
            Self::Headers => return Cow::Owned(derived::named_headers(filling)),
            Self::Form => return Cow::Owned(derived::sorted_form(filling)),
            Self::Pointer(pointer) => {
                return owned(json.and_then(|json| value_source::text(json.pointer(pointer)?)));
            }
            Self::Lines(names) => return owned(Some(derived::lines(names, json))),
            Self::Digest(part, algorithm, encoding) => {
                let text = part.fill(filling, json);
                let made = digest(*algorithm, filling.secret, std::iter::once(text));
                return owned(Some(encode(*encoding, &made)));
            }
        })
    }

    fn parse(place: &str) -> Result<Self, String> {
        if let Some((part, digest)) = place.split_once('|') {
            let (algorithm, encoding) = digest.split_once('|').unwrap_or((digest, "hex"));
            let unknown = |name| {
                format!(
                    "{{{place}}} is not valid: {name} is not a digest or an encoding; write, for example, {{body|sha256}} or {{body|sha256|base64}}"
                )
            };
            let made = Algorithm::deserialize(word(algorithm)).map_err(|_| unknown(algorithm))?;
            if made.is_public() || made == Algorithm::Token {
                return Err(unknown(algorithm));
            }
            let encoding = Encoding::deserialize(word(encoding)).map_err(|_| unknown(encoding))?;
            return Ok(Self::Digest(Box::new(Self::parse(part)?), made, encoding));
        }
        if place.starts_with('/') {
            return Ok(Self::Pointer(place.to_owned()));
        }
        if let Some((kind, name)) = place.split_once(':') {
            match kind {
                "header" => return Ok(Self::Header(name.to_ascii_lowercase())),
                "query" => return Ok(Self::Query(name.to_owned())),
                "lines" => return Ok(Self::Lines(name.split(',').map(str::to_owned).collect())),
                _ => {}
            }
        }
        Ok(match place {
            "body" => Self::Body,
            "timestamp" => Self::Timestamp,
            "id" => Self::Id,
            "method" => Self::Method,
            "url" => Self::Url,
            "path" => Self::Path,
            "target" => Self::Target,
            "escaped-target" => Self::EscapedTarget,
            "secret" => Self::Secret,
            "token" => Self::Token,
            "headers" => Self::Headers,
            "form" => Self::Form,
            _ => {
                return Err(format!(
                    "{{{place}}} is not a placeholder of a signed text; the placeholders are {{body}}, {{timestamp}}, {{id}}, {{method}}, {{url}}, {{path}}, {{target}}, {{escaped-target}}, {{secret}}, {{token}}, {{headers}}, {{form}}, {{header:NAME}}, {{query:NAME}}, {{lines:NAME,NAME}} and JSON pointers such as {{/data/id}}"
                ));
            }
        })
    }
}

/// Formats a template for display: line endings as `\
/// `, pointers shortened to their last name.
fn shown(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    for (at, piece) in written.split('{').enumerate() {
        let long = piece.strip_prefix('/').and_then(|pointer| {
            let (pointer, _) = pointer.split_once('}')?;
            pointer.rfind('/')
        });
        if at > 0 {
            text.push('{');
        }
        if let Some(last) = long {
            text.push('…');
            text.push_str(&piece[last + 1..]);
        } else {
            text.push_str(piece);
        }
    }
    text.replace('\r', "\\r").replace('\n', "\\n")
}

/// Creates a deserializer for a keyword of the file.
fn word(name: &str) -> StrDeserializer<'_, serde::de::value::Error> {
    StrDeserializer::new(name)
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a text such as \"{timestamp}.{body}\"")]
        enum Written {
            Whole(String),
            Parts(Vec<String>),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Whole(text) => text,
            Written::Parts(parts) => parts.concat(),
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, filling: &TemplateValues<'_>) -> Vec<u8> {
        Template::parse(template).unwrap().fill(filling)
    }

    #[test]
    fn fills_its_places() {
        let template = Template::parse("v0:{timestamp}:{body}").unwrap();
        let filling = TemplateValues {
            body: b"\xff{}",
            timestamp: b"17",
            ..TemplateValues::default()
        };
        assert_eq!(template.fill(&filling), b"v0:17:\xff{}");
        assert!(template.has(&Part::Body) && !template.has(&Part::Id));
    }

    #[test]
    fn is_shown_on_one_line() {
        let shown = |written| Template::parse(written).unwrap().text().to_owned();
        assert_eq!(shown("{method}\n{body}"), "{method}\\n{body}");
        assert_eq!(
            shown("{/a/b/c}:{/a}:{/d/e|sha256}"),
            "{…/c}:{/a}:{…/e|sha256}"
        );
        let written = Template::parse("{/a/b}\n").unwrap();
        assert_eq!(serde_json::to_string(&written).unwrap(), r#""{/a/b}\n""#);
    }

    #[test]
    fn explains_an_unknown_place() {
        assert!(Template::parse("{bodi}").unwrap_err().contains("{bodi}"));
        assert!(Template::parse("{body").is_err());
        assert!(Template::parse("{body|md4}").unwrap_err().contains("md4"));
        assert!(Template::parse("{body|ed25519}").is_err());
    }

    #[test]
    fn reads_values_out_of_the_body() {
        let filling = TemplateValues {
            body: br#"{"a":{"b":7},"Subject":"hi","None":null}"#,
            ..TemplateValues::default()
        };
        assert_eq!(filled("{/a/b}:{/a/c}:", &filling), b"7::");
        assert_eq!(
            filled("{lines:Subject,None,Absent}", &filling),
            b"Subject\nhi\n"
        );
    }

    #[test]
    fn sorts_a_form_and_drops_what_is_doubled() {
        let request = Request {
            headers: [(
                "content-type",
                "application/x-www-form-urlencoded; charset=UTF-8",
            )]
            .into_iter()
            .collect(),
            ..Request::default()
        };
        let filling = TemplateValues {
            body: b"b=2&a=x+y&b=2&b=1&B=%2B",
            request: Some(&request),
            ..TemplateValues::default()
        };
        assert_eq!(filled("{form}", &filling), b"B+ax yb1b2");
        let no_form = TemplateValues {
            request: None,
            ..filling
        };
        assert_eq!(filled("{form}", &no_form), b"");
    }

    #[test]
    fn makes_digests_of_its_parts() {
        let filling = TemplateValues {
            body: b"abc",
            secret: b"key",
            ..TemplateValues::default()
        };
        assert_eq!(
            filled("{body|sha256}", &filling),
            b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            filled("{body|sha1|base64}", &filling),
            b"qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
        );
        let keyed = Template::parse("{body|hmac-sha256}").unwrap();
        assert!(keyed.uses_secret() && keyed.has(&Part::Body));
        assert_ne!(keyed.fill(&filling), filled("{body|sha256}", &filling));
    }
}
