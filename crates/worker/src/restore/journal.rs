//! A restore's journal: what it is about to do, written down before it does it.
//!
//! A restore can be stopped at any point, by a power cut or a `kill -9`. The journal names everything that it makes
//! beside the live environment, and how far it is; whoever finds one whose program is gone goes back or forward from
//! there ([`recover`](super::recover())). It is removed last.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use undercroft_model::{EnvName, SiteName};
use uuid::Uuid;

use super::part::Staged;

/// The version that this release writes, and the newest that it reads.
const VERSION: u32 = 1;
/// How a journal's name ends while it is written.
const NEW: &str = "new";
/// How the name of the file ends that is locked as long as somebody works on a restore. The journal itself becomes
/// another file with each phase.
const LOCK: &str = "lock";

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Things are made beside the live environment, which is as it was.
    Preparing,
    /// What was prepared is made live; from here on it goes forward.
    Switching,
    /// A part could not be switched: those before it go back.
    SwitchingBack,
    /// All is live; what was there before is removed.
    Switched,
}

/// What a restore is about to do, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    version: u32,
    /// The restore's id, which is its job's.
    pub id: Uuid,
    /// The program that runs it.
    pub worker: Uuid,
    /// The site.
    pub site: Uuid,
    /// What the site is called.
    pub site_name: SiteName,
    /// The environment.
    pub env: EnvName,
    /// How far it is.
    pub phase: Phase,
    /// Its parts, in the order in which they are switched.
    pub parts: Vec<Staged>,
}

/// Why a journal can't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("{action} the journal {} failed", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds something else.
    #[error("the journal {} can't be understood: look into it before you remove it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A later release wrote it.
    #[error(
        "the journal {} was written by a later release (version {found}): run that one to end the restore",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// The part of a journal that every later version keeps.
#[derive(Deserialize)]
struct Front {
    version: u32,
}

/// A restore in hand: nobody else touches it until this value goes, or its program does.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

/// Takes a restore in hand by its journal's path, be there a journal or not yet. `None` if somebody else has it.
///
/// # Errors
/// [`JournalError::Io`] if the system refuses.
pub fn hold(path: &Path) -> Result<Option<Held>, JournalError> {
    let path = path.with_extension(LOCK);
    let fail = |source| JournalError::Io { action: "locking", path: path.clone(), source };
    loop {
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(fail)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            other => other.map_err(|error| fail(error.into()))?,
        }
        // Whoever held it before may have removed it, and somebody else locked another one since.
        let (mine, there) = (lock.metadata().map_err(fail)?, fs::metadata(&path));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())) {
            return Ok(Some(Held { _lock: lock }));
        }
    }
}

/// Whether somebody works on a restore, by its journal's path.
pub fn is_held(path: &Path) -> bool {
    match File::open(path.with_extension(LOCK)) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockShared).is_err(),
        // Whatever else is wrong, it must not be touched while somebody may work on it.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

impl Journal {
    /// The journal of a restore that has made nothing yet.
    pub fn new(id: Uuid, worker: Uuid, site: (Uuid, SiteName), env: EnvName) -> Self {
        let (site, site_name) = site;
        Journal {
            version: VERSION,
            id,
            worker,
            site,
            site_name,
            env,
            phase: Phase::Preparing,
            parts: Vec::new(),
        }
    }

    fn path(&self, folder: &Path) -> PathBuf {
        Journal::path_of(folder, self.id)
    }

    /// Where the journal of a restore is.
    pub fn path_of(folder: &Path, id: Uuid) -> PathBuf {
        folder.join(format!("{id}.json"))
    }

    /// Writes it down, durably, in place of what it said before.
    ///
    /// # Errors
    /// [`JournalError::Io`]; what it said before then still stands.
    pub fn save(&self, folder: &Path) -> Result<(), JournalError> {
        let path = self.path(folder);
        let fail = |source| JournalError::Io { action: "writing", path: path.clone(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| fail(error.into()))?;
        let new = path.with_extension(NEW);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
        let mut file = file.map_err(fail)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(fail)?;
        fs::rename(&new, &path).and_then(|()| sync(folder)).map_err(fail)
    }

    /// Says that it is in another phase, durably.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn enter(&mut self, phase: Phase, folder: &Path) -> Result<(), JournalError> {
        let before = std::mem::replace(&mut self.phase, phase);
        let saved = self.save(folder);
        if saved.is_err() {
            self.phase = before;
        }
        saved
    }

