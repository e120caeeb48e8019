//! A store in a folder.
//!
//! Writing: a temporary name, the bytes, fsync, rename, fsync of the folder. A crash leaves either the whole
//! object or none, and at most a temporary file that the next opening sees to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::{Listed, Store, StoreError};

/// Where objects are while they are written.
const TEMPORARY: &str = "tmp";
/// A temporary file that nobody touched for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A store in a folder.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    pub(super) fn open(root: PathBuf) -> Result<Self, StoreError> {
        let store = LocalStore { root };
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
            io::ErrorKind::NotFound => StoreError::Missing { store, name },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { store, name },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                StoreError::Denied { store, action, name }
            }
            _ => StoreError::Failed { store, action, name, source },
        }
    }

    /// Makes a folder and those above it, each of them durable.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.make_folder(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        folder.parent().map_or(Ok(()), sync_folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.root.join(name);
        if target.exists() {
            return Ok(());
        }
        let temporary = self.root.join(TEMPORARY).join(Uuid::new_v4().to_string());
        let written = write_synced(&temporary, bytes).and_then(|()| {
            let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
            self.make_folder(folder)?;
            fs::rename(&temporary, &target)?;
            sync_folder(folder)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn walk(&self, folder: &Path, name: &str, out: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(last) = entry.file_name().into_string() else { continue };
            let name = format!("{name}{last}");
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => self.walk(&entry.path(), &format!("{name}/"), out)?,
                Ok(facts) if facts.is_file() => out.push(Listed { name, len: facts.len() }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Store for LocalStore {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(name, bytes).map_err(|error| self.error("write", name, error))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        fs::read(self.root.join(name)).map_err(|error| self.error("read", name, error))
    }

    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; len];
        File::open(self.root.join(name))
            .and_then(|file| file.read_exact_at(&mut bytes, offset))
            .map_err(|error| self.error("read", name, error))?;
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut out = Vec::new();
        self.walk(&self.root.join(prefix), prefix, &mut out)
            .map_err(|error| self.error("list", prefix, error))?;
        out.sort();
        Ok(out)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.root.join(name);
        let gone = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other,
        };
        gone.and_then(|()| path.parent().map_or(Ok(()), sync_folder))
            .map_err(|error| self.error("delete", name, error))
    }
}
