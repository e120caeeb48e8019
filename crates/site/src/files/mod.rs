//! A tree of files: the uploads, or code that is in no repository.
//!
//! A [`Tree`] walks a folder in the order that the vault wants, on a thread that runs ahead (`walk`), and opens
//! what the vault asks for (`open`). Nothing outside the folder is ever reached, whatever happens to it
//! meanwhile (`beneath`); what was left out is counted by reason (`leave`, `count`); what could not be read
//! is told by name. File systems that are mounted inside the folder belong to it.

mod beneath;
mod content;
mod count;
mod facts;
mod firsts;
mod handover;
pub(crate) mod leave;
mod links;
mod listing;
mod mounts;
mod open;
mod owners;
pub mod restore;
mod walk;
mod words;
mod xattrs;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use undercroft_model::{Cancelled, Element, FilesFacts, Observer};
use undercroft_vault::stream::{Entry, EntryKind, OpenError, Opened, TreeSource};

use beneath::Root;
use count::{Counter, Tally};
use facts::{Facts, Identity};
use firsts::Firsts;
use handover::Item;
pub use leave::Excludes;
use open::Opener;
use owners::Owners;
use walk::{Plan, Walk};
use words::why;

/// Which folder to capture, and what of it.
#[derive(Debug, Clone, Copy)]
pub struct TreeOptions<'a> {
    /// The folder; a symlink here is followed, and nowhere below.
    pub folder: &'a Path,
    /// For the observer.
    pub element: Element,
    /// What to leave out and count: patterns as `.gitignore` has them, anchored at the folder.
    pub exclude: &'a [String],
    /// Folders and files to leave out and tell by a note, wherever in the tree they turn up.
    pub skip: &'a [Skip<'a>],
}

/// Something that is no part of the tree, though it may lie inside.
#[derive(Debug, Clone, Copy)]
pub struct Skip<'a> {
    /// Its path; symlinks in it are followed. Nothing is skipped where there is nothing.
    pub path: &'a Path,
    /// What it is, for the note: `the files folder, which has its own archive`.
    pub what: &'a str,
}

/// Why a folder can't be captured.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It can't be opened.
    #[error("the folder {} can't be opened: {}", folder.display(), advice(source))]
    Open {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could be opened, but not listed, or went away meanwhile.
    #[error("the folder {} could not be read to its end: {}", folder.display(), advice(source))]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pattern can't be understood.
    #[error("the pattern \"{pattern}\" can't be understood: {why}; write it as in a .gitignore file")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        why: ignore::Error,
    },
    /// The folder is one of those that are to be skipped.
    #[error("the folder {} is left out of its own backup: it is {what}", folder.display())]
    Skipped {
        /// The folder.
        folder: PathBuf,
        /// What it is.
        what: String,
    },
    /// No thread could be started for the walk.
    #[error("no thread could be started to read the folder: {0}; try again when the machine is less busy")]
    Thread(#[source] io::Error),
    /// The walk's thread died.
    #[error("the walk of the folder {} broke off; this is a mistake in the program", .0.display())]
    BrokeOff(PathBuf),
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there; look whether it was moved, or is not mounted".to_owned(),
        io::ErrorKind::NotADirectory => "it is no folder".to_owned(),
        _ => why_of(error),
    }
}

fn why_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => why(io::Error::from_raw_os_error(code)),
        None => error.to_string(),
    }
}

/// So many batches of the walk may wait to be taken.
const AHEAD: usize = 8;
/// So often it is asked whether the job was cancelled while nothing comes.
const PATIENCE: Duration = Duration::from_millis(100);

/// A folder being captured.
pub struct Tree<'o> {
    observer: &'o dyn Observer,
    element: Element,
    folder: PathBuf,
    root: Arc<Root>,
    owners: Owners,
    firsts: Firsts,
    items: Receiver<Vec<Item>>,
    batch: std::vec::IntoIter<Item>,
    ended: bool,
    met: FilesFacts,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    /// Nothing is ever sent here; it closes when the walk's thread is done.
    done: Receiver<()>,
}

impl<'o> Tree<'o> {
    /// Opens the folder and begins to walk.
    ///
    /// # Errors
    /// [`FilesError`] if the folder can't be opened, or the options make no sense.
    pub fn open(options: TreeOptions<'_>, observer: &'o dyn Observer) -> Result<Self, FilesError> {
        let excludes = Excludes::new(options.exclude)?;
        let fail = |error: rustix::io::Errno| FilesError::Open {
            folder: options.folder.to_owned(),
            source: error.into(),
        };
        let root = Arc::new(Root::open(options.folder).map_err(fail)?);
        let skip = skips(&options, &Facts::of_open(&*root).map_err(fail)?)?;
        let (tally, stop) = (Arc::<Tally>::default(), Arc::<AtomicBool>::default());
        let counter = Counter::start(Arc::clone(&root), Arc::clone(&tally), Arc::clone(&stop))
            .map_err(FilesError::Thread)?;
        let plan = Plan { excludes, skip, tally: Arc::clone(&tally), counter };
        let (items, done) = start(&root, plan).map_err(FilesError::Thread)?;
        Ok(Tree {
            observer,
            element: options.element,
            folder: options.folder.to_owned(),
            root,
            owners: Owners::read(Path::new("/etc")),
            firsts: Firsts::default(),
            items,
            batch: Vec::new().into_iter(),
            ended: false,
            met: FilesFacts::default(),
            tally,
            stop,
            done,
        })
    }

