//! The store: durable, numbered without gaps, derived where it can be.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use creel::domain::attempt::Outcome;
use creel::domain::retention::Retention;
use creel::domain::verification::Status;
use creel::store::disk::{Disk, RealDisk, Space};
use creel::store::{
    AppendError, Assess, Change, FindError, NewAttempt, OpenError, Opened, Options, Rows, Store,
};
use tempfile::TempDir;

use crate::support::deliveries::{ByPath, attempt, incoming};

/// A disk that fails as told, and counts syncs.
#[derive(Default)]
struct FaultyDisk {
    syncs: AtomicUsize,
    /// How many more syncs work before one fails; the rest work again.
    fail_after: AtomicU64,
    armed: AtomicU64,
    free: AtomicU64,
}

impl FaultyDisk {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            free: AtomicU64::new(1 << 40),
            ..Self::default()
        })
    }

    fn fail_next(&self) {
        self.fail_after.store(0, Ordering::SeqCst);
        self.armed.store(1, Ordering::SeqCst);
    }
}

impl Disk for FaultyDisk {
    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.armed.swap(0, Ordering::SeqCst) == 1 {
            return Err(io::Error::other("the disk is gone"));
        }
        RealDisk.sync(file)
    }

    fn prepare(&self, _: &File, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space {
            free: self.free.load(Ordering::SeqCst),
            total: 1 << 40,
        })
    }
}

fn open_with(folder: &Path, options: &Options) -> Result<(Store, Opened), OpenError> {
    let assess: Arc<dyn Assess> = Arc::new(ByPath);
    Store::open(folder, options, &assess)
}

/// Opens a store and waits until its index is whole.
async fn open(folder: &Path) -> (Store, Opened) {
    let (store, opened) =
        open_with(folder, &Options::default()).unwrap_or_else(|error| panic!("{error}"));
    store.settle().await;
    (store, opened)
}

fn paths(store: &Store) -> Vec<(u64, String)> {
    store
        .page(0, 1000)
        .unwrap()
        .into_iter()
        .map(|s| (s.seq, s.path))
        .collect()
}

/// Keeps `count` deliveries and closes.
async fn filled(count: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path()).await;
    for n in 0..count {
        store
            .append(incoming(&format!("/{n}"), format!("body {n}").as_bytes()))
            .await
            .unwrap();
    }
    store.close().await;
    dir
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir.join("journal"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn what_is_kept_can_be_read_and_reopening_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, opened) = open(dir.path()).await;
    assert_eq!(opened, Opened::default());
    let first = store
        .append(incoming("/a", b"\x00\xff body"))
        .await
        .unwrap();
    store.settle().await;
    let kept = store.delivery(first.seq).unwrap().unwrap();
    assert_eq!((kept.seq, kept.id), (1, first.id));
    assert_eq!(kept.request, incoming("/a", b"\x00\xff body").request);
    assert!(kept.answer.duration_us.is_some());
    store.close().await;
    drop(store);

    let (store, opened) = open(dir.path()).await;
    assert_eq!(opened.indexed, 0, "nothing is read twice");
    assert_eq!(store.delivery(1).unwrap().unwrap(), kept);
    let second = store.append(incoming("/b", b"")).await.unwrap();
    assert_eq!(second.seq, 2);
    assert!(second.id > first.id);
    store.settle().await;
    assert_eq!(paths(&store), [(2, "/b".into()), (1, "/a".into())]);
    assert_eq!(store.page(1, 1).unwrap()[0].seq, 1);
    assert_eq!((store.count(), store.delivery(3).unwrap()), (2, None));
}

#[tokio::test]
async fn waiting_deliveries_share_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let options = Options {
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    let appends = (0..200).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .append(incoming(&format!("/{n}"), b"x"))
                .await
                .unwrap()
                .seq
        })
    });
    let mut seqs = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        seqs.push(append.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<u64>>());
    assert!(
        disk.syncs.load(Ordering::SeqCst) < 200,
        "{:?} syncs",
        disk.syncs
    );
}

