//! The input of all hypotheses: a delivery that was read according to its
//! scheme and can be recomputed.

use std::cell::{OnceCell, RefCell};

use zeroize::Zeroizing;

use super::candidates::{self, CandidateDigest};
use super::hmac_prefix_cache::HmacPrefixCache;
use super::json_body::JsonBody;
use super::mac::{Hash, Method};
use super::signed_part::SignedPart;
use super::signed_shape::{self, Slot, SlotValues};
use super::{Deadline, Subject};
use crate::domain::provider::Scheme;
use crate::domain::provider::template::Part;
use crate::domain::secret::Secret;
use crate::domain::signature::{Reading, decode_key};
use crate::domain::verification::Verification;

/// Bodies larger than this count as large: few variations are tried (128 KiB).
const LARGE_BODY_BYTES: usize = 128 << 10;

/// From this body size on, HMAC prefixes are cached (4 KiB).
const MIN_CACHED_PREFIX_BYTES: usize = 4 << 10;

/// A diagnosed delivery with its headers read according to the provider's
/// scheme.
pub(crate) struct Case<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) scheme: &'a Scheme,
    pub(super) reading: Reading,
    pub(super) verification: &'a Verification,
    /// The configured secrets with the keys derived from them.
    pub(super) keys: Vec<(&'a Secret, Zeroizing<Vec<u8>>)>,
    /// The scheme's method of making a digest.
    pub(super) method: Method,
    /// Whether body and text can be varied: the scheme signs nothing but body,
    /// time, id, method and address.
    pub(super) plain: bool,
    /// The order of the signed parts; empty if the scheme is not plain.
    pub(super) shape: Vec<Slot>,
    /// The values of the signed parts.
    pub(super) values: SlotValues,
    /// The text that the scheme signs for this request.
    pub(super) text: Vec<SignedPart>,
    /// All candidate digests in the request.
    pub(super) candidates: Vec<CandidateDigest>,
    /// When the search must stop.
    pub(super) deadline: Deadline<'a>,
    json: OnceCell<Option<JsonBody<'a>>>,
    /// Cached HMACs over the text up to the body's trimmed end.
    hmac_prefixes: RefCell<HmacPrefixCache>,
}

/// A computed digest that equals a candidate.
#[derive(Clone)]
pub(super) struct DigestMatch {
    /// The index of the candidate.
    pub(super) candidate: usize,
    /// Whether the candidate is only the beginning of the digest.
    pub(super) cut: bool,
    /// The index of the configured key that made it, if it was a configured
    /// one.
    pub(super) key: Option<usize>,
}

/// All inputs of a digest.
#[derive(Clone, Copy)]
pub(super) struct DigestInputs<'s> {
    /// The key; `None` tries each configured key.
    pub(super) key: Option<&'s [u8]>,
    pub(super) body: &'s [u8],
    pub(super) text: &'s [SignedPart],
    pub(super) method: Method,
}

/// Returns the key of a secret. If deliveries name their key, it is the part
/// after the colon.
pub(super) fn key(secret: &Secret, scheme: &Scheme) -> Option<Zeroizing<Vec<u8>>> {
    let text = secret.reveal();
    let colon = text.iter().position(|byte| *byte == b':');
    let from = colon
        .filter(|_| scheme.key_id.is_some())
        .map_or(0, |at| at + 1);
    decode_key(&text[from..], scheme.secret)
}

impl<'a> Case<'a> {
    /// Reads a delivery. If `compared` is not set, no candidates are collected.
    pub(super) fn new(
        subject: Subject<'a>,
        scheme: &'a Scheme,
        verification: &'a Verification,
        compared: bool,
    ) -> Self {
        let reading = Reading::of(subject.request, scheme);
        let keys = subject
            .secrets
            .iter()
            .filter_map(|secret| Some((*secret, key(secret, scheme)?)))
            .collect();
        let hash = Hash::of(scheme.algorithm);
        let plain = scheme.is_plain();
        let repaired = candidates::repaired(subject.request, scheme, &reading);
        let read = repaired.as_ref().map_or(&reading, |(repaired, _)| repaired);
        let values = SlotValues::of(read, subject.request, subject.url);
        let shape = if plain {
            signed_shape::of(&scheme.signed)
        } else {
            Vec::new()
        };
        let text = if plain {
            signed_shape::fill(&shape, &values)
        } else {
            let filling = reading.template_values(subject.request, subject.url);
            vec![SignedPart::Bytes(scheme.signed.fill(&filling))]
        };
        Self {
            text,
            candidates: if compared && hash.is_some() {
                candidates::all(subject.request, scheme, &reading)
            } else {
                Vec::new()
            },
            method: Method::Hmac(hash.unwrap_or(Hash::Sha256)),
            plain,
            subject,
            scheme,
            reading,
            verification,
            keys,
            shape,
            values,
            deadline: Deadline::default(),
            json: OnceCell::new(),
            hmac_prefixes: RefCell::default(),
        }
    }

