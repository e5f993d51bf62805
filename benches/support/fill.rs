//! Deliveries that arrive before a benchmark measures.

use std::sync::Arc;

use creel::engine::local::Local;
use creel::server::ReceivedRequest;
use tokio::task::JoinSet;

/// Lets deliveries arrive, some at once; `make` makes each from its number.
pub(crate) async fn fill(
    local: &Arc<Local>,
    count: usize,
    make: impl Fn(usize) -> ReceivedRequest,
) {
    /// How many are on their way at once.
    const AT_ONCE: usize = 256;
    let intake = local.intake();
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(intake(make(number)));
        if tasks.len() == AT_ONCE {
            let reply = tasks.join_next().await.expect("one is there");
            assert_eq!(reply.expect("no panic").status, 200, "it was not kept");
        }
    }
    for reply in tasks.join_all().await {
        assert_eq!(reply.status, 200, "a delivery was not kept");
    }
}
