//! A delivery as the hypotheses see it: read by its scheme, ready to be
//! computed anew.

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

/// Over larger bodies few ideas are tried; 128 KiB.
const LARGE_BODY_BYTES: usize = 128 << 10;

/// Over bodies of this size on, an HMAC is begun once for all that differs
/// behind the body's end; 4 KiB.
const MIN_CACHED_PREFIX_BYTES: usize = 4 << 10;

/// A patient with its headers read by its provider's scheme.
pub(crate) struct Case<'a> {
    pub(super) subject: Subject<'a>,
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
    pub(super) shape: Vec<Slot>,
    /// What fills its places.
    pub(super) values: SlotValues,
    /// What the scheme signs of this request.
    pub(super) text: Vec<SignedPart>,
    /// Every digest that may have come.
    pub(super) candidates: Vec<CandidateDigest>,
    /// When the search must end.
    pub(super) deadline: Deadline<'a>,
    json: OnceCell<Option<JsonBody<'a>>>,
    /// HMACs over the text up to the body's end, what stands behind it left out.
    hmac_prefixes: RefCell<HmacPrefixCache>,
}

/// A digest that was computed and came.
#[derive(Clone)]
pub(super) struct DigestMatch {
    /// Which of those that came.
    pub(super) candidate: usize,
    /// Whether only its beginning came.
    pub(super) cut: bool,
    /// Which of the configured keys gave it, where it was one of them.
    pub(super) key: Option<usize>,
}

/// All that a digest is made of.
#[derive(Clone, Copy)]
pub(super) struct DigestInputs<'s> {
    /// The key; `None`: each of the configured ones.
    pub(super) key: Option<&'s [u8]>,
    pub(super) body: &'s [u8],
    pub(super) text: &'s [SignedPart],
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

    /// Returns the same case, to be looked into until a deadline.
    pub(super) fn until(mut self, deadline: Deadline<'a>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the same case as if `secrets` were configured for it.
    pub(super) fn with_secrets(&self, secrets: &'a [&'a Secret]) -> Self {
        let subject = Subject {
            secrets,
            others: &[],
            ..self.subject
        };
        Self::new(subject, self.scheme, self.verification, true).until(self.deadline)
    }

    /// Returns the body as it came.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.subject.request.body
    }

    /// Returns the body as JSON, where it is.
    pub(super) fn json(&self) -> Option<&JsonBody<'a>> {
        let body = self.body();
        self.json.get_or_init(|| JsonBody::read(body)).as_ref()
    }

    /// Says whether the address is part of the signed text.
    pub(super) fn signs_address(&self) -> bool {
        self.scheme.signed.has(&Part::Url)
    }

    /// Returns the signed text as if `url` were the address.
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

    /// Returns what scheme and configuration say.
    pub(super) fn inputs(&self) -> DigestInputs<'_> {
        DigestInputs {
            key: None,
            body: self.body(),
            text: &self.text,
            method: self.method,
        }
    }

    /// Says whether a digest made so can have come. Over a large body, the
    /// start of one is looked for by the scheme's own method only.
    fn is_possible(&self, method: Method) -> bool {
        let cut = method == self.method || !self.is_large();
        self.candidates
            .iter()
            .any(|candidate| candidate.can_be(method.size(), cut))
    }

    /// Says whether the time for the search is over.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_over()
    }

    /// Says whether the body is so large that little can be tried with it.
    pub(super) fn is_large(&self) -> bool {
        self.body().len() > LARGE_BODY_BYTES
    }

    /// Computes what scheme and configuration say, with every key.
    pub(super) fn base(&self) -> Option<DigestMatch> {
        self.with_keys(&self.inputs(), self.keys.len())
    }

    /// Computes a digest and looks for it among those that came. Over a large
    /// body, only the first of the configured keys is tried.
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

    /// Returns the body without blanks and line ends behind it.
    pub(super) fn stem(&self) -> &'a [u8] {
        self.body().trim_ascii_end()
    }

    /// Says what stands before the body, and behind its stem, where an HMAC
    /// over a setting can be begun for others too.
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

    /// Returns how many bytes [`Case::hit`] hashes, near enough.
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
