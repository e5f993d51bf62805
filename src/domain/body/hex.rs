//! Bytes as rows of sixteen, made as they are asked for.

use std::fmt::Write as _;

use super::{Line, Piece, Role};

const ROW: usize = 16;

/// Returns how many rows `size` bytes take.
pub(super) const fn rows(size: usize) -> usize {
    size.div_ceil(ROW)
}

/// Returns one row: offset, bytes, and the characters where they are ASCII.
pub(super) fn row(bytes: &[u8], index: usize) -> Line {
    let start = index.saturating_mul(ROW);
    if start >= bytes.len() {
        return Line::default();
    }
    let slice = &bytes[start..bytes.len().min(start + ROW)];
    let mut digits = String::with_capacity(ROW * 3 + 2);
    for (at, byte) in slice.iter().enumerate() {
        let _ = write!(digits, "{byte:02x} ");
        if at == ROW / 2 - 1 {
            digits.push(' ');
        }
    }
    let characters: String =
        slice.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' }).collect();
    Line(vec![
        Piece { text: format!("{start:08x}  "), role: Role::Aside },
        Piece { text: format!("{digits:<width$}", width = ROW * 3 + 2), role: Role::Number },
        Piece { text: characters, role: Role::Plain },
    ])
}
