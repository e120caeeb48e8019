//! What visitors brought while a restore was under way: it is in the tree that was live, and in no backup.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, mkdirat};
use rustix::io::Errno;
use undercroft_model::{Element, Observer, Remark};
use undercroft_vault::stream::FileTime;

use super::super::facts::Facts;
use super::super::listing::Listing;
use super::super::words::{subject, why};
use super::Written;
use super::ground::{Ground, above, join};
use super::made::Looks;
use super::tally::Tally;

/// So many bytes are compared at once.
const STRETCH: usize = 128 * 1024;

/// Carries over what came too late to be in the safety backup.
pub struct Late<'a> {
    /// What was live.
    pub from: &'a Ground,
    /// What is live.
    pub to: &'a Ground,
    /// Where it is live, by its path.
    pub place: &'a Path,
    /// What changed since then came too late.
    pub since: FileTime,
    /// What is done about changes that can't be kept.
    pub losses: Losses<'a>,
    /// For the observer.
    pub element: Element,
    /// Who is told.
    pub observer: &'a dyn Observer,
}

/// What is done about changes that can't be kept.
#[derive(Clone, Copy)]
pub enum Losses<'a> {
    /// They are told later, when nothing can be taken back any more.
    LeftToTell,
    /// They are told now, but for what the same restore wrote itself.
    Told(&'a [Written]),
}

impl Late<'_> {
    /// Carries over what is at a path of the tree that was live, where `known` was: moving that changed its ctime.
    pub fn carry(&self, path: &[u8], known: Option<u64>) {
        let mut folders = Vec::new();
        match self.from.facts(path) {
            Ok(Some(facts)) if facts.is_folder() => folders.push(path.to_vec()),
            Ok(Some(facts)) if Some(facts.inode) == known && !self.is_late(facts.mtime) => {}
            Ok(Some(facts)) => self.one(path, &facts),
            Ok(None) => {}
            Err(error) => self.lost(path, error),
        }
        let mut buffer = Vec::new();
        while let Some(path) = folders.pop() {
            let listed = self.from.folder(&path).map(|folder| {
                let (listing, read) = Listing::read(&folder, &mut buffer);
                (folder, listing, read)
            });
            let (folder, mut listing) = match listed {
                Ok((folder, listing, Ok(()))) => (folder, listing),
                Ok((_, _, Err(error))) | Err(error) => {
                    self.lost(&path, error);
                    continue;
                }
            };
            while let Some((name, is_folder)) = listing.next() {
                let inside = join(&path, name);
                if is_folder {
                    folders.push(inside);
                } else if let Ok(facts) = Facts::of_name(&folder, name) {
                    self.one(&inside, &facts);
                }
            }
        }
    }

    /// Whether a time is late. Some file systems keep whole seconds, or every other one.
    fn is_late(&self, time: FileTime) -> bool {
        let whole = time.nanos == 0 && time.seconds.saturating_add(2) >= self.since.seconds;
        time >= self.since || whole
    }

    fn one(&self, path: &[u8], facts: &Facts) {
        if !self.is_late(facts.ctime) {
            return;
        }
        match self.to.facts(path) {
            Ok(Some(there)) if there.inode == facts.inode => {}
            _ if self.is_ours(path, facts) => {}
            Ok(Some(there)) if self.is_same(path, facts, &there) => {}
            Ok(Some(_)) => {
                let text = "was changed while the restore was under way: that change is gone, as the archive's version took its place";
                self.tell(path, text);
            }
            Ok(None) => match self.bring(path) {
                Ok(()) => {
                    let text = "came while the restore was under way, and was carried over";
                    self.observer.remark(self.element, Remark::note(subject(path), text));
                }
                Err(error) => self.lost(path, error),
            },
            Err(error) => self.lost(path, error),
        }
    }

    fn bring(&self, path: &[u8]) -> rustix::io::Result<()> {
        for folder in above(path) {
            self.make_like(folder)?;
        }
        self.from.spot(path)?.move_to(&self.to.spot(path)?)
    }

    /// Makes a folder as it was, if it isn't there.
    fn make_like(&self, path: &[u8]) -> rustix::io::Result<()> {
        if self.to.facts(path)?.is_some() {
            return Ok(());
        }
        let spot = self.to.spot(path)?;
        match mkdirat(&spot.folder, spot.name.as_slice(), rustix::fs::Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let Some(facts) = self.from.facts(path)? else { return Ok(()) };
        Looks::of_facts(&facts).set(self.to.folder(path)?, &Vec::new(), path, &Tally::default())
    }

    fn lost(&self, path: &[u8], error: Errno) {
        let text = format!(
            "may have come while the restore was under way, and could not be carried over: {}",
            why(error)
        );
        self.tell(path, &text);
    }

    fn tell(&self, path: &[u8], text: &str) {
        if let Losses::Told(_) = self.losses {
            self.observer.remark(self.element, Remark::lost(subject(path), text));
        }
    }

    /// Whether it is as another element of the same restore wrote it: git lays out what is tracked in here.
    fn is_ours(&self, path: &[u8], facts: &Facts) -> bool {
        let Losses::Told(written) = self.losses else { return false };
        let low = |number: u64| number & u64::from(u32::MAX);
        let place = (!written.is_empty()).then(|| self.place.join(OsStr::from_bytes(path)));
        written.iter().any(|one| {
            let same_time = one.mtime.seconds == facts.mtime.seconds
                && (one.mtime.nanos == facts.mtime.nanos || one.mtime.nanos == 0);
            same_time
                && (low(one.inode), low(one.size)) == (low(facts.inode), low(facts.size))
                && place.as_ref() == Some(&one.path)
        })
    }

    /// Whether what took its place is the same: then nothing is lost. The time of the last change alone does not tell,
    /// which other names of the file move too.
    fn is_same(&self, path: &[u8], facts: &Facts, there: &Facts) -> bool {
        let looks = |facts: &Facts| (facts.kind, facts.size, facts.mode, facts.uid, facts.gid);
        if looks(facts) != looks(there) || facts.kind != FileType::RegularFile {
            return false;
        }
        let open = |ground: &Ground| ground.root().content(&ground.whole(path)).map(File::from);
        let (Ok(old), Ok(new)) = (open(self.from), open(self.to)) else { return false };
        same_content(old, new).unwrap_or(false)
    }
}

/// Compares two files to their ends.
fn same_content(mut old: File, mut new: File) -> io::Result<bool> {
    let (mut one, mut other) = (vec![0; STRETCH], vec![0; STRETCH]);
    loop {
        let (mut got, mut ends) = (0, false);
        while got < STRETCH && !ends {
            let more = old.read(one.get_mut(got..).unwrap_or_default())?;
            (got, ends) = (got + more, more == 0);
        }
        let bytes = other.get_mut(..got).unwrap_or_default();
        if new.read_exact(bytes).is_err() || one.get(..got) != Some(&*bytes) {
            return Ok(false);
        }
        if ends {
            return Ok(new.read(&mut [0])? == 0);
        }
    }
}