    /// What the walk met and what was left out, once the walk is done; before, what it came to so far.
    ///
    /// Waits until what was left out is counted, or the job is cancelled. Entries, files and content are as
    /// they were met: the vault's [`TreeCounts`](undercroft_vault::tree::TreeCounts) say what the archive has.
    pub fn finish(self) -> FilesFacts {
        while self.ended && self.done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            if self.observer.cancelled() {
                break;
            }
        }
        FilesFacts { left_out: self.tally.report(), ..self.met.clone() }
    }

    /// Takes the next batch of the walk.
    fn receive(&mut self) -> io::Result<()> {
        loop {
            match self.items.recv_timeout(PATIENCE) {
                Ok(batch) => {
                    self.batch = batch.into_iter();
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) if self.observer.cancelled() => {
                    return Err(io::Error::other(Cancelled));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other(FilesError::BrokeOff(self.folder.clone())));
                }
            }
        }
    }

    fn count(&mut self, entry: &Entry) {
        self.met.entries += 1;
        if entry.kind == EntryKind::File {
            self.met.files += 1;
            self.met.content += entry.size;
        }
    }
}

impl TreeSource for Tree<'_> {
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        while !self.ended {
            match self.batch.next() {
                Some(Item::Entry(entry)) => {
                    self.count(&entry);
                    return Ok(Some(entry));
                }
                Some(Item::Remark(remark)) => self.observer.remark(self.element, remark),
                Some(Item::Failed(source)) => {
                    let folder = self.folder.clone();
                    return Err(io::Error::other(FilesError::Unreadable { folder, source }));
                }
                Some(Item::End) => self.ended = true,
                None => self.receive()?,
            }
        }
        Ok(None)
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Opened<'a>, OpenError> {
        let (observer, element) = (self.observer, self.element);
        Opener { root: &self.root, firsts: &self.firsts, observer, element }.open(entry)
    }

    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>) {
        (self.owners.user(uid).map(str::to_owned), self.owners.group(gid).map(str::to_owned))
    }
}

impl Drop for Tree<'_> {
    /// The threads end by themselves soon after: one that waits for a dead file server must not be waited for.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn start(root: &Arc<Root>, plan: Plan) -> io::Result<(Receiver<Vec<Item>>, Receiver<()>)> {
    let (send, items) = bounded(AHEAD);
    let (end, done): (Sender<()>, _) = bounded(0);
    let root = Arc::clone(root);
    thread::Builder::new().name("files-walk".to_owned()).spawn(move || {
        let _end = end;
        Walk::run(root, plan, send);
    })?;
    Ok((items, done))
}

/// What is to be skipped, by what it is: it may be reached by another path than its own.
fn skips(options: &TreeOptions<'_>, top: &Facts) -> Result<HashMap<Identity, String>, FilesError> {
    let mut skips = HashMap::new();
    for skip in options.skip {
        let Ok(facts) = Facts::of_path(skip.path) else { continue };
        if facts.identity() == top.identity() {
            return Err(FilesError::Skipped {
                folder: options.folder.to_owned(),
                what: skip.what.to_owned(),
            });
        }
        skips.insert(facts.identity(), skip.what.to_owned());
    }
    Ok(skips)
}

#[cfg(test)]
mod tests {
    use undercroft_model::{Remark, Silent};

    use super::*;

    struct Stopped;

    impl Observer for Stopped {
        fn doing(&self, _: Element, _: &str) {}
        fn expect(&self, _: Element, _: u64) {}
        fn advance(&self, _: Element, _: u64, _: u64) {}
        fn remark(&self, _: Element, _: Remark) {}
        fn cancelled(&self) -> bool {
            true
        }
    }

    /// A tree whose walk stands still, and what keeps it from being over.
    fn stuck(observer: &dyn Observer) -> (Tree<'_>, Sender<Vec<Item>>) {
        let folder = tempfile::tempdir().unwrap();
        let options = TreeOptions { folder: folder.path(), element: Element::Files, exclude: &[], skip: &[] };
        let mut tree = Tree::open(options, observer).unwrap();
        let (walk, items) = bounded(0);
        tree.items = items;
        (tree, walk)
    }

    #[test]
    fn a_cancelled_job_does_not_wait_for_a_walk_that_stands_still() {
        let (mut tree, _walk) = stuck(&Stopped);
        let error = tree.next_entry().unwrap_err();
        assert!(error.get_ref().is_some_and(|error| error.is::<Cancelled>()));
    }

    #[test]
    fn a_walk_that_breaks_off_is_no_end() {
        let (mut tree, walk) = stuck(&Silent);
        drop(walk);
        assert!(tree.next_entry().unwrap_err().to_string().contains("broke off"));
    }
}
