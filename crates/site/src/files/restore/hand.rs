//! Laying out one entry after another: writing files, or linking those that are the same in the live tree.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, makedev, mknodat, openat, symlinkat, unlinkat};
use rustix::io::Errno;
use undercroft_model::Weight;
use undercroft_vault::VaultError;
use undercroft_vault::stream::{Entry, EntryKind};
use undercroft_vault::tree::take::{Taker, Xattrs};

use super::super::beneath;
use super::super::facts::Facts;
use super::super::xattrs as attributes;
use super::error::PrepareError;
use super::ground::{Spot, split};
use super::made::Looks;
use super::shared::{Folder, Shared};

/// Content is read back in stretches of this size.
const STRETCH: usize = 256 << 10;

/// One of the threads that lay entries out.
pub struct Hand<'s> {
    shared: &'s Shared<'s>,
    /// Other names for entries: a file whose first name is not restored is laid out under a later one.
    names: HashMap<Vec<u8>, Vec<u8>>,
    /// The folders that the last entry was in.
    tree: Option<(Vec<u8>, OwnedFd)>,
    live: Option<(Vec<u8>, OwnedFd)>,
    doing: Doing,
    buffer: Vec<u8>,
}

/// What becomes of the entry at hand.
enum Doing {
    Nothing,
    /// It is written.
    Writing {
        file: File,
        xattrs: Xattrs,
    },
    /// The live file has the same facts, and is the same up to here.
    Comparing {
        live: File,
        facts: Facts,
        xattrs: Xattrs,
        seen: u64,
        hash: Box<blake3::Hasher>,
    },
    /// Something without content.
    Plain {
        xattrs: Xattrs,
    },
}

impl<'s> Hand<'s> {
    /// A hand that has done nothing yet.
    pub fn new(shared: &'s Shared<'s>, names: HashMap<Vec<u8>, Vec<u8>>) -> Self {
        Hand { shared, names, tree: None, live: None, doing: Doing::Nothing, buffer: Vec::new() }
    }

    fn name<'n>(&'n self, path: &'n [u8]) -> &'n [u8] {
        self.names.get(path).map_or(path, Vec::as_slice)
    }

