//! An archived commit put back into an environment's git repository, in phases, and undoable.
//!
//! [`plan`] tells what would happen. [`stage`] looks, refuses what can't work and decides; [`prepare`] sees to it
//! that the repository has all objects, and keeps the work tree as it is now, uncommitted changes and all, as a
//! commit under `refs/undercroft/before/<id>`; [`switch`] moves the branch, the index and the work tree.
//! [`switch_back`] undoes that within the same restore, [`undo`] at any time later, until [`forget`].
//!
//! What moves: with [`CodeRevision::Head`] the branch that HEAD is on, or the one that it was on at the time of the
//! backup, to which HEAD then goes back (a detached HEAD stays detached and moves itself); with [`CodeRevision::Branch`] that branch, and the work tree follows only if it is the one that is checked
//! out there; with [`CodeRevision::Tags`] no tag is made or moved: HEAD is detached at the archived commit.
//!
//! Where there is no repository any more an empty one is made: see `founding`.
//!
//! Git is run as the repository's owner, with a configuration of ours and no hooks, so that files keep their owner
//! and nothing that lies in the repository runs.

mod bring;
mod desk;
mod error;
mod founding;
mod keep;
mod laid;
mod look;
mod modes;
mod plan;
mod stage;
mod switch;
mod travel;
mod undo;
mod view;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use undercroft_model::{Cancelled, CodeRevision, Element, Observer, Remark};
use uuid::Uuid;

pub use error::RestoreError;

use super::Between;
use crate::files::restore::Written;
use bring::BROUGHT;
use desk::{Desk, Repo};
use founding::Founding;
use keep::BEFORE;
use view::Wishes;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The environment's repository: the path of a work tree or of a bare repository.
    pub repository: String,
    /// Which commit of it is the environment's.
    pub revision: CodeRevision,
    /// The archived commit, in hexadecimal digits.
    pub commit: String,
    /// The branch that was checked out when the commit was archived, if it is to be checked out again.
    pub branch: Option<String>,
    /// Names the restore, and what is kept for undoing it.
    pub id: Uuid,
    /// Patterns, as `.gitignore` has them, of files that stay as they are in the work tree.
    pub protect: Vec<String>,
    /// Files that stay as they are too, by their real paths, as far as they are in the work tree.
    pub protect_files: Vec<PathBuf>,
    /// Whether files go that git neither knows nor was told to ignore.
    pub remove_untracked: bool,
    /// Folders whose files don't go even then: they are no code.
    pub spare: Vec<PathBuf>,
    /// A folder in which the archive's repository was laid out, for what the environment's may lack
    /// (see [`needs_objects`]). It must be there until [`prepare`] has ended.
    pub objects: Option<PathBuf>,
}

/// What a restore would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The branch that would move; `None` if HEAD itself would.
    pub branch: Option<String>,
    /// The commit that is the environment's now; `None` if nothing was committed yet.
    pub from: Option<String>,
    /// The archived commit.
    pub to: String,
    /// Whether a work tree would follow.
    pub work_tree: bool,
    /// Whether the commit has to be taken out of the archive first: what follows can't be told before.
    pub needs_objects: bool,
    /// The commits between; `None` if they can't be told.
    pub between: Option<Between>,
    /// Tracked files whose content or kind would change, on top of what was committed: hacked ones too.
    pub changed: Vec<String>,
    /// Files that would appear.
    pub added: Vec<String>,
    /// Tracked files that would go.
    pub removed: Vec<String>,
    /// Files with changes that are in no commit, which would be put aside.
    pub put_aside: Vec<String>,
    /// Untracked files that would go, because that was asked for, or because the commit has others in their place.
    pub untracked_removed: Vec<String>,
    /// How many untracked files and folders stay.
    pub untracked_kept: u64,
    /// Files of the commit that would stay as the work tree has them.
    pub protected: Vec<String>,
    /// What else a person should know.
    pub notes: Vec<String>,
}

