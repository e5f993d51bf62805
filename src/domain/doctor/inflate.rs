//! Decompresses bodies (RFC 1951, 1950 and 1952) up to a maximum size.
//!
//! The result only serves to recompute a signature, so checksums are not
//! verified.

/// Decompresses a gzip, zlib or raw deflate stream. Returns `None` if the bytes
/// are no such stream, are truncated, or decompress to more than `max_bytes`.
pub(super) fn inflate(bytes: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    match bytes {
        [0x1f, 0x8b, 8, ..] => stream(gzip(bytes)?, max_bytes),
        [first, second, rest @ ..]
            if first & 15 == 8
                && (u16::from(*first) * 256 + u16::from(*second)).is_multiple_of(31) =>
        {
            stream(rest, max_bytes)
        }
        _ => None,
    }
}

/// Skips the header of a gzip file.
fn gzip(bytes: &[u8]) -> Option<&[u8]> {
    let flags = *bytes.get(3)?;
    let mut rest = bytes.get(10..)?;
    if flags & 4 != 0 {
        let length = usize::from(*rest.first()?) + usize::from(*rest.get(1)?) * 256;
        rest = rest.get(2 + length..)?;
    }
    for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
        let end = rest.iter().position(|b| *b == 0)?;
        rest = &rest[end + 1..];
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// Reads bits, least significant bit of each byte first.
struct BitReader<'a> {
    bytes: &'a [u8],
    held: u32,
    count: u32,
}

impl BitReader<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        while self.count < count {
            let (first, rest) = self.bytes.split_first()?;
            self.held |= u32::from(*first) << self.count;
            self.count += 8;
            self.bytes = rest;
        }
        let value = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Some(value)
    }
}

/// A Huffman code: the number of codes of each length, and their symbols.
struct HuffmanCode {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl HuffmanCode {
    fn of(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for length in lengths.iter().filter(|l| **l > 0) {
            counts[usize::from(*length)] += 1;
        }
        let mut symbols: Vec<u16> = (0..lengths.len() as u16)
            .filter(|s| lengths[usize::from(*s)] > 0)
            .collect();
        symbols.sort_by_key(|s| lengths[usize::from(*s)]);
        Self { counts, symbols }
    }

    fn read(&self, bits: &mut BitReader<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0i32, 0i32, 0i32);
        for count in &self.counts[1..] {
            code |= bits.take(1)?.cast_signed();
            let count = i32::from(*count);
            if code - count < first {
                return self
                    .symbols
                    .get(usize::try_from(index + code - first).ok()?)
                    .map(|s| usize::from(*s));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

const LENGTH_CODES: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

const DISTANCE_CODES: [(usize, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// The order in which a block stores the lengths of the code-length codes.
const CODE_LENGTH_ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

fn stream(bytes: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
    let mut bits = BitReader {
        bytes,
        held: 0,
        count: 0,
    };
    let mut out = Vec::new();
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                (bits.held, bits.count) = (0, 0);
                let length = usize::from(u16::from_le_bytes([
                    *bits.bytes.first()?,
                    *bits.bytes.get(1)?,
                ]));
                out.extend_from_slice(bits.bytes.get(4..4 + length)?);
                bits.bytes = &bits.bytes[4 + length..];
                if out.len() > max_bytes {
                    return None;
                }
            }
            1 => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                block(
                    &mut bits,
                    &HuffmanCode::of(&lengths),
                    &HuffmanCode::of(&[5; 30]),
                    &mut out,
                    max_bytes,
                )?;
            }
            2 => {
                let (literals, distances) = codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut out, max_bytes)?;
            }
            _ => return None,
        }
        if last {
            return Some(out);
        }
    }
}

/// Reads the Huffman codes of a dynamic block.
fn codes(bits: &mut BitReader<'_>) -> Option<(HuffmanCode, HuffmanCode)> {
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let mut lengths = [0; 19];
    for at in &CODE_LENGTH_ORDER[..bits.take(4)? as usize + 4] {
        lengths[*at] = bits.take(3)? as u8;
    }
    let code = HuffmanCode::of(&lengths);
    let mut lengths: Vec<u8> = Vec::with_capacity(320);
    while lengths.len() < literals + distances {
        let (value, times) = match code.read(bits)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times as usize));
    }
    Some((
        HuffmanCode::of(&lengths[..literals]),
        HuffmanCode::of(lengths.get(literals..literals + distances)?),
    ))
}

fn block(
    bits: &mut BitReader<'_>,
    literals: &HuffmanCode,
    distances: &HuffmanCode,
    out: &mut Vec<u8>,
    max_bytes: usize,
) -> Option<()> {
    loop {
        match literals.read(bits)? {
            256 => return Some(()),
            byte @ 0..256 => out.push(byte as u8),
            symbol => {
                let (base, extra) = *LENGTH_CODES.get(symbol - 257)?;
                let length = base + bits.take(extra)? as usize;
                let (base, extra) = *DISTANCE_CODES.get(distances.read(bits)?)?;
                let from = out.len().checked_sub(base + bits.take(extra)? as usize)?;
                for at in from..from + length {
                    out.push(out[at]);
                }
            }
        }
        if out.len() > max_bytes {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Test data made by Python's `zlib` and `gzip`.
    #[test]
    fn inflates_what_others_deflated() {
        let text = b"creel creel creel, said the angler; creel.";
        for hex in include_str!("inflate.txt").lines() {
            assert_eq!(
                inflate(&hex::decode(hex).unwrap(), 1000).as_deref(),
                Some(&text[..]),
                "{hex}"
            );
            assert_eq!(inflate(&hex::decode(hex).unwrap(), 10), None);
        }
        let long = hex::decode(include_str!("inflate_long.txt").trim()).unwrap();
        let read = inflate(&long, 1 << 20).unwrap();
        assert_eq!(
            read,
            (0..400u32)
                .flat_map(|n| format!("{} {};", n * n % 977, n).into_bytes())
                .collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = stream(&bytes, 4096);
            bytes.splice(0..0, [0x1f, 0x8b, 8]);
            let _ = inflate(&bytes, 4096);
        }
    }
}