#[tokio::test]
async fn a_failed_sync_is_told_and_never_taken_for_success() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let options = Options {
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    let mut changes = store.watch();
    store.append(incoming("/kept", b"")).await.unwrap();
    disk.fail_next();
    let failed = store.append(incoming("/lost", b"")).await.unwrap_err();
    assert!(matches!(failed, AppendError::Disk(_)), "{failed}");
    assert!(store.trouble().unwrap().contains("the disk is gone"));
    let after = store.append(incoming("/after", b"")).await.unwrap();
    assert_eq!((after.seq, store.trouble()), (2, None));
    assert_eq!(segments(dir.path()).len(), 2, "a new segment is begun");
    store.settle().await;
    let mut troubles = Vec::new();
    while let Ok(change) = changes.try_recv() {
        if let Change::Trouble(trouble) = change {
            troubles.push(trouble.is_some());
        }
    }
    assert_eq!(troubles, [true, false]);
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
    let (store, _) = open(dir.path()).await;
    assert_eq!(paths(&store), [(2, "/after".into()), (1, "/kept".into())]);
}

#[tokio::test]
async fn a_full_disk_is_told_before_it_is_written_and_space_helps_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new();
    let options = Options {
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    disk.free.store(40 << 20, Ordering::SeqCst);
    let full = store.append(incoming("/a", b"")).await.unwrap_err();
    assert!(matches!(full, AppendError::Full { .. }), "{full}");
    assert!(store.trouble().unwrap().contains("full"));
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 0);
    disk.free.store(1 << 40, Ordering::SeqCst);
    store.append(incoming("/b", b"")).await.unwrap();
    store.settle().await;
    assert_eq!(
        (paths(&store), store.trouble()),
        (vec![(1, "/b".into())], None)
    );
}

#[tokio::test]
async fn a_torn_end_is_cut_off() {
    for left in [1, 10, 30, 90] {
        let dir = filled(3).await;
        let last = segments(dir.path()).pop().unwrap();
        // As if creel had ended while it wrote one more.
        let whole = std::fs::read(&last).unwrap();
        std::fs::write(&last, [&whole[..], &whole[..left]].concat()).unwrap();
        let (store, opened) = open(dir.path()).await;
        assert_eq!(opened.torn, left as u64);
        assert_eq!(store.count(), 3);
        assert_eq!(std::fs::read(&last).unwrap(), whole);
        assert_eq!(store.append(incoming("/new", b"")).await.unwrap().seq, 4);
    }
}

#[tokio::test]
async fn a_delivery_cut_off_the_end_is_missed() {
    let dir = filled(3).await;
    let last = segments(dir.path()).pop().unwrap();
    let size = std::fs::metadata(&last).unwrap().len();
    File::options()
        .write(true)
        .open(&last)
        .unwrap()
        .set_len(size - 10)
        .unwrap();
    let error = open_with(dir.path(), &Options::default()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "1 delivery is damaged or gone: number 3; 2 can be read."
    );
    assert_eq!(std::fs::metadata(&last).unwrap().len(), size - 10);
}

#[tokio::test]
async fn damage_between_records_is_named_and_nothing_is_changed() {
    let dir = filled(5).await;
    std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
    let last = segments(dir.path()).pop().unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    let at = bytes.windows(6).position(|w| w == b"body 2").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&last, &bytes).unwrap();
    let error = open_with(dir.path(), &Options::default()).err().unwrap();
    assert!(
        matches!(&error, OpenError::Damaged(gone) if gone.deliveries == [(3, 3)]),
        "{error}"
    );
    assert_eq!(std::fs::read(&last).unwrap(), bytes);
}

#[tokio::test]
async fn a_missing_or_broken_index_is_made_anew() {
    type Break = fn(&Path);
    let breaks: [(&str, Break); 3] = [
        ("missing", |index| std::fs::remove_dir_all(index).unwrap()),
        ("cut", |index| {
            File::options()
                .write(true)
                .open(index.join("db"))
                .unwrap()
                .set_len(100)
                .unwrap();
        }),
        ("nonsense", |index| {
            let size = usize::try_from(std::fs::metadata(index.join("db")).unwrap().len()).unwrap();
            std::fs::write(index.join("db"), vec![0xA5; size]).unwrap();
        }),
    ];
    for (name, break_it) in breaks {
        let dir = filled(20).await;
        {
            let (store, _) = open(dir.path()).await;
            store.set_marked(&[3], true).await.unwrap();
            store.append_attempt(attempt(3)).await.unwrap();
            store.close().await;
        }
        break_it(&dir.path().join("index-1"));
        let (store, opened) = open(dir.path()).await;
        assert!(
            opened.rebuilt.is_some() && opened.notes().len() == 1,
            "{name}"
        );
        assert_eq!(store.count(), 20, "{name}");
        let row = store.summary(3).unwrap().unwrap();
        assert!(
            row.marked && row.attempts == 1 && row.last_attempt.is_some(),
            "{name}: {row:?}"
        );
        assert_eq!(store.attempts(3).unwrap().len(), 1);
        assert_eq!(store.append(incoming("/next", b"")).await.unwrap().seq, 21);
    }
}

