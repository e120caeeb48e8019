//! Names in two trees: the live one and the one that is laid out. Everything is reached beneath an open folder, by
//! names that no symlink leads away from.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, Mode, RenameFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, mkdirat, renameat_with, utimensat,
};
use rustix::io::Errno;
use rustix::path::Arg;
use undercroft_vault::stream::FileTime;

use super::super::beneath::{self, Root};
use super::super::facts::Facts;

/// A tree below a name in an open folder; the empty name is the folder itself.
#[derive(Debug)]
pub struct Ground {
    root: Root,
    prefix: Vec<u8>,
}

/// A name in an open folder.
#[derive(Debug)]
pub struct Spot {
    /// The folder.
    pub folder: OwnedFd,
    /// The name.
    pub name: Vec<u8>,
}

impl Ground {
    /// The tree at a name in an open folder.
    pub fn new(root: Root, prefix: impl Into<Vec<u8>>) -> Self {
        Ground { root, prefix: prefix.into() }
    }

    /// The open folder that the tree is below.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// A path of the tree, as it is below the open folder.
    pub fn whole(&self, path: &[u8]) -> Vec<u8> {
        join(&self.prefix, path)
    }

    /// Where a path's name stands.
    pub fn spot(&self, path: &[u8]) -> rustix::io::Result<Spot> {
        let whole = self.whole(path);
        let (above, name) = split(&whole);
        if name.is_empty() {
            return Err(Errno::INVAL);
        }
        Ok(Spot { folder: self.root.folder(above)?, name: name.to_vec() })
    }

    /// Opens a folder of the tree.
    pub fn folder(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        self.root.folder(&self.whole(path))
    }

    /// What is at a path, if anything is.
    pub fn facts(&self, path: &[u8]) -> rustix::io::Result<Option<Facts>> {
        match self.root.look(&self.whole(path)).and_then(Facts::of_open) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number of what is at a path.
    pub fn inode(&self, path: &[u8]) -> rustix::io::Result<Option<u64>> {
        Ok(self.facts(path)?.map(|facts| facts.inode))
    }

    /// Makes a folder, and those above it that are not there; the private ones of a tree that is being laid out.
    pub fn make_folders(&self, path: &[u8]) -> rustix::io::Result<()> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]).filter(|end| *end > 0) {
            let spot = self.spot(path.get(..end).unwrap_or_default())?;
            match mkdirat(&spot.folder, spot.name.as_slice(), Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Spot {
    /// What is there, if anything is.
    pub fn facts(&self) -> rustix::io::Result<Option<Facts>> {
        match Facts::of_name(&self.folder, self.name.as_slice()) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves it to another name, where nothing may be.
    pub fn move_to(&self, to: &Spot) -> rustix::io::Result<()> {
        match self.rename(to, RenameFlags::NOREPLACE) {
            // The file system can't promise it; nobody else works in these folders.
            Err(Errno::INVAL | Errno::NOSYS) if to.facts()?.is_none() => {
                self.rename(to, RenameFlags::empty())
            }
            done => done,
        }
    }

    /// Moves it to another name, in place of what is there.
    pub fn replace(&self, to: &Spot) -> rustix::io::Result<()> {
        self.rename(to, RenameFlags::empty())
    }

    /// Exchanges the two names in one step.
    pub fn exchange(&self, to: &Spot) -> rustix::io::Result<()> {
        self.rename(to, RenameFlags::EXCHANGE)
    }

    /// Renames, also where our own folders are closed to us: those that the names are in, and those that are moved.
    fn rename(&self, to: &Spot, how: RenameFlags) -> rustix::io::Result<()> {
        let (from, onto) = (self.name.as_slice(), to.name.as_slice());
        let rename = || renameat_with(&self.folder, from, &to.folder, onto, how);
        let refused = match rename() {
            Err(Errno::ACCESS) => Errno::ACCESS,
            done => return done,
        };
        let mut opened = Vec::new();
        for spot in [self, to] {
            open(&spot.folder, &mut opened);
            if let Ok(itself) = beneath::subfolder(&spot.folder, spot.name.as_slice()) {
                open(itself, &mut opened);
            }
        }
        let done = if opened.is_empty() { Err(refused) } else { rename() };
        for (folder, mode) in opened.iter().rev() {
            fchmod(folder, *mode)?;
        }
        done
    }
}

/// Gives the owner of a folder the right to change what is in it, and remembers how it was.
fn open(folder: impl AsFd, opened: &mut Vec<(OwnedFd, Mode)>) {
    let Ok(facts) = Facts::of_open(&folder) else { return };
    if facts.mode & OPEN == OPEN {
        return;
    }
    // One that can't be opened is told by what fails then.
    if let Ok(folder) = folder.as_fd().try_clone_to_owned()
        && fchmod(&folder, Mode::from_raw_mode(facts.mode | 0o700)).is_ok()
    {
        opened.push((folder, Mode::from_raw_mode(facts.mode)));
    }
}

/// What an owner needs to change what is in a folder.
const OPEN: u32 = 0o300;

/// Parts a path before its last name.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (&[], path),
    }
}

/// A path below another; either may be empty.
pub fn join(above: &[u8], path: &[u8]) -> Vec<u8> {
    match (above.is_empty(), path.is_empty()) {
        (true, _) => path.to_vec(),
        (_, true) => above.to_vec(),
        _ => [above, b"/", path].concat(),
    }
}

/// The folders above a path, from the top one's children down.
pub fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    ends.filter_map(|(at, _)| path.get(..at))
}

/// Sets when the content of something last changed; a symlink's own.
pub fn set_time(folder: impl AsFd, name: impl Arg, time: FileTime, flags: AtFlags) -> rustix::io::Result<()> {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let changed = Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() };
    utimensat(folder, name, &Timestamps { last_access: omitted, last_modification: changed }, flags)
}
