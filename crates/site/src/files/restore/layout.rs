//! Laying a whole tree out: folders are made in order by one thread, what is in them by several.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::fs::{AtFlags, Mode, linkat, mkdirat};
use rustix::io::Errno;
use undercroft_model::{Cancelled, Remark, Weight};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::{Entry, EntryKind};
use undercroft_vault::tree::compare::Proofs;
use undercroft_vault::tree::take::{Run, Runs, Wanted};
use undercroft_vault::{Vault, VaultError};

use super::super::leave::Excludes;
use super::super::words::subject;
use super::HELD_BACK;
use super::error::PrepareError;
use super::ground::above;
use super::hand::Hand;
use super::kept::Kept;
use super::shared::Shared;

/// So many runs may wait for each hand.
const AHEAD: usize = 8;
/// More hands than this gain nothing: the file system is the limit.
const HANDS: usize = 8;

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
    sockets: HashSet<Vec<u8>>,
    /// What is not laid out, even where nothing is.
    protected: Option<Excludes>,
}

impl Stays {
    /// From the list of what stays.
    pub fn new(kept: &[Kept]) -> Self {
        let paths: Vec<_> = kept.iter().map(|kept| kept.path.clone()).collect();
        let above = paths.iter().flat_map(|path| above(path).map(<[u8]>::to_vec)).collect();
        let sockets = kept.iter().filter(|kept| kept.socket).map(|kept| kept.path.clone()).collect();
        Stays { paths: Wanted::these(&paths), above, sockets, protected: None }
    }

    /// With what is not laid out, even where nothing is.
    pub fn without(self, protected: Excludes) -> Self {
        Stays { protected: Some(protected), ..self }
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
            if shared.is_lost(first.unwrap_or(&target)) {
                let text = "is another name of what is damaged in the vault, and did not come back";
                shared.tally.add(Weight::Lost, text, &path);
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
            let is_there = shared.tree.inode(path).is_ok_and(|found| found.is_some());
            if !is_there && !shared.is_lost(path) {
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
    let mut feed = Feed {
        shared,
        runs,
        proofs,
        stays,
        renamed: !names.is_empty(),
        links: Links::new(),
        held_back: None,
    };
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
    if let Some(error) = shared.error() {
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
    /// What was held back last.
    held_back: Option<Vec<u8>>,
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
            if self.stays.sockets.contains(path) {
                let text = "is not restored: a socket is in its place; end the program that it is of, and restore again";
                self.shared.tally.add(Weight::Lost, text, path);
            }
            return Ok(false);
        }
        let folder = entry.kind == EntryKind::Folder;
        if self.stays.protected.as_ref().is_some_and(|protected| protected.names(path, folder)) {
            if is_topmost(&mut self.held_back, path) {
                let remark = Remark::note(subject(path), HELD_BACK);
                self.shared.observer.remark(self.shared.element, remark);
            }
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

/// Whether a path that is held back is in no folder that is; `last` is the one that was told last.
pub fn is_topmost(last: &mut Option<Vec<u8>>, path: &[u8]) -> bool {
    let above = last.as_deref().and_then(|last| path.strip_prefix(last));
    let is_inside = above.is_some_and(|rest| rest.starts_with(b"/"));
    if !is_inside {
        *last = Some(path.to_vec());
    }
    !is_inside
}

/// Whether bytes are a path below a folder; the empty one is the folder itself.
pub fn is_path(path: &[u8]) -> bool {
    let is_name = |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
    path.is_empty() || path.split(|byte| *byte == b'/').all(is_name)
}
