//! Why something could not be kept, read or found.

use std::io;

use crate::domain::text;

/// Why something could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too much waits to be written.
    #[error("too many deliveries wait to be written")]
    Busy,
    /// The disk has no room.
    #[error("the disk is full: {} are left", text::bytes(*free))]
    Full {
        /// How many bytes are left.
        free: u64,
    },
    /// The disk failed.
    #[error("the disk cannot be written: {0}")]
    Disk(String),
    /// The store is closing.
    #[error("the store is closing")]
    Closed,
}

/// Why something kept could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The database says no.
    #[error("the index cannot be read: {0}")]
    Database(String),
    /// The database holds something that makes no sense.
    #[error("the index holds something that makes no sense")]
    Index,
    /// A record of the journal does not check.
    #[error("a record in journal segment {0} is damaged")]
    Damaged(u64),
    /// The system says no.
    #[error("the journal cannot be read: {0}")]
    Io(String),
}

impl ReadError {
    #[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
    pub(super) fn io(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// Why no delivery was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindError {
    /// There is none.
    None,
    /// So many could be meant.
    Ambiguous(usize),
    /// Fewer than four characters.
    TooShort,
    /// What is kept cannot be read.
    Unreadable(ReadError),
}

impl From<ReadError> for FindError {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}
