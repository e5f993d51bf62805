//! Where a window stands over something longer than the screen.

/// Returns the first place of a window so that `cursor` is inside, moving it
/// as little as may be, and not past the end.
pub fn follow(top: usize, cursor: usize, height: usize, total: usize) -> usize {
    let height = height.max(1);
    let top = if cursor < top {
        cursor
    } else if cursor >= top + height {
        cursor + 1 - height
    } else {
        top
    };
    clamp(top, height, total)
}

/// Returns the first place of a window that does not reach past the end.
pub fn clamp(top: usize, height: usize, total: usize) -> usize {
    top.min(total.saturating_sub(height.max(1)))
}

/// Moves a number by a step without leaving `0..total`.
pub fn step(at: usize, by: isize, total: usize) -> usize {
    at.saturating_add_signed(by).min(total.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_as_little_as_may_be() {
        let cases = [
            ((0, 0, 5, 10), 0),
            ((0, 5, 5, 10), 1),
            ((4, 2, 5, 10), 2),
            ((9, 9, 5, 10), 5),
            ((3, 2, 5, 3), 0),
            ((0, 3, 0, 9), 3),
        ];
        for ((top, cursor, height, total), expected) in cases {
            assert_eq!(follow(top, cursor, height, total), expected);
        }
        assert_eq!(step(0, -1, 5), 0);
        assert_eq!(step(4, 9, 5), 4);
        assert_eq!(step(0, 1, 0), 0);
    }
}
