//! Laying a whole tree out: folders are made in order by one thread, what is in them by several.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{AtFlags, Mode, linkat, mkdirat};
use rustix::io::Errno;
use undercroft_model::{Cancelled, Element, Observer, Weight};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::{Entry, EntryKind, FileTime};
use undercroft_vault::tree::compare::Proofs;
use undercroft_vault::tree::take::{Run, Runs, Wanted, Xattrs};
use undercroft_vault::{Vault, VaultError};

use super::super::words::subject;
use super::error::PrepareError;
use super::ground::{Ground, above};
use super::hand::Hand;
use super::kept::Kept;
use super::made::Looks;
use super::tally::Tally;
use super::{Prepared, Sum};

/// So many runs may wait for each hand.
const AHEAD: usize = 8;
/// More hands than this gain nothing: the file system is the limit.
const HANDS: usize = 8;

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
    fn fail(&self, error: PrepareError) {
        self.stop.store(true, Ordering::Relaxed);
        lock(&self.error).get_or_insert(error);
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
    pub fn finish_folders(&self, stays: &HashSet<Vec<u8>>) -> Result<HashMap<Vec<u8>, Looks>, PrepareError> {
        let mut folders = std::mem::take(&mut *lock(&self.folders));
        folders.sort_unstable_by(|a, b| b.path.cmp(&a.path));
        let mut left = HashMap::new();
        for Folder { path, looks, xattrs } in folders {
            if stays.contains(&path) {
                left.insert(path, looks);
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

/// An archive that is laid out.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Where it is.
    pub vault: &'a Vault,
    /// What the vault has.
    pub index: &'a Arc<Index>,
    /// Which it is.
    pub archive: &'a ArchiveRecord,
    /// The safety backup, if there is one.
    pub now: Option<&'a ArchiveRecord>,
}

impl Source<'_> {
    /// A reader of an archive's list.
    pub fn manifest(&self, archive: &ArchiveRecord) -> Result<ManifestReader, VaultError> {
        ManifestReader::open(Fetcher::new(self.vault, Arc::clone(self.index)), &archive.manifest)
    }
}

/// A run for a hand: of each entry, whether it is proved to be the same in the safety backup.
struct Job {
    run: Run,
    proved: Vec<bool>,
}

/// What stays, by path.
pub struct Stays {
    paths: Wanted,
    above: HashSet<Vec<u8>>,
}

impl Stays {
    /// From the list of what stays.
    pub fn new(kept: &[Kept]) -> Self {
        let paths: Vec<_> = kept.iter().map(|kept| kept.path.clone()).collect();
        let above = paths.iter().flat_map(|path| above(path).map(<[u8]>::to_vec)).collect();
        Stays { paths: Wanted::these(&paths), above }
    }
}

/// Lays out all that is wanted of an archive, but the looks of folders.
pub fn lay_out(
    shared: &Shared<'_>,
    source: Source<'_>,
    wanted: Wanted,
    stays: &Stays,
) -> Result<(), PrepareError> {
    let mut links = one_pass(shared, source, wanted, stays, HashMap::new())?;
    let mut names: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    while !links.is_empty() {
        let (mut left, mut missing) = (Vec::new(), HashMap::new());
        for (path, target) in links {
            let first = names.get(&target);
            let known = first.is_some() || !stays.paths.holds(&target);
            if known && link(shared, first.unwrap_or(&target), &path)? {
                continue;
            }
            match missing.contains_key(&target) {
                true => left.push((path, target)),
                false => drop(missing.insert(target, path)),
            }
        }
        links = left;
        if missing.is_empty() {
            continue;
        }
        // Their first names are not restored: one of the others takes their place.
        let targets: Vec<_> = missing.keys().cloned().collect();
        one_pass(shared, source, Wanted::these(&targets), &Stays::new(&[]), missing.clone())?;
        for path in missing.values() {
            if shared.tree.inode(path).is_ok_and(|found| found.is_none()) {
                return Err(shared.nonsense(path, "is another name of what is not in it"));
            }
        }
        names.extend(missing);
    }
    Ok(())
}

/// Makes another name; false if that can't be, or there is nothing to give it to.
fn link(shared: &Shared<'_>, first: &[u8], path: &[u8]) -> Result<bool, PrepareError> {
    let failed = |error| shared.failed(path, "link it", error);
    let to = shared.tree.spot(path).map_err(failed)?;
    let from = match shared.tree.spot(first) {
        Ok(from) => from,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    let linked = linkat(&from.folder, from.name.as_slice(), &to.folder, to.name.as_slice(), AtFlags::empty());
    match linked {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::MLINK | Errno::PERM | Errno::NOTSUP) => Ok(false),
        Err(Errno::EXIST) => Err(shared.nonsense(path, "stands in it twice")),
        Err(error) => Err(failed(error)),
    }
}

/// Other names of files: the name and the first one.
type Links = Vec<(Vec<u8>, Vec<u8>)>;

/// Lays out what is wanted but the other names of files, which it gives. With `names`, files alone, under these names.
fn one_pass(
    shared: &Shared<'_>,
    source: Source<'_>,
    wanted: Wanted,
    stays: &Stays,
    names: HashMap<Vec<u8>, Vec<u8>>,
) -> Result<Links, PrepareError> {
    let runs = Runs::open(source.manifest(source.archive)?, wanted)?;
    let now = source.now.filter(|_| names.is_empty() && shared.live.is_some());
    let proofs = now.map(|now| Proofs::new(source.manifest(now)?)).transpose()?;
    let mut feed = Feed { shared, runs, proofs, stays, renamed: !names.is_empty(), links: Links::new() };
    let hands = thread::available_parallelism().map_or(2, usize::from).clamp(2, HANDS);
    thread::scope(|scope| {
        let (send, jobs) = bounded(AHEAD * hands);
        let mut threads = Vec::new();
        for _ in 0..hands {
            let (jobs, names) = (jobs.clone(), names.clone());
            threads.push(scope.spawn(move || work(shared, source, &jobs, names)));
        }
        drop(jobs);
        if let Err(error) = feed.all(send) {
            shared.fail(error);
        }
        for thread in threads {
            if thread.join().is_err() {
                shared.fail(PrepareError::Panicked);
            }
        }
    });
    // Hands that stopped for it say less.
    if shared.observer.cancelled() {
        return Err(Cancelled.into());
    }
    if let Some(error) = lock(&shared.error).take() {
        return Err(error);
    }
    Ok(feed.links)
}

/// A hand at work.
fn work(shared: &Shared<'_>, source: Source<'_>, jobs: &Receiver<Job>, names: HashMap<Vec<u8>, Vec<u8>>) {
    let mut hand = Hand::new(shared, names);
    let mut fetcher = Fetcher::new(source.vault, Arc::clone(source.index));
    for job in jobs {
        if shared.stopped() {
            return;
        }
        if let Err(error) = job.lay(&mut hand, &mut fetcher) {
            shared.fail(error);
            return;
        }
    }
}

impl Job {
    fn lay(self, hand: &mut Hand<'_>, fetcher: &mut Fetcher) -> Result<(), PrepareError> {
        let Job { mut run, proved } = self;
        let mut entries = Vec::with_capacity(run.entries.len());
        for (entry, proved) in std::mem::take(&mut run.entries).into_iter().zip(proved) {
            if !(proved && hand.link_proved(&entry.entry)?) {
                entries.push(entry);
            }
        }
        run.entries = entries;
        run.take(fetcher, hand)
    }
}

/// Reads the archive's list, makes folders, and gives the rest to the hands.
struct Feed<'f, 's> {
    shared: &'f Shared<'s>,
    runs: Runs,
    proofs: Option<Proofs>,
    stays: &'f Stays,
    renamed: bool,
    links: Links,
}

impl Feed<'_, '_> {
    fn all(&mut self, send: Sender<Job>) -> Result<(), PrepareError> {
        while let Some(mut run) = self.runs.next_run()? {
            if self.shared.stopped() {
                return Ok(());
            }
            let proved = match &mut self.proofs {
                Some(proofs) => proofs.of(&run)?,
                None => vec![false; run.entries.len()],
            };
            let mut wanted = Vec::with_capacity(run.entries.len());
            let mut proved_of_them = Vec::with_capacity(run.entries.len());
            for (entry, proved) in std::mem::take(&mut run.entries).into_iter().zip(proved) {
                if self.meet(&entry.entry)? {
                    wanted.push(entry);
                    proved_of_them.push(proved);
                }
            }
            run.entries = wanted;
            // All hands are gone: one of them says why.
            if send.send(Job { run, proved: proved_of_them }).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes folders, and keeps links for later; whether the entry is for the hands.
    fn meet(&mut self, entry: &Entry) -> Result<bool, PrepareError> {
        let path = &entry.path;
        if !is_path(path) {
            return Err(self.shared.nonsense(path, "is no path"));
        }
        if self.renamed {
            return Ok(entry.kind == EntryKind::File);
        }
        if self.stays.paths.holds(path) {
            return Ok(false);
        }
        match &entry.kind {
            EntryKind::Folder => self.make(path).map(|()| true),
            _ if self.stays.above.contains(path) => {
                let text = "is not restored: something that stays is in the folder of that name";
                self.shared.tally.add(Weight::Lost, text, path);
                Ok(false)
            }
            EntryKind::HardLink { target } => {
                self.links.push((path.clone(), target.clone()));
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    fn make(&self, path: &[u8]) -> Result<(), PrepareError> {
        if path.is_empty() {
            return Ok(());
        }
        let spot = self.shared.tree.spot(path);
        let made = spot.and_then(|spot| mkdirat(&spot.folder, spot.name.as_slice(), Mode::RWXU));
        match made {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(self.shared.nonsense(path, "stands in it twice")),
            Err(error) => Err(self.shared.failed(path, "make the folder", error)),
        }
    }
}

/// Whether bytes are a path below a folder; the empty one is the folder itself.
pub fn is_path(path: &[u8]) -> bool {
    let is_name = |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
    path.is_empty() || path.split(|byte| *byte == b'/').all(is_name)
}
