//! What all threads that lay a tree out share.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use undercroft_model::{Element, Observer};
use undercroft_vault::stream::{Entry, EntryKind, FileTime};
use undercroft_vault::tree::take::Xattrs;

use super::super::words::subject;
use super::error::PrepareError;
use super::ground::Ground;
use super::made::Looks;
use super::tally::Tally;
use super::{Prepared, Sum};

/// A folder that was made, and how it is to look once all is in it.
#[derive(Debug)]
pub struct Folder {
    /// Its path.
    pub path: Vec<u8>,
    /// Owner, permissions, time.
    pub looks: Looks,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// How folders are to look, and their extended attributes, by path.
pub type Dress = HashMap<Vec<u8>, (Looks, Xattrs)>;

/// What all hands share.
pub struct Shared<'s> {
    /// The tree that is laid out.
    pub tree: Ground,
    /// The live tree, if there is one.
    pub live: Option<Ground>,
    /// When the safety backup's walk began, if there is one.
    pub captured: Option<FileTime>,
    /// What could not be made as it was.
    pub tally: Tally,
    /// Where it all is, for messages.
    pub stage: &'s Path,
    /// For the observer.
    pub element: Element,
    /// Who watches.
    pub observer: &'s dyn Observer,
    /// Whether to go on without what is damaged in the vault.
    pub goes_on: bool,
    lost: Mutex<HashSet<Vec<u8>>>,
    folders: Mutex<Vec<Folder>>,
    counts: Counts,
    error: Mutex<Option<PrepareError>>,
    stop: AtomicBool,
}

#[derive(Default)]
struct Counts {
    linked: (AtomicU64, AtomicU64),
    written: (AtomicU64, AtomicU64),
    other: AtomicU64,
}

impl<'s> Shared<'s> {
    /// Nothing laid out yet.
    pub fn new(
        tree: Ground,
        live: Option<Ground>,
        stage: &'s Path,
        element: Element,
        observer: &'s dyn Observer,
    ) -> Self {
        Shared {
            tree,
            live,
            captured: None,
            tally: Tally::default(),
            stage,
            element,
            observer,
            goes_on: false,
            lost: Mutex::default(),
            folders: Mutex::default(),
            counts: Counts::default(),
            error: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Whether hands are to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.observer.cancelled()
    }

    /// A file was linked.
    pub fn linked(&self, entry: &Entry) {
        self.counts.linked.0.fetch_add(1, Ordering::Relaxed);
        self.counts.linked.1.fetch_add(entry.size, Ordering::Relaxed);
        self.observer.advance(self.element, 0, entry.size);
    }

    /// Something was written.
    pub fn written(&self, entry: &Entry) {
        if entry.kind != EntryKind::File {
            self.counts.other.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.counts.written.0.fetch_add(1, Ordering::Relaxed);
        self.counts.written.1.fetch_add(entry.size, Ordering::Relaxed);
        self.observer.advance(self.element, entry.size, 0);
    }

    /// A folder was made, and is to look so in the end.
    pub fn folder(&self, folder: Folder) {
        self.counts.other.fetch_add(1, Ordering::Relaxed);
        lock(&self.folders).push(folder);
    }

    /// A file could not be had from the vault.
    pub fn lost(&self, path: Vec<u8>) {
        lock(&self.lost).insert(path);
    }

    /// Whether a file could not be had.
    pub fn is_lost(&self, path: &[u8]) -> bool {
        lock(&self.lost).contains(path)
    }

    /// Something failed with a path.
    pub fn failed(
        &self,
        path: &[u8],
        action: &'static str,
        error: impl Into<std::io::Error>,
    ) -> PrepareError {
        PrepareError::failed(path, self.stage, action, error.into())
    }

    /// The archive contradicts itself.
    pub fn nonsense(&self, path: &[u8], what: &'static str) -> PrepareError {
        PrepareError::Nonsense { path: subject(path), what }
    }

    /// Keeps the first error, and stops the others.
    pub fn fail(&self, error: PrepareError) {
        self.stop.store(true, Ordering::Relaxed);
        lock(&self.error).get_or_insert(error);
    }

    /// The first error.
    pub fn error(&self) -> Option<PrepareError> {
        lock(&self.error).take()
    }

    /// What was done.
    pub fn prepared(&self) -> Prepared {
        let sum = |pair: &(AtomicU64, AtomicU64)| Sum {
            entries: pair.0.load(Ordering::Relaxed),
            bytes: pair.1.load(Ordering::Relaxed),
        };
        let (linked, written) = (sum(&self.counts.linked), sum(&self.counts.written));
        let entries = Sum {
            entries: linked.entries + written.entries + self.counts.other.load(Ordering::Relaxed),
            bytes: linked.bytes + written.bytes,
        };
        Prepared { entries, linked, written, kept: 0 }
    }

    /// Gives all folders their looks, the deepest first: a folder may forbid to reach what is in it. Gives those that
    /// are named in `stays`, whose looks are not set.
    pub fn finish_folders(&self, stays: &HashSet<Vec<u8>>) -> Result<Dress, PrepareError> {
        let mut folders = std::mem::take(&mut *lock(&self.folders));
        folders.sort_unstable_by(|a, b| b.path.cmp(&a.path));
        let mut left = HashMap::new();
        for Folder { path, looks, xattrs } in folders {
            if stays.contains(&path) {
                left.insert(path, (looks, xattrs));
                continue;
            }
            let set = self.tree.folder(&path).and_then(|fd| looks.set(fd, &xattrs, &path, &self.tally));
            set.map_err(|error| self.failed(&path, "set its owner, permissions and time", error))?;
        }
        Ok(left)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
