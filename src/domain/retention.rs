//! How long and how much to keep.

/// How long and how much to keep; `None` is without limit. Marked deliveries
/// are kept in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The most deliveries kept.
    pub count: Option<u64>,
    /// The longest a delivery is kept, in seconds.
    pub age_seconds: Option<u64>,
    /// The most bytes the journal may take on disk.
    pub bytes: Option<u64>,
}

impl Default for Retention {
    /// 30 days, any count, any size.
    fn default() -> Self {
        Self {
            count: None,
            age_seconds: Some(30 * 86_400),
            bytes: None,
        }
    }
}
