//! Opening what the walk met, a while later: it may have changed, gone, or become something else.

use std::mem::discriminant;

use rustix::fs::{FileType, readlinkat};
use rustix::io::Errno;
use undercroft_model::{Element, Observer, Remark};
use undercroft_vault::stream::{Entry, EntryKind, OpenError, Opened};

use super::beneath::Root;
use super::content::Reading;
use super::facts::{Facts, same_inode, several_names};
use super::firsts::{Firsts, Later};
use super::mounts;
use super::words::{subject, why};
use super::xattrs;

/// Opens entries.
pub struct Opener<'a> {
    /// The tree.
    pub root: &'a Root,
    /// First names that can't be linked to.
    pub firsts: &'a Firsts,
    /// Who is told of attributes that can't be read.
    pub observer: &'a dyn Observer,
    /// For the observer.
    pub element: Element,
}

impl<'a> Opener<'a> {
    /// Opens an entry of the walk.
    pub fn open(&self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        match &met.kind {
            EntryKind::File => self.first(met),
            EntryKind::HardLink { target } => self.later(met, target),
            EntryKind::Folder => self.folder(met),
            _ => self.special(met),
        }
    }

    fn first(&self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        let opened = self.file(met);
        let same = opened.as_ref().is_ok_and(|now| same_inode(&now.entry.stamp, &met.stamp));
        if !same && several_names(&met.stamp) {
            self.firsts.lose(&met.path);
        }
        opened
    }

    /// A later name of a file: a link, as long as it still is one, and its first name is in the archive.
    fn later(&self, met: &Entry, first: &[u8]) -> Result<Opened<'a>, OpenError> {
        let (facts, now) = self.look(met)?;
        if facts.kind != FileType::RegularFile {
            return Err(replaced(met));
        }
        if !same_inode(&now.stamp, &met.stamp) {
            return self.file(met);
        }
        match self.firsts.later(first, &met.path) {
            Later::Link(target) => {
                let entry = Entry { kind: EntryKind::HardLink { target }, size: 0, ..now };
                Ok(Opened { entry, xattrs: Vec::new(), content: None })
            }
            Later::File => {
                let opened = self.file(met)?;
                self.firsts.replace(first, &met.path);
                Ok(opened)
            }
        }
    }

    fn file(&self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        let begun = mounts::now();
        let fd = self.root.content(&met.path).map_err(|error| self.failed(met, error))?;
        let facts = Facts::of_open(&fd).map_err(|error| self.failed(met, error))?;
        if facts.kind != FileType::RegularFile {
            return Err(replaced(met));
        }
        let mount = self.root.mounts.of(facts.device);
        let entry = facts.entry(met.path.clone(), Vec::new(), mount).ok_or_else(|| replaced(met))?;
        let xattrs = self.xattrs(met, &fd);
        let fresh = mount.too_fresh(&facts, begun);
        let content = Reading::new(fd, facts, fresh, &met.path, self.firsts);
        Ok(Opened { entry, xattrs, content: Some(Box::new(content)) })
    }

    fn folder(&self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        let folder = match self.root.folder(&met.path) {
            Ok(folder) => folder,
            // What is in it can't be listed, which the walk has told. The folder itself can still be kept.
            Err(Errno::ACCESS) => return self.special(met),
            Err(error) => return Err(self.failed(met, error)),
        };
        let facts = Facts::of_open(&folder).map_err(|error| self.failed(met, error))?;
        let mount = self.root.mounts.of(facts.device);
        let entry = facts.entry(met.path.clone(), Vec::new(), mount).ok_or_else(|| replaced(met))?;
        Ok(Opened { entry, xattrs: self.xattrs(met, &folder), content: None })
    }

    /// What has no content: it is looked at, not opened, for opening a device may set something off.
    fn special(&self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        let (_, entry) = self.look(met)?;
        if discriminant(&entry.kind) != discriminant(&met.kind) {
            return Err(replaced(met));
        }
        Ok(Opened { entry, xattrs: Vec::new(), content: None })
    }

    /// What an entry is now.
    fn look(&self, met: &Entry) -> Result<(Facts, Entry), OpenError> {
        let fd = self.root.look(&met.path).map_err(|error| self.failed(met, error))?;
        let facts = Facts::of_open(&fd).map_err(|error| self.failed(met, error))?;
        let target = match facts.kind {
            FileType::Symlink => {
                readlinkat(&fd, c"", Vec::new()).map_err(|error| self.failed(met, error))?.into_bytes()
            }
            _ => Vec::new(),
        };
        let mount = self.root.mounts.of(facts.device);
        let entry = facts.entry(met.path.clone(), target, mount).ok_or_else(|| replaced(met))?;
        Ok((facts, entry))
    }

    fn xattrs(&self, met: &Entry, fd: impl rustix::fd::AsFd) -> Vec<(Vec<u8>, Vec<u8>)> {
        xattrs::read(fd).unwrap_or_else(|error| {
            let text = format!("its extended attributes could not be read: {}", why(error));
            self.observer.remark(self.element, Remark::lost(subject(&met.path), text));
            Vec::new()
        })
    }

    fn failed(&self, met: &Entry, error: Errno) -> OpenError {
        match error {
            // The program's own limits: the next entry would fare no better.
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => OpenError::Fatal(error.into()),
            // The whole tree is gone, not one entry.
            _ if self.root.gone().is_some() => OpenError::Fatal(error.into()),
            Errno::NOENT => lost(met, "vanished before it could be read"),
            Errno::LOOP | Errno::NOTDIR | Errno::NXIO => replaced(met),
            error => lost(met, format!("could not be read: {}", why(error))),
        }
    }
}

fn lost(met: &Entry, text: impl Into<String>) -> OpenError {
    OpenError::Skip(Remark::lost(subject(&met.path), text))
}

fn replaced(met: &Entry) -> OpenError {
    lost(met, "was replaced by something else before it could be read")
}
