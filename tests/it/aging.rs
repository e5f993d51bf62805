//! Deliveries go by age only where there is reason to believe the clock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel::clock::{Clock as _, Fixed};
use creel::config::{self, Overrides};
use creel::domain::request::Request;
use creel::domain::timestamp::Timestamp;
use creel::domain::trusted_time::ClockDoubt;
use creel::engine::command::{Command, Info, Reply};
use creel::engine::local::Local;
use creel::server::ReceivedRequest;

const NOW: i64 = 1_790_000_000;

const DAY: i64 = 86_400;

const HOUR: Duration = Duration::from_hours(1);

fn open(folder: &Path, clock: &Arc<Fixed>) -> Arc<Local> {
    let config = config::load(&Overrides {
        data_dir: Some(folder.join("data")),
        ..Overrides::default()
    });
    let clock = Arc::clone(clock);
    Local::open(&config.unwrap(), clock, false).unwrap().0
}

/// Receives so many deliveries, a second apart.
async fn receive(local: &Arc<Local>, clock: &Fixed, count: u32) {
    let intake = local.intake();
    for _ in 0..count {
        clock.pass(Duration::from_secs(1));
        let arrival = ReceivedRequest {
            received_at: clock.now(),
            started: Instant::now(),
            remote_addr: "127.0.0.1:1".parse().unwrap(),
            request: Request {
                method: "POST".into(),
                path: "/".into(),
                ..Request::default()
            },
            refused: None,
        };
        assert_eq!(intake(arrival).await.status, 200);
    }
}

async fn info(local: &Arc<Local>) -> Info {
    match local.engine().call(Command::Info).await {
        Ok(Reply::Info(info)) => *info,
        other => panic!("{other:?}"),
    }
}

async fn left(local: &Arc<Local>) -> (u64, Option<ClockDoubt>) {
    local.prune().await;
    let info = info(local).await;
    (info.kept, info.clock)
}

/// Opens a store with 40 deliveries.
async fn filled(folder: &Path) -> (Arc<Local>, Arc<Fixed>) {
    let clock = Arc::new(Fixed::at(Timestamp::from_unix_seconds(NOW)));
    let local = open(folder, &clock);
    receive(&local, &clock, 40).await;
    assert_eq!(left(&local).await, (40, None));
    (local, clock)
}

/// Sets the clock ahead or back, though no time passes.
fn jump(clock: &Fixed, seconds: i64) {
    let now = clock.now().unix_seconds();
    clock.set(Timestamp::from_unix_seconds(now + seconds));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_deletes_nothing_until_it_was_steady_and_then_half_at_a_time() {
    for seconds in [31 * DAY, 400 * DAY, 30_000 * DAY] {
        let home = tempfile::tempdir().unwrap();
        let (local, clock) = filled(home.path()).await;
        jump(&clock, seconds);
        // What comes at the wrong time proves nothing.
        receive(&local, &clock, 1).await;
        for _ in 0..5 {
            let (kept, doubt) = left(&local).await;
            assert_eq!(kept, 41, "{seconds}");
            let ahead = doubt.unwrap().ahead_seconds;
            assert!((seconds - 5..=seconds).contains(&ahead), "{ahead}");
            clock.pass(Duration::from_mins(10));
        }
        local.close().await;
        drop(local);
        // A restart is no sign either.
        let local = open(home.path(), &clock);
        assert_eq!(left(&local).await.0, 41);
        clock.pass(HOUR);
        // It is believed now: all but the last are over.
        for kept in [21, 11, 6, 3, 2, 1, 1] {
            assert_eq!(left(&local).await, (kept, None));
        }
        local.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_may_say_that_the_clock_is_right() {
    let home = tempfile::tempdir().unwrap();
    let (local, clock) = filled(home.path()).await;
    local.close().await;
    drop(local);
    clock.pass(Duration::from_hours(40 * 24));
    let local = open(home.path(), &clock);
    let (kept, doubt) = left(&local).await;
    assert!(kept == 40 && doubt.is_some(), "a start after a long pause");
    local.engine().call(Command::TrustClock).await.unwrap();
    assert_eq!(left(&local).await, (20, None));
    local.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_before_1970_or_going_back_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(Fixed::at(Timestamp::from_unix_seconds(-5 * 365 * DAY)));
    let local = open(home.path(), &clock);
    receive(&local, &clock, 3).await;
    assert_eq!(left(&local).await, (3, None));
    local.close().await;
    drop(local);
    let local = open(home.path(), &clock);
    clock.set(Timestamp::from_unix_seconds(NOW));
    assert_eq!(left(&local).await.0, 3);
    jump(&clock, -30_000 * DAY);
    receive(&local, &clock, 3).await;
    assert_eq!(left(&local).await.0, 6);
    let Ok(Reply::Listing(lines)) = local
        .engine()
        .call(Command::Listing(creel::engine::command::ListQuery {
            limit: 10,
            ..Default::default()
        }))
        .await
    else {
        panic!("no list");
    };
    assert_eq!(lines.len(), 6);
    local.close().await;
}
