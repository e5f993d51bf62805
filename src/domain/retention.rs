//! Retention limits.

/// Retention limits; `None` means no limit. Marked deliveries are exempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The maximum number of deliveries.
    pub count: Option<u64>,
    /// The maximum age of a delivery, in seconds.
    pub age_seconds: Option<u64>,
    /// The maximum size of the journal on disk, in bytes.
    pub bytes: Option<u64>,
}

impl Default for Retention {
    /// 30 days, any number, any size.
    fn default() -> Self {
        Self {
            count: None,
            age_seconds: Some(30 * 86_400),
            bytes: None,
        }
    }
}
