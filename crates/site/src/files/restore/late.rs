//! What visitors brought while a restore was under way: it is in the tree that was live, and in no backup.

use rustix::fs::mkdirat;
use rustix::io::Errno;
use undercroft_model::{Element, Observer, Remark};
use undercroft_vault::stream::FileTime;

use super::super::facts::Facts;
use super::super::listing::Listing;
use super::super::words::{subject, why};
use super::ground::{Ground, above, join};
use super::made::Looks;
use super::tally::Tally;

/// Carries over what came too late to be in the safety backup.
pub struct Late<'a> {
    /// What was live.
    pub from: &'a Ground,
    /// What is live.
    pub to: &'a Ground,
    /// What changed since then came too late.
    pub since: FileTime,
    /// For the observer.
    pub element: Element,
    /// Who is told.
    pub observer: &'a dyn Observer,
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
            Ok(Some(_)) => {
                let text = "was changed while the restore was under way: that change is gone, as the archive's version took its place";
                self.observer.remark(self.element, Remark::lost(subject(path), text));
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
        self.observer.remark(self.element, Remark::lost(subject(path), text));
    }
}
