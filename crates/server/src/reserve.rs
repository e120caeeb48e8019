//! Room that is set aside in the data folder for the day on which its disk is full: what frees space needs a little
//! of it first, for the catalog, for a mark, for a sweep's notice.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use undercroft_vault::keys::random;

use crate::data::{DataError, DataFolder};

/// So many bytes are set aside.
const RESERVE: u64 = 4 << 20;
/// With less than this a disk is full.
const FULL: u64 = 1 << 20;
/// So much stays free beside the reserve where it is made in passing.
pub(crate) const PLENTY: u64 = RESERVE;
/// So much has to stay free beside it where the disk is about to be written to: what the catalog needs to say that it
/// became full.
pub(crate) const LITTLE: u64 = 256 << 10;

impl DataFolder {
    fn reserve(&self) -> PathBuf {
        self.root().join("reserve")
    }

    /// Sets the reserve aside, if it isn't yet, and if so many bytes stay free beside it. Whoever is about to fill the
    /// disk does so first.
    ///
    /// # Errors
    /// [`DataError::Full`] if there is no room for it.
    pub(crate) fn keep_reserve(&self, beside: u64) -> Result<(), DataError> {
        let path = self.reserve();
        if fs::metadata(&path).is_ok_and(|facts| facts.len() == RESERVE) {
            return Ok(());
        }
        let full = || DataError::Full { path: self.root().to_owned() };
        if free(self.root()).is_some_and(|free| free < RESERVE + beside) {
            return Err(full());
        }
        let made = write(&path);
        if made.is_err() {
            let _ = fs::remove_file(&path);
        }
        match made {
            Err(error) if is_full(&error) => Err(full()),
            // What else is wrong with the data folder is told by whatever needs more of it than this.
            _ => Ok(()),
        }
    }

    /// Lets the reserve go if the disk is full.
    pub(crate) fn use_reserve_if_full(&self) {
        if free(self.root()).is_some_and(|free| free < FULL) {
            self.use_reserve();
        }
    }

    /// Lets the reserve go. Says whether there was one.
    pub(crate) fn use_reserve(&self) -> bool {
        fs::remove_file(self.reserve()).is_ok()
    }
}

/// Bytes that may still be written on the disk of a folder, if the system says.
fn free(folder: &Path) -> Option<u64> {
    let room = statvfs(folder).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

/// Real bytes, and such as no file system stores in less room.
fn write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let piece = random::<{ 64 << 10 }>().map_err(io::Error::other)?;
    for number in 0..RESERVE / piece.len() as u64 {
        let mut piece = piece;
        let (front, _) = piece.split_at_mut(8);
        front.copy_from_slice(&number.to_le_bytes());
        file.write_all(&piece)?;
    }
    file.sync_all()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_made_whole_and_let_go_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        // As a program leaves it that was killed while it wrote.
        fs::write(data.reserve(), [1; 1000]).unwrap();
        for _ in 0..2 {
            data.keep_reserve(0).unwrap();
            assert_eq!(fs::metadata(data.reserve()).unwrap().len(), RESERVE);
        }
        data.use_reserve_if_full();
        assert!(data.use_reserve() && !data.use_reserve(), "a disk with room keeps it");
    }
}