/// A restore that was decided on: all that the other phases need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Names the restore.
    pub id: Uuid,
    /// What a person should know.
    pub notes: Vec<String>,
    protect: Vec<String>,
    remove_untracked: bool,
    /// As they are called, and where they really are.
    #[serde(default)]
    spare: Vec<PathBuf>,
    /// The environment's own repository, then its submodules.
    parts: Vec<Part>,
}

/// What is to happen to one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    repo: Repo,
    /// The reference that moves; `None` if HEAD itself does.
    branch: Option<String>,
    /// Whether index and work tree follow.
    follows: bool,
    /// What HEAD was: `ref: refs/heads/main` or a commit.
    head: String,
    /// Where the branch, or HEAD, was.
    tip: Option<String>,
    /// Where it goes.
    commit: String,
    /// The git folder of the archive's repository, if one was laid out.
    objects: Option<PathBuf>,
    /// Whether HEAD goes to the branch, from another one that stays where it is.
    #[serde(default)]
    attaches: bool,
    /// How the repository is made, if there is none.
    #[serde(default)]
    founding: Option<Founding>,
}

/// A state of a repository that is kept for undoing a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The restore.
    pub id: Uuid,
    /// The commit that holds it.
    pub commit: String,
    /// When it was kept, in Unix seconds.
    pub seconds: i64,
}

/// Whether the archive's repository has to be laid out before the restore is staged, because the environment's lacks
/// the commit, or a submodule lacks its own.
///
/// # Errors
/// [`RestoreError`] if the repository can't be looked at.
pub fn needs_objects(order: &Order) -> Result<bool, RestoreError> {
    stage::needs_objects(order)
}

/// Tells what a restore would do. Nothing is written but scratch files in `cache`, which go again.
///
/// # Errors
/// [`RestoreError`]: what [`stage`] would refuse is refused here too, unless the objects are missing.
pub fn plan(order: &Order, cache: &Path) -> Result<Plan, RestoreError> {
    plan::plan(order, cache)
}

/// Looks at the repository, refuses what can't work, and decides what will be done. Makes nothing but scratch files
/// in `cache`, which go again.
///
/// # Errors
/// [`RestoreError`], with what to do about it.
pub fn stage(order: &Order, cache: &Path) -> Result<Staged, RestoreError> {
    stage::stage(order, cache)
}

/// Makes the repository if there is none, brings the objects into it, and keeps its state as it is now. Nothing live
/// changes but that.
///
/// # Errors
/// [`RestoreError`]; then [`clean_up`] is due.
pub fn prepare(staged: &Staged, observer: &dyn Observer) -> Result<(), RestoreError> {
    for part in &staged.parts {
        if observer.cancelled() {
            return Err(Cancelled.into());
        }
        if let Some(founding) = &part.founding {
            founding.make(&part.repo, staged.id)?;
        }
        let desk = Desk::writing(&part.repo, staged.id)?;
        bring::bring(&desk, part, &staged.reference(BROUGHT), observer)?;
        observer.doing(Element::Code, "keeping the code as it is now");
        keep::save(&desk, part, &part.commit, &staged.wishes(), &staged.reference(BEFORE))?;
    }
    staged.notes.iter().for_each(|note| observer.remark(Element::Code, Remark::note("", note.clone())));
    Ok(())
}

/// Moves the environment's branch, index and work tree to the archived commit. May be called again, by any process,
/// after it was killed or had finished. What was changed since [`prepare`] is kept for [`undo`] as well.
///
/// # Errors
/// [`RestoreError`]; all is as it was, unless it is [`RestoreError::HalfWay`].
pub fn switch(staged: &Staged, observer: &dyn Observer) -> Result<(), RestoreError> {
    observer.doing(Element::Code, "checking the archived commit out");
    let Err(why) = staged.parts.iter().try_for_each(|part| switch::switch(staged, part)) else {
        return Ok(());
    };
    match switch_back(staged) {
        Ok(()) => Err(why),
        Err(back) => {
            let called = staged.parts.first().map(|part| part.repo.called.clone());
            Err(RestoreError::HalfWay {
                repository: called.unwrap_or_default(),
                reference: staged.reference(BEFORE),
                back: back.to_string(),
                why: Box::new(why),
            })
        }
    }
}