#[tokio::test]
async fn attempts_kept_together_go_on_counting_after_a_restart_and_in_a_new_index() {
    let dir = filled(3).await;
    let numbers = |store: &Store, seq: u64| -> Vec<u32> {
        let attempts = store.attempts(seq).unwrap();
        attempts.iter().map(|attempt| attempt.number).collect()
    };
    for round in 0..3_u32 {
        if round == 2 {
            std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
        }
        let (store, _) = open(dir.path()).await;
        let seen = |seq| store.listed(seq, &mut Rows::default()).unwrap().unwrap();
        assert_eq!(seen(1).attempts, Some(round * 2));
        // What was seen before others were kept does not count for them.
        let before = seen(1).attempts;
        let several = [1, 2, 1].map(|seq| NewAttempt {
            before: if seq == 1 { before } else { None },
            ..attempt(seq)
        });
        let kept = store.append_attempts(several.into()).await.unwrap();
        let given: Vec<_> = kept.iter().map(|a| (a.delivery_seq, a.number)).collect();
        let first = round * 2;
        assert_eq!(given, [(1, first + 1), (2, round + 1), (1, first + 2)]);
        assert_eq!(store.append_attempts(Vec::new()).await.unwrap(), []);
        store.settle().await;
        assert_eq!(numbers(&store, 1), (1..=first + 2).collect::<Vec<_>>());
        assert_eq!(numbers(&store, 2), (1..=round + 1).collect::<Vec<_>>());
        assert_eq!(numbers(&store, 3), [0; 0]);
        store.close().await;
    }
}

#[tokio::test]
async fn attempts_that_could_not_be_kept_leave_no_gap_in_the_numbers() {
    let dir = filled(2).await;
    let disk = FaultyDisk::new();
    let options = Options {
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    store.append_attempt(attempt(1)).await.unwrap();
    disk.fail_next();
    let lost = [1, 2, 1].map(attempt).into();
    store.append_attempts(lost).await.unwrap_err();
    let kept = [2, 1].map(attempt).into();
    let kept = store.append_attempts(kept).await.unwrap();
    let given: Vec<_> = kept.iter().map(|a| (a.delivery_seq, a.number)).collect();
    assert_eq!(given, [(2, 1), (1, 2)]);
    store.settle().await;
    for (seq, count) in [(1, 2), (2, 1)] {
        assert_eq!(store.attempts(seq).unwrap().len(), count);
    }
    store.close().await;
}

#[tokio::test]
async fn an_index_without_room_costs_no_number_no_row_and_no_end() {
    let dir = filled(3).await;
    let (store, _) = open(dir.path()).await;
    let three = [1, 1, 2].map(attempt).into();
    store.append_attempts(three).await.unwrap();
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
    let disk = FaultyDisk::new();
    let options = Options {
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        reserve_bytes: 0,
        ..Options::default()
    };
    // Room for the journal, and none for an index.
    disk.free.store(300 << 10, Ordering::SeqCst);
    let (store, _) = open_with(dir.path(), &options).unwrap();
    assert!(store.is_starting());
    store.append(incoming("/new", b"")).await.unwrap();
    let kept = [1, 2, 3, 4, 1].map(attempt).into();
    let kept = store.append_attempts(kept).await.unwrap();
    let numbers: Vec<u32> = kept.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [3, 2, 1, 1, 4]);
    // It ends all the same.
    store.close().await;
    drop(store);
    let (store, _) = open(dir.path()).await;
    assert_eq!(store.count(), 4);
    for (seq, last) in [(1, 4), (2, 2), (3, 1), (4, 1)] {
        let attempts = store.attempts(seq).unwrap();
        let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn attempts_are_numbered_and_tell_of_themselves() {
    let dir = filled(1).await;
    let (store, _) = open(dir.path()).await;
    let mut changes = store.watch();
    let (one, two) = tokio::join!(
        store.append_attempt(attempt(1)),
        store.append_attempt(attempt(1))
    );
    let mut numbers = [one.unwrap().number, two.unwrap().number];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    store.settle().await;
    assert_eq!(
        store
            .attempts(1)
            .unwrap()
            .iter()
            .map(|a| a.number)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    let mut told = 0;
    while let Ok(change) = changes.try_recv() {
        told += usize::from(matches!(change, Change::Attempted(_)));
    }
    assert_eq!((told, store.summary(1).unwrap().unwrap().attempts), (2, 2));
}

#[tokio::test]
async fn arrivals_of_one_event_are_grouped() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path()).await;
    for path in ["/x", "/y", "/x", "/x"] {
        store.append(incoming(path, b"")).await.unwrap();
    }
    store.settle().await;
    assert_eq!(store.arrivals(3, 9).unwrap(), [1, 3, 4]);
    assert_eq!(
        store.arrivals(1, 2).unwrap(),
        [1, 3, 4],
        "the one asked for is always there"
    );
    let counts: Vec<u32> = store
        .page(0, 9)
        .unwrap()
        .iter()
        .map(|s| s.arrival)
        .collect();
    assert_eq!(counts, [3, 2, 1, 1]);
}

#[tokio::test]
async fn a_mistake_in_the_assessment_costs_no_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path()).await;
    store.append(incoming("/panic", b"")).await.unwrap();
    store.append(incoming("/fine", b"")).await.unwrap();
    store.settle().await;
    assert_eq!(paths(&store), [(2, "/fine".into()), (1, "/panic".into())]);
    assert_eq!(
        store.summary(1).unwrap().unwrap().status,
        Status::UnknownProvider
    );
}

