//! A delivery as the hypotheses see it: read by its scheme, ready to be
//! computed anew.

use std::cell::{OnceCell, RefCell};

use zeroize::Zeroizing;

use super::begun::Shelf;
use super::came::{self, Came};
use super::document::Json;
use super::mac::{Hash, Method};
use super::piece::Piece;
use super::shape::{self, Place, Values};
use super::{Deadline, Patient};
use crate::domain::provider::Scheme;
use crate::domain::provider::template::Part;
use crate::domain::secret::Secret;
use crate::domain::signature::{Reading, decode_key};
use crate::domain::verification::Verification;

/// Over larger bodies few ideas are tried; 128 KiB.
const LARGE: usize = 128 << 10;

/// Over bodies of this size on, an HMAC is begun once for all that differs
/// behind the body's end; 4 KiB.
const BEGUN: usize = 4 << 10;

/// A patient with its headers read by its provider's scheme.
pub(crate) struct Case<'a> {
    pub(super) patient: Patient<'a>,
    pub(super) scheme: &'a Scheme,
    pub(super) reading: Reading,
    pub(super) verification: &'a Verification,
    /// The keys that the configured secrets give.
    pub(super) keys: Vec<(&'a Secret, Zeroizing<Vec<u8>>)>,
    /// How the scheme makes its digest.
    pub(super) method: Method,
    /// Whether body and text can be varied: the scheme signs no more than
    /// body, time, id, method and address.
    pub(super) plain: bool,
    /// The order of what the scheme signs; empty where it is not plain.
    pub(super) shape: Vec<Place>,
    /// What fills its places.
    pub(super) values: Values,
    /// What the scheme signs of this request.
    pub(super) text: Vec<Piece>,
    /// Every digest that may have come.
    pub(super) came: Vec<Came>,
    /// When the search must end.
    pub(super) deadline: Deadline<'a>,
    json: OnceCell<Option<Json<'a>>>,
    /// HMACs over the text up to the body's end, what stands behind it left out.
    begun: RefCell<Shelf>,
}

/// A digest that was computed and came.
#[derive(Clone)]
pub(super) struct Hit {
    /// Which of those that came.
    pub(super) came: usize,
    /// Whether only its beginning came.
    pub(super) cut: bool,
    /// Which of the configured keys gave it, where it was one of them.
    pub(super) key: Option<usize>,
}

/// All that a digest is made of.
#[derive(Clone, Copy)]
pub(super) struct Setting<'s> {
    /// The key; `None`: each of the configured ones.
    pub(super) key: Option<&'s [u8]>,
    pub(super) body: &'s [u8],
    pub(super) text: &'s [Piece],
    pub(super) method: Method,
}

/// Returns the key that a secret gives: what stands behind the colon where
/// deliveries name their keys.
pub(super) fn key(secret: &Secret, scheme: &Scheme) -> Option<Zeroizing<Vec<u8>>> {
    let text = secret.reveal();
    let colon = text.iter().position(|byte| *byte == b':');
    let from = colon
        .filter(|_| scheme.key_id.is_some())
        .map_or(0, |at| at + 1);
    decode_key(&text[from..], scheme.secret)
}

impl<'a> Case<'a> {
    /// Reads a patient. Where nothing is to be compared, no digest is looked for.
    pub(super) fn new(
        patient: Patient<'a>,
        scheme: &'a Scheme,
        verification: &'a Verification,
        compared: bool,
    ) -> Self {
        let reading = Reading::of(patient.request, scheme);
        let keys = patient
            .secrets
            .iter()
            .filter_map(|secret| Some((*secret, key(secret, scheme)?)))
            .collect();
        let hash = Hash::of(scheme.algorithm);
        let plain = scheme.is_plain();
        let repaired = came::repaired(patient.request, scheme, &reading);
        let read = repaired.as_ref().map_or(&reading, |(repaired, _)| repaired);
        let values = Values::of(read, patient.request, patient.url);
        let shape = if plain {
            shape::of(&scheme.signed)
        } else {
            Vec::new()
        };
        let text = if plain {
            shape::fill(&shape, &values)
        } else {
            let filling = reading.filling(patient.request, patient.url);
            vec![Piece::Bytes(scheme.signed.fill(&filling))]
        };
        Self {
            text,
            came: if compared && hash.is_some() {
                came::all(patient.request, scheme, &reading)
            } else {
                Vec::new()
            },
            method: Method::Hmac(hash.unwrap_or(Hash::Sha256)),
            plain,
            patient,
            scheme,
            reading,
            verification,
            keys,
            shape,
            values,
            deadline: Deadline::default(),
            json: OnceCell::new(),
            begun: RefCell::default(),
        }
    }

