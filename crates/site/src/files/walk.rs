//! The walk: every folder listed and every entry looked at, in order, on a thread that runs ahead of the reader.
//!
//! Everything is reached by its name in an open folder, never by a path from outside. What is held at a time is
//! the listings of the folders on the way down, and files with several names.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Sender;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, readlinkat};
use rustix::io::Errno;
use undercroft_model::Remark;
use undercroft_vault::stream::EntryKind;

use super::beneath::{self, Root};
use super::count::{Count, Counter, Tally};
use super::facts::{Facts, Identity};
use super::handover::{Abandoned, Item, Out};
use super::leave::{Excludes, Mark};
use super::links::Links;
use super::listing::Listing;
use super::mounts::Mount;
use super::words::{subject, why};

/// So many folders on the way down stay open at most: trees are deeper than a process may open files.
const OPEN: usize = 64;

/// A folder on the way down.
struct Frame {
    listing: Listing,
    /// Closed while the walk is far below.
    folder: Option<OwnedFd>,
    facts: Facts,
    mount: Mount,
    /// How long its path is.
    len: usize,
    mark: Option<Mark>,
}

/// A walk under way.
pub struct Walk {
    root: Arc<Root>,
    excludes: Excludes,
    skip: HashMap<Identity, String>,
    tally: Arc<Tally>,
    counter: Counter,
    out: Out,
    links: Links,
    frames: Vec<Frame>,
    /// The path of the entry at hand.
    path: Vec<u8>,
    buffer: Vec<u8>,
}

/// What a walk needs beside the tree.
pub struct Plan {
    /// What is left out and counted.
    pub excludes: Excludes,
    /// What is left out and told, with the words for it.
    pub skip: HashMap<Identity, String>,
    /// Where counts go.
    pub tally: Arc<Tally>,
    /// Who counts folders.
    pub counter: Counter,
}

impl Walk {
    /// Walks the whole tree, and waits until what was left out is counted.
    pub fn run(root: Arc<Root>, plan: Plan, send: Sender<Vec<Item>>) {
        let Plan { excludes, skip, tally, counter } = plan;
        let mut walk = Walk {
            root,
            excludes,
            skip,
            tally,
            counter,
            out: Out::new(send),
            links: Links::default(),
            frames: Vec::new(),
            path: Vec::new(),
            buffer: Vec::new(),
        };
        // An abandoned walk has nobody to tell.
        let _ = walk.all();
        walk.counter.finish();
    }

