//! The cost limit of a diagnosis, in hashed bytes. A limit in bytes instead of
//! time makes the findings independent of the machine's speed.

/// The number of bytes that may still be hashed.
pub(super) struct Budget(pub(super) usize);

impl Budget {
    /// Spends the cost of a computation; returns whether the budget sufficed.
    pub(super) fn try_spend(&mut self, cost: usize) -> bool {
        let enough = self.0 >= cost;
        self.0 -= if enough { cost } else { 0 };
        enough
    }
}