    /// Returns the same case with a deadline.
    pub(super) fn until(mut self, deadline: Deadline<'a>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the same case with `secrets` as the configured ones.
    pub(super) fn with_secrets(&self, secrets: &'a [&'a Secret]) -> Self {
        let subject = Subject {
            secrets,
            others: &[],
            ..self.subject
        };
        Self::new(subject, self.scheme, self.verification, true).until(self.deadline)
    }

    /// Returns the body as received.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.subject.request.body
    }

    /// Returns the parsed body if it is JSON.
    pub(super) fn json(&self) -> Option<&JsonBody<'a>> {
        let body = self.body();
        self.json.get_or_init(|| JsonBody::read(body)).as_ref()
    }

    /// Returns whether the address is part of the signed text.
    pub(super) fn signs_address(&self) -> bool {
        self.scheme.signed.has(&Part::Url)
    }

    /// Returns the signed text with `url` as the address.
    pub(super) fn text_at(&self, url: &str) -> Vec<SignedPart> {
        if self.plain {
            let values = SlotValues {
                url: url.as_bytes().to_vec(),
                ..self.values.clone()
            };
            return signed_shape::fill(&self.shape, &values);
        }
        let filling = self
            .reading
            .template_values(self.subject.request, Some(url));
        vec![SignedPart::Bytes(self.scheme.signed.fill(&filling))]
    }

    /// Returns the inputs according to scheme and configuration.
    pub(super) fn inputs(&self) -> DigestInputs<'_> {
        DigestInputs {
            key: None,
            body: self.body(),
            text: &self.text,
            method: self.method,
        }
    }

    /// Returns whether a digest of this method can match a candidate. For a
    /// large body, truncated candidates are compared only with the scheme's own
    /// method.
    fn is_possible(&self, method: Method) -> bool {
        let cut = method == self.method || !self.is_large();
        self.candidates
            .iter()
            .any(|candidate| candidate.can_be(method.size(), cut))
    }

    /// Returns whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_over()
    }

    /// Returns whether the body is too large to try every variation.
    pub(super) fn is_large(&self) -> bool {
        self.body().len() > LARGE_BODY_BYTES
    }

    /// Computes the digest according to scheme and configuration, with every
    /// key.
    pub(super) fn base(&self) -> Option<DigestMatch> {
        self.with_keys(&self.inputs(), self.keys.len())
    }

    /// Computes a digest and looks for it among the candidates. For a large
    /// body, only the first configured key is tried.
    pub(super) fn find_match(&self, inputs: &DigestInputs<'_>) -> Option<DigestMatch> {
        self.with_keys(inputs, self.tried_keys())
    }

    fn tried_keys(&self) -> usize {
        if self.is_large() { 1 } else { self.keys.len() }
    }

    fn with_keys(&self, inputs: &DigestInputs<'_>, keys: usize) -> Option<DigestMatch> {
        if !self.is_possible(inputs.method) {
            return None;
        }
        let with = |key: &[u8], at: Option<usize>| {
            let digest = self.digest(inputs, key);
            candidates::find(&self.candidates, &digest).map(|(candidate, cut)| DigestMatch {
                candidate,
                cut,
                key: at,
            })
        };
        match inputs.key {
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

    /// Returns the body without trailing whitespace.
    pub(super) fn stem(&self) -> &'a [u8] {
        self.body().trim_ascii_end()
    }

    /// Splits the inputs of an HMAC around the trimmed body: the bytes before
    /// and after it. Returns `None` if the prefix cannot be shared with other
    /// variations.
    fn split_at_stem<'s>(
        &self,
        inputs: &'s DigestInputs<'_>,
    ) -> Option<(Hash, &'s [u8], &'s [u8])> {
        let Method::Hmac(hash) = inputs.method else {
            return None;
        };
        let before: &[u8] = match inputs.text {
            [SignedPart::Body] => &[],
            [SignedPart::Bytes(before), SignedPart::Body] => before,
            _ => return None,
        };
        let stem = self.stem();
        let behind = inputs.body.strip_prefix(stem)?;
        (stem.len() >= MIN_CACHED_PREFIX_BYTES).then_some((hash, before, behind))
    }

    fn digest(&self, inputs: &DigestInputs<'_>, key: &[u8]) -> Vec<u8> {
        if let Some((hash, before, behind)) = self.split_at_stem(inputs) {
            let mut cached = self.hmac_prefixes.borrow_mut();
            let mut partial = cached.get_or_compute(hash, key, before, self.stem());
            partial.update(behind);
            return partial.finalize();
        }
        let pieces = inputs.text.iter().map(|piece| match piece {
            SignedPart::Bytes(bytes) => bytes.as_slice(),
            SignedPart::Body => inputs.body,
        });
        inputs.method.digest(key, pieces)
    }

    /// Returns the approximate number of bytes that [`Case::find_match`]
    /// hashes.
    pub(super) fn cost(&self, inputs: &DigestInputs<'_>) -> usize {
        let split_at_stem = self.split_at_stem(inputs);
        let cached = self.hmac_prefixes.borrow();
        let cost = |key: &[u8]| match split_at_stem {
            Some((hash, before, behind)) if cached.contains(hash, key, before) => {
                behind.len() + 256
            }
            _ => inputs.body.len() + 256,
        };
        match inputs.key {
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
