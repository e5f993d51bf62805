//! One record of the journal: a checksummed frame around a payload.
//!
//! ```text
//! magic "crl1" · crc32 · length · kind · left(3) · number(8) · payload
//! ```
//!
//! The checksum covers everything behind itself. Numbers have no gaps, so a
//! gap is a loss that can be named. `left` counts the records that were
//! written behind this one in one go: a power cut may leave any part of the
//! last such batch, and nobody was answered for it.

/// How many bytes stand before the payload.
pub(super) const FRAME: usize = 24;

/// The largest payload: a body of 1 GiB and its head.
pub(super) const LARGEST: usize = (1 << 30) + (1 << 24);

const MAGIC: [u8; 4] = *b"crl1";

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A delivery: the head's length, the head, the body.
    Delivery,
    /// An attempt.
    Attempt,
    /// Sequence numbers that were marked or unmarked.
    Mark,
    /// Deliveries that are gone, and with them the oldest records: all that are
    /// old and not marked. Up to format 2.
    RetireAll,
    /// The same, but for those that wait for an app.
    Retire,
    /// Sequence numbers of deliveries that no longer wait for an app.
    GiveUp,
}

/// A frame, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) length: usize,
    /// How many records of its batch stand behind it.
    pub(super) left: u32,
    crc: u32,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Delivery => 1,
            Self::Attempt => 2,
            Self::Mark => 3,
            Self::RetireAll => 4,
            Self::Retire => 5,
            Self::GiveUp => 6,
        }
    }
}

/// Appends a record to `out`; so many of its batch are `left` behind it.
pub(super) fn write(out: &mut Vec<u8>, kind: Kind, number: u64, left: usize, payload: &[&[u8]]) {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let start = out.len();
    out.reserve(FRAME + length);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    let left = u32::try_from(left).unwrap_or(u32::MAX).min(0xFF_FFFF);
    out.extend_from_slice(&(u32::from(kind.byte()) | left << 8).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    for part in payload {
        out.extend_from_slice(part);
    }
    let crc = crc32fast::hash(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Reads a frame; `None` where there is none.
pub(super) fn frame(bytes: &[u8; FRAME]) -> Option<Frame> {
    let number =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes[..4] != MAGIC {
        return None;
    }
    let kind = match bytes[12] {
        1 => Kind::Delivery,
        2 => Kind::Attempt,
        3 => Kind::Mark,
        4 => Kind::RetireAll,
        5 => Kind::Retire,
        6 => Kind::GiveUp,
        _ => return None,
    };
    let length = number(8) as usize;
    if length > LARGEST {
        return None;
    }
    let high = u64::from(number(20)) << 32;
    Some(Frame {
        kind,
        number: high | u64::from(number(16)),
        length,
        left: number(12) >> 8,
        crc: number(4),
    })
}

/// Says whether a payload is the one its frame was made for.
pub(super) fn checks(frame_bytes: &[u8; FRAME], frame: &Frame, payload: &[u8]) -> bool {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&frame_bytes[8..]);
    hasher.update(payload);
    payload.len() == frame.length && hasher.finalize() == frame.crc
}

/// Finds where the next record may begin.
pub(super) fn next_magic(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(MAGIC.len())
        .position(|window| window == MAGIC)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Option<(Kind, u64, u32, Vec<u8>)> {
        let head: [u8; FRAME] = bytes.get(..FRAME)?.try_into().ok()?;
        let frame = frame(&head)?;
        let payload = bytes.get(FRAME..FRAME + frame.length)?;
        checks(&head, &frame, payload)
            .then(|| (frame.kind, frame.number, frame.left, payload.to_vec()))
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(
            number in any::<u64>(),
            left in 0u32..0xFF_FFFF,
            payload in proptest::collection::vec(any::<u8>(), 0..80),
            at in any::<proptest::sample::Index>(),
            bit in 0u8..8,
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            let (a, b) = payload.split_at(payload.len() / 2);
            write(&mut bytes, Kind::Attempt, number, left as usize, &[a, b]);
            prop_assert_eq!(read(&bytes), Some((Kind::Attempt, number, left, payload)));
            prop_assert_eq!(read(&bytes[..cut.index(bytes.len())]), None);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(read(&bytes), None);
        }
    }
}
