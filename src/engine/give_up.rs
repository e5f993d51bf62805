//! Gives up on deliveries that wait for their app or for a retry.

use std::collections::HashSet;

use super::command::Selection;
use super::local::{Local, read_failure, run_blocking};
use crate::domain::failure::{Failure, sentence};

impl Local {
    /// Gives up on those deliveries of a selection that wait; returns their
    /// number.
    pub(super) async fn give_up(&self, which: &Selection) -> Result<u64, Failure> {
        let meant: HashSet<u64> = run_blocking(|| self.resolve_selection(which))?
            .into_iter()
            .collect();
        let (mut owed, mut planned, mut count) = (Vec::new(), Vec::new(), 0);
        let scanned = run_blocking(|| {
            self.store.scan(None, &mut |row| {
                if meant.contains(&row.seq) && row.is_waiting() {
                    owed.extend(row.is_unanswered().then_some(row.seq));
                    planned.extend(row.pending.map(|_| row.seq));
                    count += 1;
                }
                true
            })
        });
        scanned.map_err(read_failure)?;
        self.stop_retries(&planned).await?;
        self.store.give_up(&owed).await.map_err(|error| {
            Failure::cannot("Giving up could not be kept.", sentence(&error), "")
        })?;
        for seq in owed {
            self.queues.finish(seq);
        }
        Ok(count)
    }
}
