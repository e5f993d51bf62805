//! Where an order would go, for those who ask before they send.

use std::collections::BTreeSet;

use super::command::{ResendOrder, Which};
use super::local::{Local, unreadable};
use crate::domain::address::Place;
use crate::domain::failure::Failure;
use crate::outbound;

impl Local {
    /// Looks up where an order would go, and returns the places that are not
    /// this machine.
    pub(super) async fn locate(&self, order: &ResendOrder) -> Result<Vec<Place>, Failure> {
        let targets = match &order.target {
            Some(target) => BTreeSet::from([target.clone()]),
            None => super::local::aside(|| self.targets_of(&order.which))?,
        };
        let places = self
            .client
            .locate(targets.iter().map(String::as_str))
            .await?;
        Ok(outbound::strangers(places, order.options.or(self.options)))
    }

    /// Returns where deliveries go that are sent to where they are configured to.
    fn targets_of(&self, which: &Which) -> Result<BTreeSet<String>, Failure> {
        let mut targets = BTreeSet::new();
        for seq in self.which(which)? {
            let row = self.store.summary(seq).map_err(unreadable)?;
            let destination = row.and_then(|row| self.destination_of_row(&row));
            targets.extend(destination.map(|to| to.target));
        }
        Ok(targets)
    }

    /// Says whether an order names all its deliveries by their whole ids, and
    /// all of them are indexed.
    pub(super) fn are_known(&self, order: &ResendOrder) -> bool {
        let known = |id: &String| matches!(self.store.find_whole(id), Ok(Some(_)));
        matches!(&order.which, Which::Ids(ids) if ids.iter().all(known))
    }
}
