//! What is known to be damaged of what is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::summary::Summary;
use super::text::{thousands, visible};
use super::timestamp::Timestamp;

/// Damage that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// The deliveries that cannot be read whole, oldest first.
    pub deliveries: Vec<DamagedDelivery>,
    /// Whether something else is damaged that belongs to no delivery listed.
    pub others: bool,
}

/// What its row still tells of a damaged delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedDelivery {
    /// Its place in the order of arrival.
    pub seq: u64,
    /// Its id.
    pub id: Id,
    /// The endpoint that took it.
    pub endpoint: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

impl From<&Summary> for DamagedDelivery {
    fn from(row: &Summary) -> Self {
        Self {
            seq: row.seq,
            id: row.id,
            endpoint: row.endpoint.clone(),
            received_at: row.received_at,
        }
    }
}

impl Damaged {
    /// Says whether nothing is damaged.
    pub const fn is_none(&self) -> bool {
        self.deliveries.is_empty() && !self.others
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many are named.
        const NAMED: usize = 8;
        match self.deliveries.len() {
            0 => return f.write_str("records of the journal are damaged"),
            1 => f.write_str("1 delivery is damaged: ")?,
            many => write!(f, "{} deliveries are damaged: ", thousands(many as u64))?,
        }
        for (index, delivery) in self.deliveries.iter().take(NAMED).enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{delivery}")?;
        }
        match self.deliveries.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {} more", thousands(more as u64)),
        }
    }
}

impl fmt::Display for DamagedDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.received_at.to_rfc3339();
        match &self.endpoint {
            Some(endpoint) => write!(f, "{} ({}, {at})", self.id, visible(endpoint)),
            None => write!(f, "{} ({at})", self.id),
        }
    }
}
