//! Power cuts, simulated: every write and sync of the journal is recorded;
//! then the files are made as a cut at some moment may leave them. What was
//! synced is there; of the rest anything may be there, missing, or in part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use creel::store::disk::{Disk, RealDisk, Space};
use creel::store::{Assess, Incoming, Options, Store};

use crate::support::deliveries::{Unknown, incoming};
use crate::support::random::Random;

/// How many cuts are tried.
const CUTS: u64 = 200;

/// What a disk is written in.
const SECTOR: usize = 512;

#[derive(Debug)]
enum Step {
    Create(u64, PathBuf),
    FolderSynced,
    Write(u64, u64, Vec<u8>),
    /// A sync of a file, and how many steps were done when it began.
    Synced(u64, usize),
    /// A sender was told that its delivery is kept.
    Answered(u64),
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Step>>);

impl Recorder {
    fn note(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }

    fn steps(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn number(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

impl Disk for Recorder {
    fn create(&self, path: &Path) -> io::Result<File> {
        let file = RealDisk.create(path)?;
        self.note(Step::Create(number(&file), path.to_owned()));
        Ok(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)?;
        self.note(Step::FolderSynced);
        Ok(())
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.note(Step::Write(number(file), offset, bytes.to_vec()));
        RealDisk.write(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let began = self.steps();
        RealDisk.sync(file)?;
        self.note(Step::Synced(number(file), began));
        Ok(())
    }

    fn prepare(&self, file: &File, from: u64, until: u64) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(until - from).unwrap()];
        self.write(file, &zeros, from)?;
        self.sync(file)
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space {
            free: 1 << 40,
            total: 1 << 40,
        })
    }
}

fn open(folder: &Path, disk: Arc<dyn Disk>) -> Store {
    let options = Options {
        segment_bytes: 128 << 10,
        disk,
        ..Options::default()
    };
    let assess: Arc<dyn Assess> = Arc::new(Unknown);
    match Store::open(folder, &options, &assess) {
        Ok((store, _)) => store,
        Err(error) => panic!("{error}"),
    }
}

fn body(name: u64) -> Vec<u8> {
    let mut random = Random::new(name);
    let size = random.below(5000);
    (0..size).map(|_| random.below(256) as u8).collect()
}

fn delivery(name: u64) -> Incoming {
    incoming(&format!("/{name}"), &body(name))
}

/// Keeps deliveries of several senders at once and returns what was done.
async fn record(home: &Path) -> Vec<Step> {
    let recorder = Arc::new(Recorder::default());
    let store = open(home, Arc::clone(&recorder) as Arc<dyn Disk>);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..12u64 {
        let (store, recorder) = (store.clone(), Arc::clone(&recorder));
        senders.spawn(async move {
            for n in 0..25 {
                let name = sender * 100 + n;
                store.append(delivery(name)).await.unwrap();
                recorder.note(Step::Answered(name));
            }
        });
    }
    senders.join_all().await;
    store.close().await;
    drop(store);
    Arc::into_inner(recorder).unwrap().0.into_inner().unwrap()
}

/// Makes the journal as a cut after `steps` may leave it; returns what was
/// answered until then.
fn cut(steps: &[Step], random: &mut Random, journal: &Path) -> BTreeSet<u64> {
    let mut answered = BTreeSet::new();
    let mut synced: BTreeMap<u64, usize> = BTreeMap::new();
    let mut named = 0;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Synced(file, began) => {
                synced.insert(*file, *began);
            }
            Step::FolderSynced => named = at,
            Step::Answered(name) => {
                answered.insert(*name);
            }
            Step::Create(..) | Step::Write(..) => {}
        }
    }
    let mut files: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut paths = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Create(file, path) if at < named || random.below(2) == 0 => {
                paths.insert(*file, path.file_name().unwrap().to_owned());
                files.insert(*file, Vec::new());
            }
            Step::Write(file, offset, bytes) => {
                let Some(content) = files.get_mut(file) else {
                    continue;
                };
                let safe = synced.get(file).is_some_and(|began| at < *began);
                let whole = random.below(3);
                for (sector, piece) in bytes.chunks(SECTOR).enumerate() {
                    // What was not synced is there, or not, sector by sector.
                    if !safe && (whole == 0 || whole == 1 && random.below(2) == 0) {
                        continue;
                    }
                    let from = usize::try_from(*offset).unwrap() + sector * SECTOR;
                    if content.len() < from + piece.len() {
                        content.resize(from + piece.len(), 0);
                    }
                    content[from..from + piece.len()].copy_from_slice(piece);
                }
            }
            _ => {}
        }
    }
    for (file, content) in files {
        std::fs::write(journal.join(&paths[&file]), content).unwrap();
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_lost_by_a_power_cut() {
    let home = tempfile::tempdir().unwrap();
    let steps = record(home.path()).await;
    let answers = steps
        .iter()
        .filter(|step| matches!(step, Step::Answered(_)))
        .count();
    assert_eq!(answers, 300);
    let mut lost_something = 0;
    for seed in 0..CUTS {
        let mut random = Random::new(seed);
        let until = random.below(steps.len() + 1);
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::create_dir(&journal).unwrap();
        std::fs::copy(home.path().join("format"), folder.path().join("format")).unwrap();
        let answered = cut(&steps[..until], &mut random, &journal);
        let store = open(folder.path(), Arc::new(RealDisk));
        store.settle().await;
        let mut kept = BTreeSet::new();
        for row in store.page(0, usize::MAX).unwrap() {
            let name: u64 = row.path[1..].parse().unwrap();
            assert!(kept.insert(name), "cut {seed}: {name} is there twice");
            let delivery = store.delivery(row.seq).unwrap().unwrap();
            assert!(
                delivery.request.body == body(name),
                "cut {seed}: {name} is altered"
            );
        }
        let missing: Vec<_> = answered.difference(&kept).collect();
        assert!(
            missing.is_empty(),
            "cut {seed} after {until} steps: {missing:?} were answered and are gone"
        );
        let written = steps[..until]
            .iter()
            .filter(|step| matches!(step, Step::Write(..)))
            .count();
        lost_something += usize::from(written > 0 && kept.len() < 300);
        // It goes on.
        store.append(delivery(9999)).await.unwrap();
        store.close().await;
    }
    assert!(lost_something > 100, "the cuts cut nothing");
}