/// Goes back to what was before [`switch`], if that was begun. May be called again.
///
/// # Errors
/// [`RestoreError`]; what was before is still kept.
pub fn switch_back(staged: &Staged) -> Result<(), RestoreError> {
    staged.parts.iter().rev().try_for_each(|part| switch::back(staged, part))
}

/// The files below a folder that [`switch`] wrote, or found as they were to be: no visitor's.
///
/// # Errors
/// [`RestoreError`] if the index can't be read.
pub fn laid_out(staged: &Staged, below: &Path) -> Result<Vec<Written>, RestoreError> {
    laid::laid_out(staged, below)
}

/// Removes what is left of the staging. What is kept for undoing a restore that was switched stays; that of one that
/// was not goes.
///
/// # Errors
/// [`RestoreError`].
pub fn clean_up(staged: &Staged) -> Result<(), RestoreError> {
    staged.parts.iter().try_for_each(|part| switch::clean_up(staged, part))
}

/// Goes back to what was before a restore: branch, HEAD, index, and the work tree with the changes and untracked
/// files that were put aside. What is there now is kept under `refs/undercroft/undone/<id>`. May be called again.
///
/// # Errors
/// [`RestoreError`]; all is as it was, unless it is [`RestoreError::HalfWay`]. [`RestoreError::NothingKept`] if there
/// is nothing to go back to.
pub fn undo(repository: &str, id: Uuid) -> Result<(), RestoreError> {
    undo::undo(repository, id)
}

/// Keeps what the restore `id` was [undone](undo) from for `again` to be undone in its turn. May be called again.
///
/// # Errors
/// [`RestoreError`]; [`RestoreError::NothingKept`] if `id` was not undone.
pub fn keep_undone(repository: &str, id: Uuid, again: Uuid) -> Result<(), RestoreError> {
    undo::keep_undone(repository, id, again)
}

/// Whether a backup of a repository has anything to hold: it is there, and something was committed in it. What can't be
/// told is taken for a yes.
#[must_use]
pub fn has_code(repository: &str, revision: &CodeRevision) -> bool {
    founding::has_code(repository, revision)
}

/// The restores that can be undone, the oldest first; none if there is no repository any more.
///
/// # Errors
/// [`RestoreError`] if the repository can't be read.
pub fn kept(repository: &str) -> Result<Vec<Kept>, RestoreError> {
    undo::kept(repository)
}

/// Forgets what was before a restore, and what it was undone from: it can't be undone any more.
///
/// # Errors
/// [`RestoreError`] if the repository can't be written.
pub fn forget(repository: &str, id: Uuid) -> Result<(), RestoreError> {
    undo::forget(repository, id)
}

/// Forgets what was before restores, and what they were undone from, that was kept before a moment in Unix seconds.
///
/// # Errors
/// [`RestoreError`] if the repository can't be written.
pub fn forget_older(repository: &str, than: i64) -> Result<(), RestoreError> {
    undo::forget_older(repository, than)
}

impl Part {
    /// Where HEAD itself goes; `None` if it stays on its branch.
    fn goal_of_head(&self) -> Option<String> {
        match &self.branch {
            None => Some(self.commit.clone()),
            Some(branch) => self.attaches.then(|| format!("ref: {branch}")),
        }
    }
}

impl Staged {
    fn reference(&self, folder: &str) -> String {
        format!("{folder}{}", self.id)
    }

    fn wishes(&self) -> Wishes<'_> {
        let (protect, spare) = (&self.protect, &self.spare);
        Wishes { protect, remove_untracked: self.remove_untracked, spare }
    }
}
