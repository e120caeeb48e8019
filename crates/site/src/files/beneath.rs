//! Opening what lies below a folder, and nothing that does not: no symlink on the way is followed, so that a
//! folder that is swapped for one meanwhile leads nowhere.

use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::facts::Facts;
use super::mounts::Mounts;

/// Longer paths are opened in steps: the kernel takes no more than 4,095 bytes at once.
const LONGEST: usize = 4000;
/// The kernel may ask to try again while something is renamed elsewhere.
const TRIES: usize = 32;

/// How a folder is opened to be listed.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// How content is opened. Should it have become a pipe, this does not wait for a writer.
const CONTENT: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY)
    .union(OFlags::NONBLOCK);
/// How something is opened that is only to be looked at.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The top folder of a tree, open.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// It had no name to begin with: some file systems don't count names.
    nameless: bool,
    /// The kernel resolves whole paths without leaving the folder (Linux 5.6, unless a container forbids it).
    resolves: bool,
    /// The file systems below.
    pub mounts: Mounts,
}

impl Root {
    /// Opens the top folder. A symlink is followed here, and only here.
    pub fn open(folder: &Path) -> rustix::io::Result<Self> {
        Root::opened(folder, OFlags::empty())
    }

    /// Opens a top folder that must be one itself, not a symlink to one.
    pub fn open_itself(folder: &Path) -> rustix::io::Result<Self> {
        Root::opened(folder, OFlags::NOFOLLOW)
    }

    fn opened(folder: &Path, more: OFlags) -> rustix::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
        let fd = openat(CWD, folder, flags, Mode::empty())?;
        let resolves = openat2(&fd, c".", LOOK, Mode::empty(), RESOLVE).is_ok();
        let nameless = Facts::of_open(&fd)?.names == 0;
        Ok(Root { fd, nameless, resolves, mounts: Mounts::default() })
    }

    /// Opens a folder so that it can be listed.
    pub fn folder(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        quietly(FOLDER, |flags| self.descend(path, flags))
    }

    /// Opens content so that it can be read.
    pub fn content(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        match quietly(CONTENT, |flags| self.descend(path, flags)) {
            Err(Errno::AGAIN) => self.leased(path),
            done => done,
        }
    }

    /// Opens a file that a file server has a lease on, which it is asked to give up meanwhile.
    fn leased(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        match Facts::of_open(self.look(path)?)?.kind {
            FileType::RegularFile => self.descend(path, CONTENT.difference(OFlags::NONBLOCK)),
            _ => Err(Errno::AGAIN),
        }
    }

    /// Opens anything so that it can be looked at, even a symlink.
    pub fn look(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        self.descend(path, LOOK)
    }

    /// Why the folder is no longer there, if it isn't: deleted, or its file system torn away.
    pub fn gone(&self) -> Option<Errno> {
        match Facts::of_open(self) {
            Ok(facts) => (facts.names == 0 && !self.nameless).then_some(Errno::NOENT),
            Err(error) => Some(error),
        }
    }

    fn descend(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut folder: Option<OwnedFd> = None;
        let mut rest = path;
        while let Some(start) = rest.get(..LONGEST) {
            let cut = start.iter().rposition(|byte| *byte == b'/').ok_or(Errno::NAMETOOLONG)?;
            let (step, after) = rest.split_at(cut);
            folder = Some(self.step(self.at(&folder), step, LOOK | OFlags::DIRECTORY)?);
            rest = after.get(1..).unwrap_or_default();
        }
        self.step(self.at(&folder), if rest.is_empty() { b"." } else { rest }, flags)
    }

    fn at<'a>(&'a self, folder: &'a Option<OwnedFd>) -> BorrowedFd<'a> {
        folder.as_ref().unwrap_or(&self.fd).as_fd()
    }

    fn step(&self, at: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if !self.resolves {
            return step_by_name(at, path, flags);
        }
        for _ in 1..TRIES {
            match openat2(at, path, flags, Mode::empty(), RESOLVE) {
                Err(Errno::AGAIN | Errno::INTR) => std::thread::yield_now(),
                done => return done,
            }
        }
        openat2(at, path, flags, Mode::empty(), RESOLVE)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Opens one name after another, for kernels that can't be asked to stay below a folder.
fn step_by_name(at: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut folder: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        let how = if names.peek().is_some() { LOOK | OFlags::DIRECTORY } else { flags };
        let from = folder.as_ref().map_or(at, OwnedFd::as_fd);
        folder = Some(openat(from, name, how, Mode::empty())?);
    }
    folder.ok_or(Errno::NOENT)
}

/// Opens a folder by its name in another that is open.
pub fn subfolder(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    quietly(FOLDER, |flags| openat(&folder, name, flags, Mode::empty()))
}

/// Opens content by its name in an open folder.
pub fn content_in(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    quietly(CONTENT, |flags| openat(&folder, name, flags, Mode::empty()))
}

/// Opens a name in an open folder so that it can be looked at.
pub fn look_in(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    openat(folder, name, LOOK, Mode::empty())
}

/// Opens without leaving a trace in the access time, where that is allowed: to owners, and to root.
fn quietly(
    flags: OFlags,
    open: impl Fn(OFlags) -> rustix::io::Result<OwnedFd>,
) -> rustix::io::Result<OwnedFd> {
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn both_ways(folder: &Path) -> [Root; 2] {
        let old = Root { resolves: false, ..Root::open(folder).unwrap() };
        [Root::open(folder).unwrap(), old]
    }

    #[test]
    fn a_symlink_leads_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let tree = tempfile::tempdir().unwrap();
        symlink(outside.path(), tree.path().join("folder")).unwrap();
        symlink(outside.path().join("secret"), tree.path().join("file")).unwrap();
        for root in both_ways(tree.path()) {
            assert!(root.content(b"folder/secret").is_err());
            assert!(root.folder(b"folder").is_err());
            assert_eq!(root.content(b"file").unwrap_err(), Errno::LOOP);
            assert!(root.look(b"file").is_ok(), "the symlink itself can be looked at");
            assert!(subfolder(&root, b"folder").is_err());
            assert!(content_in(&root, b"file").is_err());
        }
    }

    #[test]
    fn a_path_longer_than_the_kernel_takes_is_opened_in_steps() {
        let tree = tempfile::tempdir().unwrap();
        let mut path = Vec::new();
        let mut at = openat(CWD, tree.path(), FOLDER, Mode::empty()).unwrap();
        for _ in 0..90 {
            let name = "n".repeat(100);
            rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
            at = subfolder(&at, name.as_bytes()).unwrap();
            path.extend(name.bytes().chain(*b"/"));
        }
        path.pop();
        assert!(path.len() > 2 * LONGEST);
        for root in both_ways(tree.path()) {
            assert!(root.folder(&path).is_ok());
        }
    }
}
