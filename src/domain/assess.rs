//! All that the configuration says about one delivery: who sent it, what
//! event it is and whether it is truly signed.

use super::event::EventKey;
use super::verification::Verification;

/// What is known of a delivery besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The provider's name.
    pub provider: Option<String>,
    /// What the provider says happened.
    pub event: Option<String>,
    /// The provider's own id of the event.
    pub delivery_id: Option<String>,
    /// What tells arrivals of the same event from others; `None`: it stands alone.
    pub group: Option<EventKey>,
    /// The verdict on the signature.
    pub verification: Verification,
}
