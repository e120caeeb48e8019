//! A store in a folder.
//!
//! Writing: a temporary name, the bytes, fsync, a link under the object's name, fsync of the folder. A link, unlike
//! a rename, never replaces: of two that write one object, the first wins. A crash leaves either the whole object
//! or none, and at most a temporary file, which a later opening removes.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::direct::Buffers;
use super::{Listed, Store, StoreError};

/// Where objects are while they are written.
const TEMPORARY: &str = "tmp";
/// Folders so deep below the store's own stay when they are empty: `vaults`, a vault's, and that of its packs.
const LASTING: usize = 3;
/// So often a folder is made again that went while something was put there.
const TRIES: usize = 100;
/// A temporary file that nobody touched for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A store in a folder.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// Folders whose own names are known to be durable.
    durable: Mutex<HashSet<PathBuf>>,
    buffers: Buffers,
}

impl LocalStore {
    pub(super) fn open(root: PathBuf) -> Result<Self, StoreError> {
        let store = LocalStore { root, durable: Mutex::default(), buffers: Buffers::default() };
        let temporary = store.root.join(TEMPORARY);
        store.make_folder(&temporary).map_err(|error| store.error("open", "its folder", error))?;
        store.remove_abandoned(&temporary);
        Ok(store)
    }

    /// A best effort: what can't be removed now is left for the next time.
    fn remove_abandoned(&self, temporary: &Path) {
        let Ok(entries) = fs::read_dir(temporary) else { return };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|m| m.modified());
            let age = modified.ok().and_then(|m| SystemTime::now().duration_since(m).ok());
            if age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn error(&self, action: &'static str, name: &str, source: io::Error) -> StoreError {
        let (store, name) = (self.root.display().to_string(), name.to_owned());
        match source.kind() {
            io::ErrorKind::NotFound if action == "read" => StoreError::Missing { store, name },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { store, name },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::Denied { store, action, name }
            }
            _ => StoreError::Failed { store, action, name, source },
        }
    }

    /// Makes a folder and those above it, each of them durable. One that is there may have been made a moment
    /// ago by somebody who is not done with it: it is seen to once.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let durable = || self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let there = folder.is_dir();
        let known = durable().contains(folder) && !self.may_go(folder);
        if there && (known || !folder.starts_with(&self.root)) {
            return Ok(());
        }
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            self.make_folder(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(parent) = parent
            && !(there && folder == self.root)
        {
            sync_folder(parent)?;
        }
        durable().insert(folder.to_owned());
        Ok(())
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && part.bytes().all(is_plain) && !part.starts_with('.');
        if name.split('/').all(plain) && name.split('/').next() != Some(TEMPORARY) {
            return Ok(self.root.join(name));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a name that objects may have"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.path(name)?;
        let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        self.make_folder(folder)?;
        if target.exists() {
            // Who wrote it may not have come to this yet.
            return sync_folder(folder);
        }
        let temporary = self.root.join(TEMPORARY);
        self.make_folder(&temporary)?;
        let temporary = temporary.join(Uuid::new_v4().to_string());
        let written = self.write_synced(&temporary, bytes).and_then(|()| {
            self.place_in(folder, &temporary, &target)?;
            sync_folder(folder)
        });
        // A rename has taken it away already; what can't be removed now is abandoned.
        let _ = fs::remove_file(&temporary);
        written
    }

    /// Gives a finished file its name in a folder, which somebody may remove at this moment because it is empty.
    fn place_in(&self, folder: &Path, temporary: &Path, target: &Path) -> io::Result<()> {
        for _ in 0..TRIES {
            match place(temporary, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.may_go(folder) => {
                    self.make_folder(folder)?;
                }
                other => return other,
            }
        }
        place(temporary, target)
    }

    /// Whether a folder goes when it is empty: one that is of one thing among many, as that of a backup's marks.
    fn may_go(&self, folder: &Path) -> bool {
        folder.strip_prefix(&self.root).is_ok_and(|below| below.components().count() > LASTING)
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let front = self.buffers.write_front(path, bytes)?;
        file.write_all_at(bytes.get(front..).unwrap_or_default(), front as u64)?;
        file.sync_all()
    }

    fn walk(&self, folder: &Path, name: &str, out: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(last) = entry.file_name().into_string() else { continue };
            if name.is_empty() && last == TEMPORARY {
                continue;
            }
            let name = format!("{name}{last}");
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => self.walk(&entry.path(), &format!("{name}/"), out)?,
                Ok(facts) if facts.is_file() => {
                    out.push(Listed { name, len: facts.len(), modified: facts.modified().ok() });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// Gives a finished file its name, unless something has that name already.
fn place(temporary: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without links: its objects' names are random but for the first ones of a vault.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
        {
            if target.exists() {
                Ok(())
            } else {
                fs::rename(temporary, target)
            }
        }
        other => other,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Store for LocalStore {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(name, bytes).map_err(|error| self.error("write", name, error))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.path(name).and_then(fs::read).map_err(|error| self.error("read", name, error))
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        self.path(name)
            .and_then(File::open)
            .and_then(|file| {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            })
            .map_err(|error| self.error("read", name, error))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut out = Vec::new();
        self.walk(&self.root.join(prefix), prefix, &mut out)
            .map_err(|error| self.error("list", prefix, error))?;
        out.sort();
        Ok(out)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let gone = self.path(name).and_then(|path| {
            fs::remove_file(&path)?;
            let Some(folder) = path.parent() else { return Ok(()) };
            match sync_folder(folder) {
                // Another one has removed the last object of the folder, and the folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.may_go(folder) => return Ok(()),
                other => other?,
            }
            if self.may_go(folder) {
                // Not if there is something in it; and whoever puts something there makes it again.
                let _ = fs::remove_dir(folder);
            }
            Ok(())
        });
        match gone {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| self.error("delete", name, error)),
        }
    }
}
