//! What a diagnosis may cost, in hashed bytes: so what is found does not depend
//! on how fast a machine is.

/// The bytes that may still be hashed.
pub(super) struct Budget(pub(super) usize);

impl Budget {
    /// Takes what a computation costs; says whether there was enough.
    pub(super) fn try_spend(&mut self, cost: usize) -> bool {
        let enough = self.0 >= cost;
        self.0 -= if enough { cost } else { 0 };
        enough
    }
}