#[tokio::test]
async fn deliveries_are_found_by_either_end_of_their_id() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path()).await;
    assert_eq!(store.find("@latest"), Err(FindError::None));
    let id = store
        .append(incoming("/a", b""))
        .await
        .unwrap()
        .id
        .to_string();
    store.append(incoming("/b", b"")).await.unwrap();
    store.settle().await;
    assert_eq!(store.find(&id), Ok(1));
    assert_eq!(store.find(&id[20..].to_lowercase()), Ok(1));
    assert_eq!(store.find(&id[..8]), Err(FindError::Ambiguous(2)));
    assert_eq!(store.find("abc"), Err(FindError::TooShort));
    assert_eq!(store.find("ZZZZZZ"), Err(FindError::None));
    assert_eq!(store.find("@latest"), Ok(2));
}

#[tokio::test]
async fn the_folder_is_its_owner_s_alone_and_held_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/data");
    let (store, _) = open(&folder).await;
    store.append(incoming("/a", b"")).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [&folder, &folder.join("journal"), &folder.join("index-1")] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    for path in [
        folder.join("format"),
        folder.join("lock"),
        segments(&folder)[0].clone(),
    ] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert!(Store::locked(&folder));
    assert!(matches!(
        open_with(&folder, &Options::default()),
        Err(OpenError::Locked)
    ));
    store.close().await;
    drop(store);
    assert!(!Store::locked(&folder));
    std::fs::write(folder.join("format"), "creel store 4\n").unwrap();
    let error = open_with(&folder, &Options::default()).err().unwrap();
    assert!(
        matches!(error, OpenError::Newer(4)) && error.failure(&folder).why.contains("format 4"),
        "{error}"
    );
    std::fs::write(folder.join("format"), "something else").unwrap();
    assert!(matches!(
        open_with(&folder, &Options::default()),
        Err(OpenError::Format)
    ));
}

#[tokio::test]
async fn segments_are_begun_as_they_fill() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 4096,
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    for n in 0..20 {
        store
            .append(incoming(&format!("/{n}"), &[b'x'; 1000]))
            .await
            .unwrap();
    }
    assert!(segments(dir.path()).len() >= 4);
    store.settle().await;
    assert_eq!(store.delivery(7).unwrap().unwrap().request.body.len(), 1000);
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
    let (store, _) = open_with(dir.path(), &options).unwrap();
    store.settle().await;
    assert_eq!(store.count(), 20);
    let gone = segments(dir.path())[1].clone();
    store.close().await;
    drop(store);
    std::fs::remove_file(gone).unwrap();
    std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
    assert!(
        matches!(open_with(dir.path(), &options), Err(OpenError::Damaged(_))),
        "a missing segment is noticed"
    );
}