    /// Removes it: the restore is over.
    ///
    /// # Errors
    /// [`JournalError::Io`] if it can't be removed.
    pub fn remove(&self, folder: &Path) -> Result<(), JournalError> {
        let path = self.path(folder);
        // A phase that was being written down when the program was stopped.
        let _ = fs::remove_file(path.with_extension(NEW));
        match fs::remove_file(&path).and_then(|()| sync(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(JournalError::Io { action: "removing", path, source: error })
            }
            _ => {
                let _ = fs::remove_file(path.with_extension(LOCK));
                Ok(())
            }
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`JournalError`] if it can't be read, or understood.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let fail = |source| JournalError::Io { action: "reading", path: path.to_owned(), source };
        let text = fs::read(path).map_err(fail)?;
        let damaged = |source| JournalError::Damaged { path: path.to_owned(), source };
        let front: Front = serde_json::from_slice(&text).map_err(damaged)?;
        if front.version > VERSION {
            return Err(JournalError::Newer { path: path.to_owned(), found: front.version });
        }
        serde_json::from_slice(&text).map_err(damaged)
    }

    /// The files of all journals in a folder, which need not exist.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the folder can't be read.
    pub fn all(folder: &Path) -> Result<Vec<PathBuf>, JournalError> {
        let fail = |source| JournalError::Io { action: "looking for", path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(fail)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Removes journals that were being written for the first time when their programs were stopped, and so never said
/// anything. A best effort.
pub(super) fn forget_unfinished(folder: &Path, at_work: &BTreeSet<Uuid>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let id = path.file_stem().and_then(|name| Uuid::parse_str(name.to_str()?).ok());
        if path.extension().is_some_and(|extension| extension == NEW || extension == LOCK)
            && id.is_some_and(|id| !at_work.contains(&id))
            // Of one that said something before, another program may just be writing what comes next.
            && !path.with_extension("json").exists()
        {
            let _ = fs::remove_file(path);
        }
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        let site = (Uuid::nil(), "shop".parse().unwrap());
        Journal::new(Uuid::from_u128(7), Uuid::nil(), site, "live".parse().unwrap())
    }

    #[test]
    fn it_comes_back_as_it_was_saved_last() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal();
        journal.save(folder.path()).unwrap();
        journal.enter(Phase::Switching, folder.path()).unwrap();
        let all = Journal::all(folder.path()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(Journal::read(&all[0]).unwrap(), journal);
        journal.remove(folder.path()).unwrap();
        journal.remove(folder.path()).unwrap();
        assert!(Journal::all(folder.path()).unwrap().is_empty());
        assert!(Journal::all(Path::new("/nonexistent")).unwrap().is_empty());
    }

    #[test]
    fn what_was_not_written_to_its_end_goes() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal();
        journal.save(folder.path()).unwrap();
        let half = |id: Uuid| folder.path().join(format!("{id}.new"));
        fs::write(half(journal.id), "{").unwrap();
        journal.remove(folder.path()).unwrap();
        assert!(!half(journal.id).exists());
        let (at_work, gone) = (Uuid::from_u128(8), Uuid::from_u128(9));
        for id in [at_work, gone] {
            fs::write(half(id), "{").unwrap();
        }
        forget_unfinished(folder.path(), &BTreeSet::from([at_work]));
        assert!(half(at_work).exists() && !half(gone).exists());
    }

    #[test]
    fn one_restore_is_in_one_hand() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal();
        let path = journal.path(folder.path());
        assert!(!is_held(&path));
        let held = hold(&path).unwrap().unwrap();
        journal.save(folder.path()).unwrap();
        assert!(is_held(&path) && hold(&path).unwrap().is_none());
        let other = Journal::path_of(folder.path(), Uuid::from_u128(8));
        assert!(hold(&other).unwrap().is_some(), "another restore is another matter");
        drop(held);
        assert!(!is_held(&path));
        // The lock goes with the journal; whoever had it then holds nothing that is there.
        let held = hold(&path).unwrap().unwrap();
        journal.remove(folder.path()).unwrap();
        assert!(hold(&path).unwrap().is_some());
        drop(held);
        forget_unfinished(folder.path(), &BTreeSet::new());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_of_a_later_release_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        fs::write(&path, r#"{"version": 2, "what": "unknown"}"#).unwrap();
        assert!(matches!(Journal::read(&path), Err(JournalError::Newer { found: 2, .. })));
        fs::write(&path, "{").unwrap();
        assert!(matches!(Journal::read(&path), Err(JournalError::Damaged { .. })));
    }
}
