//! The content of one file, being read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::num::NonZeroU64;

use rustix::fd::OwnedFd;
use rustix::fs::{Advice, fadvise};
use undercroft_vault::stream::{Content, Settled};

use super::facts::Facts;
use super::firsts::Firsts;

/// From this size on, the kernel is told that the file is read from start to end.
const LONG: u64 = 1 << 20;
/// From this size on, what was read is given back to the kernel at once: the site's own pages in memory are worth
/// more. Smaller files are left, for they may be the site's own.
const HUGE: u64 = 16 << 20;

/// A file being read.
pub struct Reading<'a> {
    file: File,
    /// What it was when reading began.
    before: Facts,
    /// It had changed shortly before.
    fresh: bool,
    /// Its path, if it has several names.
    path: Option<Vec<u8>>,
    firsts: &'a Firsts,
}

impl<'a> Reading<'a> {
    /// Begins to read.
    pub fn new(fd: OwnedFd, before: Facts, fresh: bool, path: &[u8], firsts: &'a Firsts) -> Self {
        if before.size >= LONG {
            // Only advice: reading works without.
            let _ = fadvise(&fd, 0, None, Advice::Sequential);
        }
        let path = (before.names > 1).then(|| path.to_vec());
        Reading { file: File::from(fd), before, fresh, path, firsts }
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer);
        if let (Err(error), Some(path)) = (&got, &self.path)
            && error.kind() != ErrorKind::Interrupted
        {
            self.firsts.lose(path);
        }
        got
    }
}

impl Content for Reading<'_> {
    fn settled(&mut self) -> Settled {
        match Facts::of_open(&self.file) {
            Ok(now) if !now.same_content(&self.before) => Settled::Changed,
            Ok(_) if self.fresh => Settled::TooFresh,
            Ok(_) => Settled::Unchanged,
            Err(_) => Settled::Changed,
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if self.before.size >= HUGE {
            let _ = fadvise(&self.file, 0, None::<NonZeroU64>, Advice::DontNeed);
        }
    }
}
