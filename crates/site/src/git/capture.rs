//! Laying out what an archive holds: the repository, its submodules, and what there is to say of them.

use std::path::Path;

use undercroft_model::{Cancelled, Element, Observer, Remark};

use super::error::GitError;
use super::layout::Layout;
use super::locate::Place;
use super::part::{Part, Spot, Want, WorkTree, join};
use super::submodules::{self, Link};
use super::{attributes, changes, convert, shown, times, tree};

/// Submodules in submodules are followed so far.
const DEPTH: usize = 16;
/// So many files are named one by one, of those that something befell.
const NAMED: usize = 20;

/// A capture that is being laid out.
pub(super) struct Capture<'a> {
    pub observer: &'a dyn Observer,
    /// Whether the repository is a mirror of ours.
    pub mirrored: bool,
    /// Where times are remembered.
    pub cache: &'a Path,
    pub scratch: &'a Path,
    /// How many shadows were made in it.
    pub shadows: usize,
    pub parts: Vec<Part>,
    pub layout: Layout,
}

impl Capture<'_> {
    pub fn remark(&self, remark: Remark) {
        self.observer.remark(Element::Code, remark);
    }

    /// What to do about something that a repository lacks.
    pub fn remedy(&self, command: &str) -> String {
        match self.mirrored {
            false => format!("run {command}"),
            true => "a URL gives the repository alone: name a clone that has it instead".to_owned(),
        }
    }

    /// Adds a repository and its submodules.
    pub fn add(&mut self, place: Place, want: &Want<'_>, spot: Spot, depth: usize) -> Result<(), GitError> {
        if self.observer.cancelled() {
            return Err(Cancelled.into());
        }
        self.shadows += 1;
        let scratch = self.scratch.join(self.shadows.to_string());
        let part = Part::open(place, want, spot, scratch)?;
        let nodes = tree::list(&part.shadow.git, &part.found.commit)?;
        let links = submodules::links(&part.shadow, &nodes)?;
        // Git refuses paths that would do harm where they are unpacked; nothing is laid out before.
        let index = part.shadow.write_index(&part.found.commit)?;
        let label = match want {
            Want::Revision(revision) => format!("{revision:?}"),
            Want::Commit(_) => shown(&part.spot.work),
        };
        let times = times::of(&part, &nodes, &label, self.cache, self.observer)?;
        let attributes = attributes::of(&part.shadow, &nodes)?;
        let converted = convert::convert(&part.shadow, &nodes, &attributes)?;
        let tree = WorkTree { at: self.parts.len(), nodes: &nodes, times: &times, converted };
        let missing = part.lay_work_tree(tree, &mut self.layout)?;
        part.lay_git_folder(index, &links, &mut self.layout)?;
        self.tell(&part, &missing)?;
        self.add_lfs(&part, &nodes, &attributes)?;
        let (place, spot) = (part.place.clone(), part.spot.clone());
        self.parts.push(part);
        links.iter().try_for_each(|link| self.add_link(&place, &spot, link, depth))
    }

    /// Adds a submodule, if its repository is at hand.
    fn add_link(&mut self, place: &Place, of: &Spot, link: &Link, depth: usize) -> Result<(), GitError> {
        let work = join(&of.work, &link.path);
        let subject = shown(&work);
        let found = submodules::locate(place, link)?.filter(|_| depth < DEPTH);
        let Some(found) = found else {
            let text = format!(
                "is a submodule whose repository is not here: its commit {} is not in the backup; {}",
                link.commit,
                self.remedy("git submodule update --init")
            );
            self.remark(Remark::lost(subject, text));
            return Ok(());
        };
        let git = match &link.named {
            Some((name, _)) => join(&join(&of.git, b"modules"), name),
            None => join(&work, b".git"),
        };
        match self.add(found, &Want::Commit(link.commit), Spot { work, git }, depth + 1) {
            Err(
                error @ (GitError::Failed { .. } | GitError::Damaged { .. } | GitError::NotARepository(_)),
            ) => {
                let text = format!(
                    "is a submodule whose commit {} could not be captured ({error}); {}",
                    link.commit,
                    self.remedy("git submodule update --init")
                );
                self.remark(Remark::lost(subject, text));
                Ok(())
            }
            other => other,
        }
    }

    /// Says what of a repository is not in the archive, or worth knowing.
    fn tell(&self, part: &Part, missing: &[Vec<u8>]) -> Result<(), GitError> {
        let subject = || shown(&part.spot.work);
        for path in missing.iter().take(NAMED) {
            self.remark(Remark::lost(
                shown(path),
                "has no content in this repository; run git fetch --refetch",
            ));
        }
        if missing.len() > NAMED {
            let text = format!("{} more files have no content in this repository", missing.len() - NAMED);
            self.remark(Remark::lost(subject(), text));
        }
        for store in &part.missing_stores {
            let text = format!(
                "borrows objects from {}, which is not there, or not for its owner to read",
                store.display()
            );
            self.remark(Remark::lost(subject(), text));
        }
        for name in part.refs.broken.iter().chain(&part.shadow.dangling) {
            let text = format!("the reference {name} names an object that is not in the repository");
            self.remark(Remark::lost(subject(), text));
        }
        match &part.changes {
            Ok(changes) => {
                if let Some(text) = changes.and_then(changes::in_words) {
                    self.remark(Remark::note(subject(), text));
                }
            }
            Err(why) => {
                let text = format!("changes that are in no commit could not be counted: {why}");
                self.remark(Remark::note(subject(), text));
            }
        }
        self.tell_of_history(part, subject())
    }

    fn tell_of_history(&self, part: &Part, subject: String) -> Result<(), GitError> {
        if part.shadow.shallow.is_some() {
            let text = "the history is cut short here (a shallow clone): git fetch --unshallow gets the rest";
            self.remark(Remark::note(subject.clone(), text));
        }
        if part.config.promisor().is_some() {
            let absent = part.absent_objects()?;
            if absent > 0 {
                let text = format!(
                    "{absent} objects of the history are not in this repository (a partial clone); git fetch --refetch gets them"
                );
                self.remark(Remark::lost(subject.clone(), text));
            }
        }
        if let Some(unpushed @ 1..) = changes::unpushed(&part.shadow, &part.refs)? {
            let text = match unpushed {
                1 => "1 commit was pushed to no remote (it is in the backup)".to_owned(),
                n => format!("{n} commits were pushed to no remote (they are in the backup)"),
            };
            self.remark(Remark::note(subject, text));
        }
        Ok(())
    }
}