/// Copies the folders of a store that an older version left.
fn golden(name: &str, folders: &[&str]) -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let dir = tempfile::tempdir().unwrap();
    for folder in folders {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(golden.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let to = dir.path().join(folder).join(entry.file_name());
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    dir
}

#[tokio::test]
async fn what_the_second_format_let_go_stays_gone() {
    let dir = golden("store-2", &["", "journal"]);
    let (store, _) = open(dir.path()).await;
    let rows = store.page(0, 10).unwrap();
    let shown: Vec<(&str, bool)> = rows
        .iter()
        .map(|row| (row.path.as_str(), row.is_unanswered()))
        .collect();
    assert_eq!(shown, [("/5", true), ("/4", true)]);
    let keep = Retention {
        count: Some(1),
        age_seconds: None,
        bytes: None,
    };
    // What waits stays from now on.
    store.retire(&keep, rows[0].received_at).await.unwrap();
    assert_eq!(store.count(), 2);
    store.close().await;
}

#[tokio::test]
async fn a_store_of_the_first_format_is_taken_over() {
    let dir = golden("store-1", &["", "journal", "index"]);
    let (store, opened) = open(dir.path()).await;
    assert!(opened.rebuilt.is_some());
    let rows = store.page(0, 10).unwrap();
    let shown: Vec<(u64, &str, u32, bool)> = rows
        .iter()
        .map(|row| (row.seq, row.path.as_str(), row.attempts, row.marked))
        .collect();
    assert_eq!(
        shown,
        [
            (5, "/unsigned", 0, false),
            (4, "/binary", 0, false),
            (3, "/wrong", 0, false),
            (2, "/hooks", 0, true),
            (1, "/hooks", 2, false),
        ]
    );
    let last = rows[4].last_attempt.unwrap();
    assert_eq!((last.status, last.outcome), (None, Outcome::Failed));
    assert_eq!(store.attempts(1).unwrap()[0].status(), Some(501));
    let binary = store.delivery(4).unwrap().unwrap();
    assert_eq!(binary.request.body, vec![0xff; 5000]);
    let unsigned = store.delivery(5).unwrap().unwrap();
    let values: Vec<&[u8]> = unsigned.request.headers.all("x-a").collect();
    assert_eq!(values, [b"1", b"2"]);
    assert_eq!(store.append(incoming("/next", b"")).await.unwrap().seq, 6);
    store.close().await;
    let format = std::fs::read_to_string(dir.path().join("format")).unwrap();
    assert_eq!(format, "creel store 3\n");
    assert!(!dir.path().join("index").exists());
    drop(store);
    let (_, again) = open(dir.path()).await;
    assert_eq!(again.rebuilt, None);
}

/// A disk whose syncs wait until they are let through.
#[derive(Default)]
struct SlowDisk {
    open: std::sync::Mutex<bool>,
    opened: std::sync::Condvar,
    syncs: AtomicUsize,
}

impl SlowDisk {
    fn let_through(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Disk for SlowDisk {
    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        RealDisk.sync(file)
    }

    fn prepare(&self, _: &File, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_slow_flush_holds_up_nobody_who_reads_and_what_waits_is_bounded() {
    let dir = filled(5).await;
    let disk = Arc::new(SlowDisk::default());
    let options = Options {
        queue_bytes: 64 << 10,
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    store.settle().await;
    let keep = |n: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let path = format!("/slow/{n}");
            store.append(incoming(&path, &[b'x'; 4096])).await
        })
    };
    let first = keep(0);
    while disk.syncs.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // One flush is under way and does not end; reading goes on.
    assert_eq!(store.page(0, 10).unwrap().len(), 5);
    assert_eq!(store.delivery(3).unwrap().unwrap().request.path, "/2");
    let more: Vec<_> = (1..40).map(keep).collect();
    let mut busy = 0;
    let mut waiting = Vec::new();
    for task in more {
        // Those that are refused hear so at once; the others wait.
        tokio::task::yield_now().await;
        if task.is_finished() {
            busy += usize::from(task.await.unwrap() == Err(AppendError::Busy));
        } else {
            waiting.push(task);
        }
    }
    assert!(busy >= 20, "{busy} were refused of 39 with 4 KiB each");
    assert!(!first.is_finished());
    disk.let_through();
    first.await.unwrap().unwrap();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    let syncs = disk.syncs.load(Ordering::SeqCst);
    assert_eq!(syncs, 2, "what waited together shares one sync");
    store.settle().await;
    assert_eq!(store.count(), 5 + 40 - busy);
    store.close().await;
}

#[tokio::test]
async fn a_journal_that_is_gone_acknowledges_nothing() {
    type Break = fn(&Path);
    let breaks: [Break; 4] = [
        |folder| std::fs::remove_dir_all(folder.join("journal")).unwrap(),
        |folder| std::fs::remove_dir_all(folder).unwrap(),
        |folder| {
            let segment = std::fs::read_dir(folder.join("journal")).unwrap().next();
            std::fs::remove_file(segment.unwrap().unwrap().path()).unwrap();
        },
        |folder| {
            std::fs::rename(folder.join("journal"), folder.join("moved")).unwrap();
            std::fs::create_dir(folder.join("journal")).unwrap();
        },
    ];
    for (at, damage) in breaks.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("data");
        let (store, _) = open(&folder).await;
        store.append(incoming("/1", b"x")).await.unwrap();
        damage(&folder);
        let refused = store.append(incoming("/2", b"x")).await;
        assert!(
            matches!(refused, Err(AppendError::Disk(_))),
            "{at}: {refused:?}"
        );
        assert!(
            store
                .trouble()
                .unwrap()
                .contains("deleted, moved or replaced")
        );
        if at == 3 {
            // What is put back is used again.
            std::fs::remove_dir(folder.join("journal")).unwrap();
            std::fs::rename(folder.join("moved"), folder.join("journal")).unwrap();
            store.append(incoming("/3", b"x")).await.unwrap();
            assert_eq!(store.trouble(), None);
        }
        store.close().await;
    }
}

/// A disk that has no room.
struct NoRoom;

impl Disk for NoRoom {
    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space {
            free: 0,
            total: 1 << 30,
        })
    }
}

