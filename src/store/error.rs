//! Why something could not be kept, read or found.

use std::{fmt, io};

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
    /// All that is kept must stay.
    #[error("{0}")]
    Filled(Filled),
    /// The folder was opened for reading alone.
    #[error("{0}, so it is only read")]
    ReadOnly(String),
    /// The disk failed.
    #[error("the disk cannot be written: {0}")]
    Disk(String),
    /// The store is closing.
    #[error("the store is closing")]
    Closed,
}

/// What fills the room there is for deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// How many bytes may be kept.
    pub limit: u64,
    /// How many deliveries wait for their app.
    pub waiting: u64,
    /// How many others are marked.
    pub marked: u64,
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            waiting,
            marked,
        } = self;
        let marked = match marked {
            0 => String::new(),
            _ => format!("{} marked", text::thousands(*marked)),
        };
        let waiting = match waiting {
            0 => String::new(),
            _ => format!("{} that wait for their app", text::thousands(*waiting)),
        };
        let both = if marked.is_empty() || waiting.is_empty() {
            ""
        } else {
            " and "
        };
        write!(
            f,
            "deliveries fill keep.bytes ({}): {waiting}{both}{marked}",
            text::bytes(*limit)
        )?;
        if !waiting.is_empty() {
            f.write_str(
                "; start the app, or give up on them: creel resend --stop --filter app:waiting",
            )?;
        }
        Ok(())
    }
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