    /// The open folder that a path is in.
    fn folder_of<'f>(
        slot: &'f mut Option<(Vec<u8>, OwnedFd)>,
        path: &[u8],
        open: impl Fn(&[u8]) -> rustix::io::Result<OwnedFd>,
    ) -> rustix::io::Result<&'f OwnedFd> {
        let above = split(path).0;
        if slot.as_ref().is_none_or(|(known, _)| known != above) {
            *slot = Some((above.to_vec(), open(above)?));
        }
        slot.as_ref().map(|(_, folder)| folder).ok_or(Errno::NOENT)
    }

    fn tree_folder(&mut self, path: &[u8]) -> rustix::io::Result<&OwnedFd> {
        let tree = &self.shared.tree;
        Hand::folder_of(&mut self.tree, path, |above| tree.folder(above))
    }

    /// The live folder that a path is in; `None` if there is none.
    fn live_folder(&mut self, path: &[u8]) -> Option<&OwnedFd> {
        let live = self.shared.live.as_ref()?;
        Hand::folder_of(&mut self.live, path, |above| live.folder(above)).ok()
    }

    /// Links an entry that is proved to be the same in the safety backup, if the live file is still the one that was
    /// captured. False if it has to be looked into.
    pub fn link_proved(&mut self, entry: &Entry) -> Result<bool, PrepareError> {
        let (EntryKind::File, Some(captured)) = (&entry.kind, self.shared.captured) else { return Ok(false) };
        let Some(folder) = self.live_folder(&entry.path) else { return Ok(false) };
        let Ok(facts) = Facts::of_name(folder, split(&entry.path).1) else { return Ok(false) };
        let mount = self.shared.live.as_ref().map(|live| live.root().mounts.of(facts.device));
        let settled = mount.is_some_and(|mount| facts.ctime < captured && !mount.too_fresh(&facts, captured));
        if !settled || !looks_like(&facts, entry) || !self.link(&entry.path, &facts)? {
            return Ok(false);
        }
        self.shared.linked(entry);
        Ok(true)
    }

    /// Links the live file into the tree, if it still is the one whose facts are given.
    fn link(&mut self, path: &[u8], facts: &Facts) -> Result<bool, PrepareError> {
        let name = split(path).1.to_vec();
        let shared = self.shared;
        self.tree_folder(path).map_err(|error| shared.failed(path, "open its folder", error))?;
        self.live_folder(path);
        let (Some((_, live)), Some((_, tree))) = (&self.live, &self.tree) else { return Ok(false) };
        match linkat(live, name.as_slice(), tree, name.as_slice(), AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOSPC | Errno::DQUOT) => {
                return Err(self.shared.failed(path, "link it", Errno::NOSPC));
            }
            Err(Errno::EXIST) => return Err(self.shared.nonsense(path, "stands in it twice")),
            // It may not be linked, or has too many names already.
            Err(_) => return Ok(false),
        }
        let linked = Facts::of_name(tree, name.as_slice());
        let same = linked.is_ok_and(|now| {
            (now.inode, now.size, now.mtime, now.mode) == (facts.inode, facts.size, facts.mtime, facts.mode)
                && (now.uid, now.gid, now.kind) == (facts.uid, facts.gid, facts.kind)
        });
        if !same {
            let gone = unlinkat(tree, name.as_slice(), AtFlags::empty());
            gone.map_err(|error| self.shared.failed(path, "remove the link to a file that changed", error))?;
        }
        Ok(same)
    }

    /// Links the live file of that path into the tree, whatever is in it; false if there is none.
    fn keep_live(&mut self, path: &[u8]) -> Result<bool, PrepareError> {
        let name = split(path).1.to_vec();
        let facts = self.live_folder(path).and_then(|folder| Facts::of_name(folder, &name).ok());
        match facts.filter(|facts| facts.kind == FileType::RegularFile) {
            Some(facts) => self.link(path, &facts),
            None => Ok(false),
        }
    }

    fn create(&mut self, path: &[u8]) -> Result<File, PrepareError> {
        let name = split(path).1.to_vec();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = self.tree_folder(path);
        match folder.and_then(|folder| openat(folder, name.as_slice(), flags, Mode::RUSR | Mode::WUSR)) {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::EXIST) => Err(self.shared.nonsense(path, "stands in it twice")),
            Err(error) => Err(self.shared.failed(path, "make it", error)),
        }
    }

    /// Begins a file: compared with the live one if that could be the same, and else written.
    fn begin_file(&mut self, entry: &Entry, xattrs: Xattrs) -> Result<Doing, PrepareError> {
        if let Some((live, facts)) = self.candidate(entry) {
            return Ok(Doing::Comparing { live, facts, xattrs, seen: 0, hash: Box::default() });
        }
        let path = self.name(&entry.path).to_vec();
        Ok(Doing::Writing { file: self.create(&path)?, xattrs })
    }

    /// The live file, if all that is known of it without reading is as in the archive.
    fn candidate(&mut self, entry: &Entry) -> Option<(File, Facts)> {
        if self.names.contains_key(&entry.path) {
            return None;
        }
        let folder = self.live_folder(&entry.path)?;
        let name = split(&entry.path).1;
        let facts = Facts::of_name(folder, name).ok().filter(|facts| looks_like(facts, entry))?;
        let live = beneath::content_in(folder, name).ok()?;
        let opened = Facts::of_open(&live).ok()?;
        (opened.identity() == facts.identity() && opened.same_content(&facts))
            .then(|| (File::from(live), facts))
    }

    /// The live file is not the same after all: what it shares with the archive's is written, and then the rest.
    fn turn_to_writing(
        &mut self,
        path: &[u8],
        mut live: File,
        seen: u64,
        hash: &blake3::Hasher,
        xattrs: Xattrs,
    ) -> Result<Doing, PrepareError> {
        let mut file = self.create(path)?;
        let mut check = blake3::Hasher::new();
        let shared = self.shared;
        let failed = |error: std::io::Error| shared.failed(path, "copy its unchanged part", error);
        std::io::Seek::rewind(&mut live).map_err(failed)?;
        let mut left = seen;
        while left > 0 {
            self.buffer.resize(STRETCH.min(left as usize), 0);
            live.read_exact(&mut self.buffer).map_err(failed)?;
            check.update(&self.buffer);
            file.write_all(&self.buffer).map_err(failed)?;
            left -= self.buffer.len() as u64;
        }
        if check.finalize() != hash.finalize() {
            return Err(failed(std::io::Error::other(
                "the live file changed while it was compared; try again",
            )));
        }
        Ok(Doing::Writing { file, xattrs })
    }

    /// All of the content is the same: links the file, unless its attributes differ, it changed meanwhile, or may not be
    /// linked.
    fn end_comparing(&mut self, entry: &Entry, compared: Doing) -> Result<(), PrepareError> {
        let Doing::Comparing { live, facts, xattrs, seen, hash } = compared else { return Ok(()) };
        let same = attributes::read(live.as_fd()).is_ok_and(|now| now == xattrs)
            && Facts::of_open(&live).is_ok_and(|now| now.same_content(&facts));
        if same && self.link(&entry.path, &facts)? {
            self.shared.linked(entry);
            return Ok(());
        }
        let path = entry.path.clone();
        match self.turn_to_writing(&path, live, seen, &hash, xattrs)? {
            Doing::Writing { file, xattrs } => self.end_writing(entry, &file, &xattrs),
            _ => Ok(()),
        }
    }

    fn end_writing(&mut self, entry: &Entry, file: &File, xattrs: &Xattrs) -> Result<(), PrepareError> {
        let shared = self.shared;
        let set = Looks::of_entry(entry).set(file, xattrs, &entry.path, &shared.tally);
        set.map_err(|error| shared.failed(&entry.path, "set its owner, permissions and time", error))?;
        shared.written(entry);
        Ok(())
    }

    /// Makes what has no content.
    fn make(&mut self, entry: &Entry, xattrs: Xattrs) -> Result<(), PrepareError> {
        let (path, shared) = (&entry.path, self.shared);
        if entry.kind == EntryKind::Folder {
            shared.folder(Folder { path: path.clone(), looks: Looks::of_entry(entry), xattrs });
            return Ok(());
        }
        let failed = |error| shared.failed(path, "make it", error);
        let folder = self.tree_folder(path).and_then(|folder| folder.try_clone().map_err(|_| Errno::MFILE));
        let spot = Spot { folder: folder.map_err(failed)?, name: split(path).1.to_vec() };
        let (folder, name) = (&spot.folder, spot.name.as_slice());
        let node = |kind, device| mknodat(folder, name, kind, Mode::RUSR | Mode::WUSR, device).map(|()| kind);
        let made = match &entry.kind {
            EntryKind::Symlink { target } => {
                symlinkat(target.as_slice(), folder, name).map(|()| FileType::Symlink)
            }
            EntryKind::Fifo => node(FileType::Fifo, 0),
            EntryKind::CharDevice { major, minor } => {
                node(FileType::CharacterDevice, makedev(*major, *minor))
            }
            EntryKind::BlockDevice { major, minor } => node(FileType::BlockDevice, makedev(*major, *minor)),
            EntryKind::File | EntryKind::Folder | EntryKind::HardLink { .. } => return Ok(()),
        };
        match made {
            Ok(kind) => {
                let set = Looks::of_entry(entry).set_named(&spot, kind, path, &shared.tally);
                set.map_err(|error| shared.failed(path, "set its owner, permissions and time", error))?;
                shared.written(entry);
                Ok(())
            }
            Err(Errno::PERM | Errno::NOTSUP | Errno::INVAL)
                if !matches!(entry.kind, EntryKind::Symlink { .. }) =>
            {
                let text = "could not be made: only root may make it";
                shared.tally.add(Weight::Lost, text, path);
                Ok(())
            }
            Err(Errno::EXIST) => Err(shared.nonsense(path, "stands in it twice")),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Whether all that `stat` says of a live file is as in the archive, and linking it would link nothing else.
fn looks_like(facts: &Facts, entry: &Entry) -> bool {
    facts.kind == FileType::RegularFile
        && facts.names == 1
        && (facts.size, facts.mtime) == (entry.size, entry.mtime)
        && (facts.mode, facts.uid, facts.gid) == (entry.mode, entry.uid, entry.gid)
}

impl Taker for Hand<'_> {
    type Error = PrepareError;

    fn begin(&mut self, entry: &Entry, xattrs: Xattrs) -> Result<(), PrepareError> {
        self.doing = match entry.kind {
            EntryKind::File => self.begin_file(entry, xattrs)?,
            _ => Doing::Plain { xattrs },
        };
        Ok(())
    }

    fn content(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), PrepareError> {
        if self.shared.stopped() {
            return Err(VaultError::Stopped.into());
        }
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Comparing { mut live, facts, xattrs, seen, mut hash } => {
                self.buffer.resize(bytes.len(), 0);
                if live.read_exact(&mut self.buffer).is_ok() && self.buffer == bytes {
                    hash.update(bytes);
                    let seen = seen + bytes.len() as u64;
                    self.doing = Doing::Comparing { live, facts, xattrs, seen, hash };
                    return Ok(());
                }
                self.doing = self.turn_to_writing(&entry.path, live, seen, &hash, xattrs)?;
            }
            other => self.doing = other,
        }
        let Doing::Writing { file, .. } = &mut self.doing else { return Ok(()) };
        file.write_all(bytes).map_err(|error| self.shared.failed(&entry.path, "write it", error))
    }

    fn goes_on(&self) -> bool {
        self.shared.goes_on
    }

    fn lost(&mut self, entry: &Entry) -> Result<(), PrepareError> {
        let (path, shared) = (self.name(&entry.path).to_vec(), self.shared);
        if let Doing::Writing { .. } = std::mem::replace(&mut self.doing, Doing::Nothing) {
            let name = split(&path).1.to_vec();
            let gone =
                self.tree_folder(&path).and_then(|tree| unlinkat(tree, name.as_slice(), AtFlags::empty()));
            gone.map_err(|error| shared.failed(&path, "remove what is damaged", error))?;
        }
        if entry.kind == EntryKind::Folder {
            let text = "came back without its extended attributes: they are damaged in the vault";
            shared.tally.add(Weight::Lost, text, &path);
            shared.folder(Folder { path, looks: Looks::of_entry(entry), xattrs: Xattrs::new() });
            return Ok(());
        }
        let text = match self.keep_live(&path)? {
            true => "is damaged in the vault, and stays as it is",
            false => "is damaged in the vault, and did not come back",
        };
        shared.tally.add(Weight::Lost, text, &path);
        shared.lost(path);
        Ok(())
    }

    fn end(&mut self, entry: &Entry) -> Result<(), PrepareError> {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => Ok(()),
            Doing::Writing { file, xattrs } => self.end_writing(entry, &file, &xattrs),
            comparing @ Doing::Comparing { .. } => self.end_comparing(entry, comparing),
            Doing::Plain { xattrs } => self.make(entry, xattrs),
        }
    }
}