/// Returns the files below a folder with their contents.
fn contents(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_read_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path()).await;
    for n in 0..30 {
        store
            .append(incoming(&format!("/{n}"), &vec![n; 20_000]))
            .await
            .unwrap();
    }
    for seq in [3, 3, 4] {
        store.append_attempt(attempt(seq)).await.unwrap();
    }
    store.set_marked(&[7], true).await.unwrap();
    store.close().await;
    drop(store);
    // A record that was being written is not cut off either.
    let segment = &segments(dir.path())[0];
    let mut bytes = std::fs::read(segment).unwrap();
    bytes.extend(b"crl1 torn");
    std::fs::write(segment, bytes).unwrap();
    let before = contents(dir.path());
    let options = Options {
        or_read_only: true,
        disk: Arc::new(NoRoom),
        ..Options::default()
    };
    let (store, _) = open_with(dir.path(), &options).unwrap();
    store.settle().await;
    let rows = store.page(0, 100).unwrap();
    assert_eq!(rows.len(), 30);
    assert_eq!((rows[23].marked, rows[27].attempts), (true, 2));
    assert_eq!(store.attempts(3).unwrap().len(), 2);
    let found = store.find(&rows[0].id.to_string()).unwrap();
    let body = store.delivery(found).unwrap().unwrap().request.body;
    assert_eq!(body, vec![29; 20_000]);
    let refused = store.append(incoming("/new", b"")).await;
    assert!(
        matches!(refused, Err(AppendError::ReadOnly(_))),
        "{refused:?}"
    );
    assert!(store.set_marked(&[1], true).await.is_err());
    assert!(store.trouble().unwrap().contains("only read"));
    store.close().await;
    drop(store);
    assert_eq!(contents(dir.path()), before);
    // Where there is room again, all goes on.
    let (store, _) = open(dir.path()).await;
    assert_eq!(store.append(incoming("/new", b"")).await.unwrap().seq, 31);
    store.close().await;
}
