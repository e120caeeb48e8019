//! Counting what is left out. Folders are counted on a thread of their own, by `stat` alone, so that the walk
//! does not wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use undercroft_model::LeftOut;

use super::beneath::Root;
use super::facts::Facts;
use super::listing::Listing;

/// What was left out, by reason.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<String, Count>>);

/// Entries and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Entries of every kind.
    pub entries: u64,
    /// Bytes of the files among them.
    pub bytes: u64,
}

impl Tally {
    /// Adds what was left out for a reason.
    pub fn add(&self, reason: &str, count: Count) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = tally.entry(reason.to_owned()).or_default();
        sum.entries += count.entries;
        sum.bytes += count.bytes;
    }

    /// All of it, in byte order of the reasons.
    pub fn report(&self) -> Vec<LeftOut> {
        let tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(reason, count): (&String, &Count)| LeftOut {
            reason: reason.clone(),
            entries: count.entries,
            bytes: count.bytes,
        };
        tally.iter().map(line).collect()
    }
}

/// A folder to be counted.
struct Task {
    reason: String,
    path: Vec<u8>,
}

/// Counts folders.
pub struct Counter {
    send: Sender<Task>,
    thread: JoinHandle<()>,
}

impl Counter {
    /// Starts the thread; it ends early once `stop` is set.
    pub fn start(root: Arc<Root>, tally: Arc<Tally>, stop: Arc<AtomicBool>) -> std::io::Result<Self> {
        let (send, tasks): (_, Receiver<Task>) = bounded(1024);
        let thread = thread::Builder::new().name("files-count".to_owned()).spawn(move || {
            for task in tasks {
                tally.add(&task.reason, count_folder(&root, task.path, &stop));
            }
        })?;
        Ok(Counter { send, thread })
    }

    /// Has a folder counted, with all that is in it.
    pub fn folder(&self, reason: String, path: Vec<u8>) {
        // It fails only if the thread is gone, and then nothing waits for the sum.
        let _ = self.send.send(Task { reason, path });
    }

    /// Waits until all is counted.
    pub fn finish(self) {
        drop(self.send);
        let _ = self.thread.join();
    }
}

/// What can't be listed counts by its name only: it is left out anyway.
fn count_folder(root: &Root, path: Vec<u8>, stop: &AtomicBool) -> Count {
    let mut count = Count { entries: 1, bytes: 0 };
    let mut folders = vec![path];
    let mut buffer = Vec::new();
    while let Some(path) = folders.pop() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(folder) = root.folder(&path) else { continue };
        let (mut listing, _) = Listing::read(&folder, &mut buffer);
        while let Some((name, is_folder)) = listing.next() {
            count.entries += 1;
            if is_folder {
                folders.push([&path, &b"/"[..], name].concat());
            } else if let Ok(facts) = Facts::of_name(&folder, name) {
                count.bytes += facts.content();
            }
        }
    }
    count
}