    fn all(&mut self) -> Result<(), Abandoned> {
        if let Err(failed) = self.top()? {
            self.out.give(Item::Failed(failed.into()))?;
            return self.out.flush();
        }
        while let Some(frame) = self.frames.last_mut() {
            self.path.truncate(frame.len);
            let Some((name, folder)) = frame.listing.next() else {
                self.ascend()?;
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend(name);
            self.meet(folder)?;
        }
        self.out.give(match self.root.gone() {
            // What was not met may have been there.
            Some(error) => Item::Failed(error.into()),
            None => Item::End,
        })?;
        self.out.flush()
    }

    fn top(&mut self) -> Result<Result<(), Errno>, Abandoned> {
        let opened = self.root.folder(b"").and_then(|folder| Ok((Facts::of_open(&folder)?, folder)));
        let (facts, folder) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let mount = self.root.mounts.learn(&folder, facts.device);
        if let Some(entry) = facts.entry(Vec::new(), Vec::new(), mount) {
            self.out.give(Item::Entry(entry))?;
        }
        let (listing, listed) = Listing::read(&folder, &mut self.buffer);
        if let Err(error) = listed {
            return Ok(Err(error));
        }
        if let Some(mark) = Mark::of(&folder, &listing) {
            let text = "asks that this folder not be backed up, which is not heeded in the top folder itself";
            self.out.give(Item::Remark(Remark::note(mark.file(), text)))?;
        }
        self.push(Frame::new(listing, folder, &facts, mount, 0, None));
        Ok(Ok(()))
    }

    /// Deals with the entry at hand, which its folder's listing says is a folder or not.
    fn meet(&mut self, folder: bool) -> Result<(), Abandoned> {
        if let Some(reason) = self.reason(folder) {
            self.leave_out(reason, folder);
            return Ok(());
        }
        let Some((facts, mount)) = self.look(folder)? else { return Ok(()) };
        if let Some(what) = self.skip.get(&facts.identity()) {
            let text = format!("left out: {what}");
            return self.note(&text);
        }
        if folder && self.frames.iter().any(|above| above.facts.is_same_folder(&facts)) {
            return self.note("left out: it is mounted so that it leads back to a folder that it is in");
        }
        let target = match facts.kind {
            FileType::Symlink => match self.target() {
                Ok(target) => target,
                Err(Errno::NOENT) => return Ok(()),
                Err(error) => return self.lost(&format!("could not be read: {}", why(error))),
            },
            _ => Vec::new(),
        };
        let Some(mut entry) = facts.entry(self.path.clone(), target, mount) else {
            self.tally.add("sockets", Count { entries: 1, bytes: 0 });
            return Ok(());
        };
        if entry.kind == EntryKind::File
            && let Some(target) = self.links.first(&facts, &self.path)
        {
            entry.kind = EntryKind::HardLink { target };
            entry.size = 0;
        }
        self.out.give(Item::Entry(entry))?;
        if folder { self.enter(&facts, mount) } else { Ok(()) }
    }

    /// Why the entry at hand is left out, if it is.
    fn reason(&self, folder: bool) -> Option<String> {
        match self.frames.last().and_then(|frame| frame.mark) {
            Some(mark) if !folder && self.name() == mark.file().as_bytes() => None,
            Some(mark) => Some(mark.file().to_owned()),
            None => self.excludes.reason(&self.path, folder),
        }
    }

    fn leave_out(&self, reason: String, folder: bool) {
        if folder {
            self.counter.folder(reason, self.path.clone());
            return;
        }
        let open = self.frames.last().and_then(|frame| frame.folder.as_ref());
        let facts = open.and_then(|folder| Facts::of_name(folder, self.name()).ok());
        let bytes = facts.map_or(0, |facts| facts.content());
        self.tally.add(&reason, Count { entries: 1, bytes });
    }

    /// Looks at the entry at hand. What went before it was looked at was never there.
    fn look(&mut self, folder: bool) -> Result<Option<(Facts, Mount)>, Abandoned> {
        let Some((frame, open)) = self.frames.last().and_then(|f| Some((f, f.folder.as_ref()?))) else {
            return Ok(None);
        };
        match Facts::of_name(open, self.name()) {
            Ok(facts) if facts.is_folder() == folder => {
                let mount = self.mount(frame, open, &facts);
                Ok(Some((facts, mount)))
            }
            Ok(_) => self.lost("was replaced while its folder was read").map(|()| None),
            Err(Errno::NOENT) => Ok(None),
            // Without the right to enter the folder it would be the same with every name.
            Err(Errno::ACCESS) if Facts::of_name(open, c".").is_err() => {
                self.leave_rest(&format!("could not be entered: {}", why(Errno::ACCESS)))
            }
            Err(error) => self.lost(&format!("could not be looked at: {}", why(error))).map(|()| None),
        }
    }

    fn mount(&self, frame: &Frame, open: &OwnedFd, facts: &Facts) -> Mount {
        if facts.device == frame.facts.device {
            return frame.mount;
        }
        match beneath::look_in(open, self.name()) {
            Ok(entry) => self.root.mounts.learn(entry, facts.device),
            Err(_) => self.root.mounts.of(facts.device),
        }
    }

    fn target(&self) -> rustix::io::Result<Vec<u8>> {
        let open = self.frames.last().and_then(|frame| frame.folder.as_ref()).ok_or(Errno::NOENT)?;
        readlinkat(open, self.name(), Vec::new()).map(|target| target.into_bytes())
    }

    /// Goes down into the folder at hand.
    fn enter(&mut self, facts: &Facts, mount: Mount) -> Result<(), Abandoned> {
        let Some(open) = self.frames.last().and_then(|frame| frame.folder.as_ref()) else { return Ok(()) };
        let folder = match beneath::subfolder(open, self.name()) {
            Ok(folder) => folder,
            Err(error) => return self.lost(&format!("what is in it is missing: {}", why(error))),
        };
        let (listing, listed) = Listing::read(&folder, &mut self.buffer);
        if let Err(error) = listed {
            self.lost(&format!("could not be listed to its end: {}", why(error)))?;
        }
        let mark = Mark::of(&folder, &listing);
        self.push(Frame::new(listing, folder, facts, mount, self.path.len(), mark));
        Ok(())
    }

    fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
        let far = self.frames.len().checked_sub(OPEN + 1).and_then(|far| self.frames.get_mut(far));
        if let Some(far) = far {
            far.folder = None;
        }
    }

    /// Leaves the folder at hand for the one above, which may have been closed meanwhile.
    fn ascend(&mut self) -> Result<(), Abandoned> {
        self.frames.pop();
        let Some(above) = self.frames.last_mut() else { return Ok(()) };
        self.path.truncate(above.len);
        if above.folder.is_some() || above.listing.is_done() {
            return Ok(());
        }
        let folder = self.root.folder(&self.path);
        let same =
            |folder: &OwnedFd| Facts::of_open(folder).is_ok_and(|f| f.identity() == above.facts.identity());
        match folder {
            Ok(folder) if same(&folder) => above.folder = Some(folder),
            _ => {
                self.leave_rest::<()>("went away while it was read: the rest of it is missing")?;
            }
        }
        Ok(())
    }

    /// Gives up what is left of the folder on top.
    fn leave_rest<T>(&mut self, text: &str) -> Result<Option<T>, Abandoned> {
        if let Some(frame) = self.frames.last_mut() {
            frame.listing = Listing::default();
            let path = self.path.get(..frame.len).unwrap_or_default();
            let remark = Remark::lost(subject(path), text);
            self.out.give(Item::Remark(remark))?;
        }
        Ok(None)
    }

    /// The name of the entry at hand.
    fn name(&self) -> &[u8] {
        self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    fn note(&mut self, text: &str) -> Result<(), Abandoned> {
        self.out.give(Item::Remark(Remark::note(subject(&self.path), text)))
    }

    fn lost(&mut self, text: &str) -> Result<(), Abandoned> {
        self.out.give(Item::Remark(Remark::lost(subject(&self.path), text)))
    }
}

impl Frame {
    fn new(
        listing: Listing,
        folder: OwnedFd,
        facts: &Facts,
        mount: Mount,
        len: usize,
        mark: Option<Mark>,
    ) -> Self {
        Frame { listing, folder: Some(folder), facts: *facts, mount, len, mark }
    }
}
