//! Resolves the hosts of a resend request, so that the caller can ask for
//! confirmation.

use std::collections::BTreeSet;

use super::command::{ResendRequest, Selection};
use super::local::{Local, read_failure};
use crate::domain::address::ResolvedHost;
use crate::domain::failure::Failure;
use crate::outbound;

impl Local {
    /// Looks up where an order would go, and returns the places that are not
    /// this machine.
    pub(super) async fn locate(&self, order: &ResendRequest) -> Result<Vec<ResolvedHost>, Failure> {
        let targets = match &order.target {
            Some(target) => BTreeSet::from([target.clone()]),
            None => super::local::run_blocking(|| self.targets_of(&order.which))?,
        };
        let places = self
            .client
            .locate(targets.iter().map(String::as_str))
            .await?;
        Ok(outbound::remote_hosts(
            places,
            order.options.or(self.options),
        ))
    }

    /// Returns the configured targets of a selection of deliveries.
    fn targets_of(&self, which: &Selection) -> Result<BTreeSet<String>, Failure> {
        let mut targets = BTreeSet::new();
        for seq in self.resolve_selection(which)? {
            let row = self.store.summary(seq).map_err(read_failure)?;
            let destination = row.and_then(|row| self.destination_of_row(&row));
            targets.extend(destination.map(|to| to.target));
        }
        Ok(targets)
    }

    /// Returns `true` if a request gives all deliveries by complete ids and all
    /// are indexed.
    pub(super) fn are_known(&self, order: &ResendRequest) -> bool {
        let known = |id: &String| matches!(self.store.find_whole(id), Ok(Some(_)));
        matches!(&order.which, Selection::Ids(ids) if ids.iter().all(known))
    }
}
