//! Damaged files: noticed, named, saved from; never silently less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use creel::store::{Assess, OpenError, Options, ReadError, Store, repair};

use crate::support::deliveries::{Unknown, incoming};
use crate::support::random::Random;

/// How many deliveries the store holds.
const KEPT: u64 = 60;

/// How long opening may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn open(folder: &Path) -> Result<Store, OpenError> {
    let options = Options {
        segment_bytes: 8 << 10,
        ..Options::default()
    };
    let assess: Arc<dyn Assess> = Arc::new(Unknown);
    Store::open(folder, &options, &assess).map(|(store, _)| store)
}

fn body(seq: u64) -> Vec<u8> {
    let mut random = Random::new(seq);
    (0..200 + seq * 13)
        .map(|_| random.below(256) as u8)
        .collect()
}

/// Fills a store and closes it.
async fn filled(folder: &Path) {
    let store = open(folder).unwrap();
    for seq in 1..=KEPT {
        let incoming = incoming(&format!("/{seq}"), &body(seq));
        store.append(incoming).await.unwrap();
        if seq % 20 == 0 {
            store.set_marked(&[seq], true).await.unwrap();
        }
    }
    store.settle().await;
    store.close().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Lists the files below a folder that is one of `folders`, with their contents.
fn files(folder: &Path, folders: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && folders.iter().any(|wanted| name.starts_with(wanted)) {
            for entry in std::fs::read_dir(&path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    found.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

/// Damages a file, or two, and says how.
fn damage(random: &mut Random, files: &BTreeMap<PathBuf, Vec<u8>>) -> String {
    const PAGE: usize = 512;
    let paths: Vec<&PathBuf> = files
        .keys()
        .filter(|path| !files[*path].is_empty())
        .collect();
    let path = paths[random.below(paths.len())];
    let mut bytes = files[path].clone();
    let at = random.below(bytes.len());
    let what = match random.below(7) {
        0 | 1 => {
            bytes[at] ^= 1 << random.below(8);
            format!("bit flipped at {at}")
        }
        2 => {
            let end = (at + PAGE).min(bytes.len());
            bytes[at..end].fill(0);
            format!("zeros from {at}")
        }
        3 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        4 => {
            let end = (at + PAGE).min(bytes.len());
            for byte in &mut bytes[at..end] {
                *byte = random.below(256) as u8;
            }
            format!("noise from {at}")
        }
        5 => {
            std::fs::remove_file(path).unwrap();
            return format!("{} removed", path.display());
        }
        _ => {
            let other = paths[random.below(paths.len())];
            std::fs::write(path, &files[other]).unwrap();
            std::fs::write(other, &files[path]).unwrap();
            return format!("{} and {} swapped", path.display(), other.display());
        }
    };
    std::fs::write(path, bytes).unwrap();
    format!("{} {what}", path.display())
}

/// Opens a damaged store and looks what is there.
async fn look(folder: PathBuf) -> Result<(), String> {
    let before = files(&folder, &["journal"]);
    let store = match open(&folder) {
        Ok(store) => store,
        Err(OpenError::Damaged(damage)) => {
            return saved(&folder, &before, &damage.to_string()).await;
        }
        Err(error) => return Err(format!("not opened: {error}")),
    };
    store.settle().await;
    let rows = store
        .page(0, usize::MAX)
        .map_err(|error| error.to_string())?;
    let mut seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    seqs.reverse();
    if seqs != (1..=KEPT).collect::<Vec<u64>>() {
        return Err(format!("opened, and lists {seqs:?}"));
    }
    let mut hurt = 0;
    for row in rows {
        if row.marked != (row.seq % 20 == 0) {
            return Err(format!("{} has lost its mark", row.seq));
        }
        match store.delivery(row.seq) {
            Ok(Some(delivery)) if delivery.request.body == body(row.seq) => {}
            Err(ReadError::Damaged(_)) => hurt += 1,
            other => return Err(format!("{} gives {other:?}", row.seq)),
        }
    }
    store.close().await;
    drop(store);
    if hurt > 0 {
        let before = files(&folder, &["journal"]);
        return saved(&folder, &before, "").await;
    }
    Ok(())
}

/// Repairs a damaged store and looks whether all that is not named is saved.
async fn saved(
    folder: &Path,
    before: &BTreeMap<PathBuf, Vec<u8>>,
    said: &str,
) -> Result<(), String> {
    let to = folder.join("repaired");
    let repaired = repair(folder, &to, &mut |_, _| {}).map_err(|error| error.to_string())?;
    if files(folder, &["journal"]) != *before {
        return Err("the damaged original was changed".to_owned());
    }
    let store = open(&to).map_err(|error| format!("the copy: {error}"))?;
    store.settle().await;
    let mut there = Vec::new();
    for row in store
        .page(0, usize::MAX)
        .map_err(|error| error.to_string())?
    {
        let delivery = store.delivery(row.seq).ok().flatten();
        if delivery.is_none_or(|delivery| delivery.request.body != body(row.seq)) {
            return Err(format!("{} is damaged in the copy", row.seq));
        }
        there.push(row.seq);
    }
    store.close().await;
    let damage = repaired.damage;
    if there.len() as u64 != damage.readable {
        return Err(format!(
            "{} were said to be copied: {there:?}",
            damage.readable
        ));
    }
    let named = |seq: &u64| damage.deliveries.iter().any(|(a, b)| a <= seq && seq <= b);
    // What was cut off the journal's end is known to the index alone.
    let newest = there.iter().max().copied().unwrap_or(0);
    let cut = said.contains(&format!("{KEPT}"));
    for seq in 1..=KEPT {
        let there = there.contains(&seq);
        let accounted = there || named(&seq) || (cut && seq > newest);
        if !accounted || (there && named(&seq)) {
            return Err(format!(
                "{seq}: in the copy {there}, said {damage} and {said}"
            ));
        }
    }
    Ok(())
}

/// Damages copies of a store in so many ways.
fn try_all(seeds: std::ops::Range<u64>, folders: &'static [&'static str]) {
    let home = tempfile::tempdir().unwrap();
    let original = home.path().join("original");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(filled(&original));
    let mut wrong = Vec::new();
    for seed in seeds {
        let folder = home.path().join(seed.to_string());
        copy(&original, &folder);
        let what = damage(&mut Random::new(seed), &files(&folder, folders));
        let (done, looked) = mpsc::channel();
        let path = folder.clone();
        runtime.spawn(async move { done.send(tokio::spawn(look(path)).await) });
        let outcome = match looked.recv_timeout(2 * PATIENCE) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(format!("panicked: {panic}")),
            Err(_) => Err("hangs".to_owned()),
        };
        if let Err(why) = outcome {
            wrong.push(format!("seed {seed}: {what}: {why}"));
        }
        let _ = std::fs::remove_dir_all(folder);
    }
    runtime.shutdown_background();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_damaged_journal_is_noticed_and_saved_from() {
    try_all(0..250, &["journal"]);
}

#[test]
fn a_damaged_index_is_made_anew() {
    try_all(250..500, &["index"]);
}
