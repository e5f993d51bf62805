//! What is signed besides the body, and in which order.

use super::piece::Piece;
use crate::domain::provider::template::{Filling, Template};
use crate::domain::request::Request;
use crate::domain::signature::Reading;

/// A place in a signed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Text that stands as it is.
    Literal(Vec<u8>),
    Body,
    Time,
    Id,
    Method,
    Url,
}

/// What fills the places.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) time: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) method: Vec<u8>,
    pub(super) url: Vec<u8>,
}

/// Bytes that stand for the places while a template is taken apart.
static MARKS: [&[u8]; 5] = [b"{body}", b"{timestamp}", b"{id}", b"{method}", b"{url}"];

/// Takes a template apart.
pub(super) fn of(template: &Template) -> Vec<Place> {
    let [body, timestamp, id, method, url] = MARKS;
    let filling = Filling {
        body,
        timestamp,
        id,
        method,
        url,
        ..Filling::default()
    };
    let place = |piece: &[u8]| match MARKS.iter().position(|mark| std::ptr::eq(*mark, piece)) {
        Some(0) => Place::Body,
        Some(1) => Place::Time,
        Some(2) => Place::Id,
        Some(3) => Place::Method,
        Some(4) => Place::Url,
        _ => Place::Literal(piece.to_vec()),
    };
    let pieces = template.pieces(&filling);
    pieces.map(|piece| place(&piece)).collect()
}

/// Reads a shape as the hypotheses write it: `t.b` is the time, a dot and the
/// body; `i`, `m` and `u` are id, method and address. `b` and the others stand
/// for themselves only in capitals, which no separator needs.
pub(super) fn read(text: &str) -> Vec<Place> {
    text.chars()
        .map(|c| match c {
            'b' => Place::Body,
            't' => Place::Time,
            'i' => Place::Id,
            'm' => Place::Method,
            'u' => Place::Url,
            other => Place::Literal(other.to_string().into_bytes()),
        })
        .collect()
}

/// Puts the values into a shape.
pub(super) fn fill(shape: &[Place], values: &Values) -> Vec<Piece> {
    let mut text: Vec<Piece> = Vec::new();
    for place in shape {
        let bytes = match place {
            Place::Body => {
                text.push(Piece::Body);
                continue;
            }
            Place::Literal(bytes) => bytes,
            Place::Time => &values.time,
            Place::Id => &values.id,
            Place::Method => &values.method,
            Place::Url => &values.url,
        };
        if let Some(Piece::Bytes(last)) = text.last_mut() {
            last.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            text.push(Piece::Bytes(bytes.clone()));
        }
    }
    text
}

/// Writes a shape as a template.
pub(super) fn show(shape: &[Place]) -> String {
    shape
        .iter()
        .map(|place| match place {
            Place::Literal(bytes) => crate::domain::text::visible_bytes(bytes),
            Place::Body => "{body}".to_owned(),
            Place::Time => "{timestamp}".to_owned(),
            Place::Id => "{id}".to_owned(),
            Place::Method => "{method}".to_owned(),
            Place::Url => "{url}".to_owned(),
        })
        .collect()
}

/// Returns the places without the text between them.
pub(super) fn order(shape: &[Place]) -> Vec<&Place> {
    shape
        .iter()
        .filter(|place| !matches!(place, Place::Literal(_)))
        .collect()
}

impl Values {
    /// Returns what a request gives.
    pub(super) fn of(reading: &Reading, request: &Request, url: Option<&str>) -> Self {
        Self {
            time: reading.timestamp.clone().unwrap_or_default(),
            id: reading.id.clone().unwrap_or_default(),
            method: request.method.clone().into_bytes(),
            url: url.unwrap_or_default().as_bytes().to_vec(),
        }
    }

    /// Says whether there is something for each place of a shape.
    pub(super) fn fit(&self, shape: &[Place]) -> bool {
        shape.iter().all(|place| match place {
            Place::Literal(_) | Place::Body => true,
            Place::Time => !self.time.is_empty(),
            Place::Id => !self.id.is_empty(),
            Place::Method => !self.method.is_empty(),
            Place::Url => !self.url.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;

    #[test]
    fn a_template_is_taken_apart_and_filled() {
        let catalog = Catalog::builtin();
        let scheme = catalog.get("svix").unwrap().signature.as_ref().unwrap();
        let shape = of(&scheme.signed);
        assert_eq!(shape, read("i.t.b"));
        assert_eq!(show(&shape), "{id}.{timestamp}.{body}");
        let values = Values {
            time: b"17".to_vec(),
            id: b"x".to_vec(),
            ..Values::default()
        };
        assert_eq!(
            fill(&shape, &values),
            [Piece::Bytes(b"x.17.".to_vec()), Piece::Body]
        );
        assert!(values.fit(&shape) && !values.fit(&read("u")));
    }
}
