//! The shape of a signed text: its parts and their order.

use super::signed_part::SignedPart;
use crate::domain::provider::template::{Template, TemplateValues};
use crate::domain::request::Request;
use crate::domain::signature::Reading;

/// A slot in a signed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Literal text.
    Literal(Vec<u8>),
    Body,
    Time,
    Id,
    Method,
    Url,
}

/// The values of the slots.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotValues {
    pub(super) time: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) method: Vec<u8>,
    pub(super) url: Vec<u8>,
}

/// Marker bytes that stand in for the slots while a template is analysed.
static SLOT_MARKS: [&[u8]; 5] = [b"{body}", b"{timestamp}", b"{id}", b"{method}", b"{url}"];

/// Returns the shape of a template.
pub(super) fn of(template: &Template) -> Vec<Slot> {
    let [body, timestamp, id, method, url] = SLOT_MARKS;
    let filling = TemplateValues {
        body,
        timestamp,
        id,
        method,
        url,
        ..TemplateValues::default()
    };
    let place = |piece: &[u8]| match SLOT_MARKS
        .iter()
        .position(|mark| std::ptr::eq(*mark, piece))
    {
        Some(0) => Slot::Body,
        Some(1) => Slot::Time,
        Some(2) => Slot::Id,
        Some(3) => Slot::Method,
        Some(4) => Slot::Url,
        _ => Slot::Literal(piece.to_vec()),
    };
    let pieces = template.pieces(&filling);
    pieces.map(|piece| place(&piece)).collect()
}

/// Parses the short notation of the hypotheses: `t.b` is the time, a dot and
/// the body; `i`, `m` and `u` are id, method and address. Separators never
/// contain these letters.
pub(super) fn read(text: &str) -> Vec<Slot> {
    text.chars()
        .map(|c| match c {
            'b' => Slot::Body,
            't' => Slot::Time,
            'i' => Slot::Id,
            'm' => Slot::Method,
            'u' => Slot::Url,
            other => Slot::Literal(other.to_string().into_bytes()),
        })
        .collect()
}

/// Fills the slots of a shape with values.
pub(super) fn fill(shape: &[Slot], values: &SlotValues) -> Vec<SignedPart> {
    let mut text: Vec<SignedPart> = Vec::new();
    for place in shape {
        let bytes = match place {
            Slot::Body => {
                text.push(SignedPart::Body);
                continue;
            }
            Slot::Literal(bytes) => bytes,
            Slot::Time => &values.time,
            Slot::Id => &values.id,
            Slot::Method => &values.method,
            Slot::Url => &values.url,
        };
        if let Some(SignedPart::Bytes(last)) = text.last_mut() {
            last.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            text.push(SignedPart::Bytes(bytes.clone()));
        }
    }
    text
}

/// Formats a shape as a template.
pub(super) fn show(shape: &[Slot]) -> String {
    shape
        .iter()
        .map(|place| match place {
            Slot::Literal(bytes) => crate::domain::text::visible_bytes(bytes),
            Slot::Body => "{body}".to_owned(),
            Slot::Time => "{timestamp}".to_owned(),
            Slot::Id => "{id}".to_owned(),
            Slot::Method => "{method}".to_owned(),
            Slot::Url => "{url}".to_owned(),
        })
        .collect()
}

/// Returns the slots without the literals between them.
pub(super) fn order(shape: &[Slot]) -> Vec<&Slot> {
    shape
        .iter()
        .filter(|place| !matches!(place, Slot::Literal(_)))
        .collect()
}

impl SlotValues {
    /// Returns the values of a request.
    pub(super) fn of(reading: &Reading, request: &Request, url: Option<&str>) -> Self {
        Self {
            time: reading.timestamp.clone().unwrap_or_default(),
            id: reading.id.clone().unwrap_or_default(),
            method: request.method.clone().into_bytes(),
            url: url.unwrap_or_default().as_bytes().to_vec(),
        }
    }

    /// Returns whether there is a value for each slot of a shape.
    pub(super) fn fit(&self, shape: &[Slot]) -> bool {
        shape.iter().all(|place| match place {
            Slot::Literal(_) | Slot::Body => true,
            Slot::Time => !self.time.is_empty(),
            Slot::Id => !self.id.is_empty(),
            Slot::Method => !self.method.is_empty(),
            Slot::Url => !self.url.is_empty(),
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
        let values = SlotValues {
            time: b"17".to_vec(),
            id: b"x".to_vec(),
            ..SlotValues::default()
        };
        assert_eq!(
            fill(&shape, &values),
            [SignedPart::Bytes(b"x.17.".to_vec()), SignedPart::Body]
        );
        assert!(values.fit(&shape) && !values.fit(&read("u")));
    }
}
