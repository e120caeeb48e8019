//! Writing large objects past the system's page cache (`open(2)`, `O_DIRECT`).
//!
//! A pack is written once and seldom read soon. Copying it into the page cache costs more time than all the sealing
//! of it, and pushes out what the site itself needs there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

/// What memory, offsets and lengths are aligned to; no device in use asks for more.
const ALIGN: usize = 4096;
/// So many bytes are handed to the system at a time.
const STRETCH: usize = 4 << 20;
/// Anything shorter goes the usual way.
const LEAST: usize = 1 << 20;

/// Aligned memory, kept from one object to the next.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; STRETCH + ALIGN])
    }

    fn give_back(&self, buffer: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    /// Writes as much of a large object's front as can go past the page cache into the file, which is there and
    /// empty. Gives how many bytes that were; the rest is for the caller to write, and all of it to sync.
    pub fn write_front(&self, path: &Path, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() < LEAST {
            return Ok(0);
        }
        let flags = OFlags::DIRECT.bits() as i32;
        // File systems that have no such way say so at once.
        let Ok(file) = OpenOptions::new().write(true).custom_flags(flags).open(path) else { return Ok(0) };
        let mut buffer = self.take();
        let written = write_aligned(&file, bytes, &mut buffer);
        self.give_back(buffer);
        written
    }
}

fn write_aligned(file: &File, bytes: &[u8], buffer: &mut [u8]) -> io::Result<usize> {
    let start = buffer.as_ptr().align_offset(ALIGN);
    let Some(room) = buffer.get_mut(start..).and_then(|rest| rest.get_mut(..STRETCH)) else { return Ok(0) };
    let mut done = 0;
    for stretch in bytes[..bytes.len() - bytes.len() % ALIGN].chunks(STRETCH) {
        let aligned = &mut room[..stretch.len()];
        aligned.copy_from_slice(stretch);
        match file.write_all_at(aligned, done as u64) {
            // It wants another alignment after all: the usual way takes over from here.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(done),
            other => other?,
        }
        done += stretch.len();
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_past_the_cache_and_what_does_not_make_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let buffers = Buffers::default();
        for len in [0, 1, LEAST - 1, LEAST, LEAST + 1, STRETCH + 5, 3 * STRETCH + ALIGN] {
            let bytes: Vec<u8> = (0..len).map(|n| ((n * 31) >> 3) as u8).collect();
            let path = folder.path().join(len.to_string());
            let file = File::create_new(&path).unwrap();
            let front = buffers.write_front(&path, &bytes).unwrap();
            assert!(front <= len && front % ALIGN == 0 && (len >= LEAST || front == 0));
            file.write_all_at(&bytes[front..], front as u64).unwrap();
            assert!(std::fs::read(&path).unwrap() == bytes, "{len}");
        }
    }
}