    /// Returns the same case, to be looked into until a deadline.
    pub(super) fn until(mut self, deadline: Deadline<'a>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the same case as if `secrets` were configured for it.
    pub(super) fn with_secrets(&self, secrets: &'a [&'a Secret]) -> Self {
        let patient = Patient {
            secrets,
            others: &[],
            ..self.patient
        };
        Self::new(patient, self.scheme, self.verification, true).until(self.deadline)
    }

    /// Returns the body as it came.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.patient.request.body
    }

    /// Returns the body as JSON, where it is.
    pub(super) fn json(&self) -> Option<&Json<'a>> {
        let body = self.body();
        self.json.get_or_init(|| Json::read(body)).as_ref()
    }

    /// Says whether the address is part of the signed text.
    pub(super) fn signs_address(&self) -> bool {
        self.scheme.signed.has(&Part::Url)
    }

    /// Returns the signed text as if `url` were the address.
    pub(super) fn text_at(&self, url: &str) -> Vec<Piece> {
        if self.plain {
            let values = Values {
                url: url.as_bytes().to_vec(),
                ..self.values.clone()
            };
            return shape::fill(&self.shape, &values);
        }
        let filling = self.reading.filling(self.patient.request, Some(url));
        vec![Piece::Bytes(self.scheme.signed.fill(&filling))]
    }

    /// Returns what scheme and configuration say.
    pub(super) fn setting(&self) -> Setting<'_> {
        Setting {
            key: None,
            body: self.body(),
            text: &self.text,
            method: self.method,
        }
    }

    /// Says whether a digest made so can have come. Over a large body, the
    /// start of one is looked for by the scheme's own method only.
    fn possible(&self, method: Method) -> bool {
        let cut = method == self.method || !self.large();
        self.came.iter().any(|came| came.may_be(method.size(), cut))
    }

    /// Says whether the time for the search is over.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_over()
    }

    /// Says whether the body is so large that little can be tried with it.
    pub(super) fn large(&self) -> bool {
        self.body().len() > LARGE
    }

    /// Computes what scheme and configuration say, with every key.
    pub(super) fn base(&self) -> Option<Hit> {
        self.with_keys(&self.setting(), self.keys.len())
    }

    /// Computes a digest and looks for it among those that came. Over a large
    /// body, only the first of the configured keys is tried.
    pub(super) fn hit(&self, setting: &Setting<'_>) -> Option<Hit> {
        self.with_keys(setting, self.tried_keys())
    }

    fn tried_keys(&self) -> usize {
        if self.large() { 1 } else { self.keys.len() }
    }

    fn with_keys(&self, setting: &Setting<'_>, keys: usize) -> Option<Hit> {
        if !self.possible(setting.method) {
            return None;
        }
        let with = |key: &[u8], at: Option<usize>| {
            let digest = self.digest(setting, key);
            came::find(&self.came, &digest).map(|(came, cut)| Hit { came, cut, key: at })
        };
        match setting.key {
            Some(key) => with(key, None),
            None => self
                .keys
                .iter()
                .take(keys)
                .enumerate()
                .take_while(|_| !self.is_late())
                .find_map(|(at, (_, key))| with(key, Some(at))),
        }
    }

    /// Returns the body without blanks and line ends behind it.
    pub(super) fn stem(&self) -> &'a [u8] {
        self.body().trim_ascii_end()
    }

    /// Says what stands before the body, and behind its stem, where an HMAC
    /// over a setting can be begun for others too.
    fn parted<'s>(&self, setting: &'s Setting<'_>) -> Option<(Hash, &'s [u8], &'s [u8])> {
        let Method::Hmac(hash) = setting.method else {
            return None;
        };
        let before: &[u8] = match setting.text {
            [Piece::Body] => &[],
            [Piece::Bytes(before), Piece::Body] => before,
            _ => return None,
        };
        let stem = self.stem();
        let behind = setting.body.strip_prefix(stem)?;
        (stem.len() >= BEGUN).then_some((hash, before, behind))
    }

    fn digest(&self, setting: &Setting<'_>, key: &[u8]) -> Vec<u8> {
        if let Some((hash, before, behind)) = self.parted(setting) {
            let mut kept = self.begun.borrow_mut();
            let mut begun = kept.take(hash, key, before, self.stem());
            begun.update(behind);
            return begun.end();
        }
        let pieces = setting.text.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.as_slice(),
            Piece::Body => setting.body,
        });
        setting.method.digest(key, pieces)
    }

    /// Returns how many bytes [`Case::hit`] hashes, near enough.
    pub(super) fn cost(&self, setting: &Setting<'_>) -> usize {
        let parted = self.parted(setting);
        let kept = self.begun.borrow();
        let cost = |key: &[u8]| match parted {
            Some((hash, before, behind)) if kept.has(hash, key, before) => behind.len() + 256,
            _ => setting.body.len() + 256,
        };
        match setting.key {
            Some(key) => cost(key),
            None => self
                .keys
                .iter()
                .take(self.tried_keys())
                .map(|(_, key)| cost(key))
                .sum(),
        }
    }
}
