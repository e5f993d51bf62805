//! Damage in the stored data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::summary::Summary;
use super::text::{thousands, visible};
use super::timestamp::Timestamp;

/// The damage that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// The deliveries that cannot be read completely, oldest first.
    pub deliveries: Vec<DamagedDelivery>,
    /// Whether there is damage that does not belong to a listed delivery.
    pub others: bool,
}

/// The intact values of a damaged delivery, read from its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedDelivery {
    /// The sequence number.
    pub seq: u64,
    /// The id.
    pub id: Id,
    /// The endpoint that received it.
    pub endpoint: Option<String>,
    /// The time of arrival.
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
    /// Returns whether nothing is damaged.
    pub const fn is_none(&self) -> bool {
        self.deliveries.is_empty() && !self.others
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many deliveries are listed.
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
