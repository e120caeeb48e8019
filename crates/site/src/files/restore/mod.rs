//! A tree comes back from the vault into its place: all of it, or named files and folders alone.
//!
//! [`plan`] tells what would change. Otherwise [`stage`] decides where and how, and makes nothing; [`prepare`] lays the
//! tree out in a hidden folder on the same file system, where unchanged files are links to the live ones; [`switch`]
//! exchanges it with what is live; [`switch_back`] undoes that; [`clean_up`] removes what is left. Each may be
//! killed at any point and called again in another process: what was made is known from the [`Staged`], which the
//! caller keeps, and from a list beside the laid-out tree (`made`).
//!
//! What the archive does not hold by design (caches, marked folders, mounted file systems, other elements' folders) and
//! what is not to come from it (credentials) is moved along (`kept`). What visitors upload meanwhile is
//! carried over after the switch (`late`).

mod clean;
mod compared;
mod error;
mod ground;
mod hand;
mod kept;
mod late;
mod layout;
mod looks;
mod made;
mod plan;
mod prepare;
mod remove;
mod shared;
mod stage;
mod switch;
mod take_out;
mod tally;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use undercroft_model::{Element, Muted, Observer};
use undercroft_vault::Vault;
use undercroft_vault::index::Index;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::FileTime;
use uuid::Uuid;

pub use error::{CleanUpError, PrepareError, StageError, SwitchError, TakeOutError};

use super::Skip;
use layout::Source;
use switch::Switch;

/// What is to come back, and what is to stay.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// For the observer.
    pub element: Element,
    /// The live folder; a symlink here is followed, and nowhere below. It need not exist.
    pub live: &'a Path,
    /// The archive to restore.
    pub archive: &'a ArchiveRecord,
    /// An archive of what is live now, just taken: the safety backup. Saves reading what did not change.
    pub now: Option<Now<'a>>,
    /// These files and folders alone, by their paths below the live folder; all if `None`.
    pub only: Option<&'a [Vec<u8>]>,
    /// Named paths that the archive lacks are removed rather than refused: it is of the time before they came.
    pub absent_is_removed: bool,
    /// What the archive leaves out by design and stays as it is: patterns as in
    /// [`TreeOptions::exclude`](super::TreeOptions::exclude).
    pub keep: &'a [String],
    /// What stays if it exists, and never comes from the archive, such as credentials: patterns of the same kind.
    pub protect: &'a [String],
    /// Folders and files inside that belong to other elements, and stay as they are.
    pub skip: &'a [Skip<'a>],
    /// Whether to go on without what is damaged in the vault, which then stays as it is; it is told as lost.
    pub skip_damaged: bool,
    /// Names this restore: no two have the same.
    pub id: Uuid,
}

/// An archive of what is live.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The archive.
    pub archive: &'a ArchiveRecord,
    /// When its walk began, by this machine's clock ([`now`]). What changed later is not trusted to be in it.
    pub captured: FileTime,
}

/// The time by the clock that the kernel stamps files with.
pub fn now() -> FileTime {
    super::mounts::now()
}

/// What is said of what is not restored though nothing is in its place.
pub const HELD_BACK: &str = "is not restored: it may hold the credentials of the environment that the archive is of, and there is none here";

/// Entries and the bytes of their content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Entries: files, folders, links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// What a restore would do to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It is not there and comes back.
    Added,
    /// It is there and becomes another.
    Changed,
    /// It is there and goes.
    Removed,
}

/// What a restore would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What comes back.
    pub added: Sum,
    /// What becomes another; bytes as they will be.
    pub changed: Sum,
    /// What goes.
    pub removed: Sum,
    /// What is the same. Nothing for named paths with a safety backup.
    pub unchanged: Sum,
    /// Things that stay though the archive does not have them, or has them otherwise: topmost paths only.
    pub kept: u64,
    /// What is not restored since it may hold another's credentials, and is not there: topmost paths, escaped where
    /// they are not UTF-8.
    #[serde(default)]
    pub held_back: Vec<String>,
    /// Some of the paths that change, escaped where they are not UTF-8.
    pub samples: Vec<(Effect, String)>,
}

/// Where the tree is laid out, and what is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Beside the live folder; whole folders are exchanged.
    Beside,
    /// In a hidden folder inside the live folder, whose children are exchanged one by one: it is a mount point, or
    /// holds one that stays, or its parent may not be written to.
    Within,
}

/// A file that another element's restore wrote, as it was then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Where it was.
    pub path: PathBuf,
    /// Its number, or the lower 32 bits of it.
    pub inode: u64,
    /// Its size, or the lower 32 bits of it.
    pub size: u64,
    /// When its content last changed.
    pub mtime: FileTime,
}

/// What was decided. To be kept durably before [`prepare`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Names the restore.
    pub id: Uuid,
    /// For the observer.
    pub element: Element,
    /// The live folder with all symlinks on the way to it followed.
    pub place: PathBuf,
    /// How it is switched.
    pub way: Way,
    /// The hidden folder that holds everything that is made.
    pub stage: PathBuf,
    /// Folders above `place` that have to be made, outermost first.
    pub parents: Vec<PathBuf>,
    /// Whether only named paths are restored.
    pub partial: bool,
    /// Unix seconds and nanoseconds: what changed in the live folder since then is in no backup.
    pub since: (i64, u32),
}

/// What [`prepare`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Entries laid out.
    pub entries: Sum,
    /// Files among them that are links to the live ones.
    pub linked: Sum,
    /// Files among them that were written.
    pub written: Sum,
    /// Things that stay.
    pub kept: u64,
}

/// Tells what a restore would change. Reads manifests, and what `stat` says of the live folder; no content.
///
/// # Errors
/// [`StageError`] as of [`stage`], which is what a restore would be refused for: rights and room too.
pub fn plan(
    order: &Order<'_>,
    vault: &Vault,
    index: &Arc<Index>,
    observer: &dyn Observer,
) -> Result<Plan, StageError> {
    let now = order.now.map(|now| now.archive);
    stage(order, vault, index, &Muted(observer))?;
    plan::plan(order, Source { vault, index, archive: order.archive, now }, observer)
}

/// Looks, decides, and refuses what can't work. Makes nothing.
///
/// # Errors
/// [`StageError`] if rights or room are missing, or the order makes no sense.
pub fn stage(
    order: &Order<'_>,
    vault: &Vault,
    index: &Arc<Index>,
    observer: &dyn Observer,
) -> Result<Staged, StageError> {
    let now = order.now.map(|now| now.archive);
    stage::stage(order, Source { vault, index, archive: order.archive, now }, observer)
}

/// Lays everything out, durably. Nothing live changes but the number of names of files.
///
/// # Errors
/// [`PrepareError`]; [`clean_up`] then removes what was made.
pub fn prepare(
    staged: &Staged,
    order: &Order<'_>,
    vault: &Vault,
    index: &Arc<Index>,
    observer: &dyn Observer,
) -> Result<Prepared, PrepareError> {
    let now = order.now.map(|now| now.archive);
    prepare::prepare(staged, order, Source { vault, index, archive: order.archive, now }, observer)
}

/// Makes what was prepared live.
///
/// # Errors
/// [`SwitchError`], which says whether everything is as it was before.
pub fn switch(staged: &Staged, observer: &dyn Observer) -> Result<(), SwitchError> {
    match Switch::open(staged)? {
        Some(switch) => switch.forward(observer),
        None => Err(SwitchError::NotPrepared(staged.stage.clone())),
    }
}

/// Makes live again what was before [`switch`]. Nothing if it was not switched.
///
/// # Errors
/// [`SwitchError`] if something could not be put back; it can be tried again.
pub fn switch_back(staged: &Staged, observer: &dyn Observer) -> Result<(), SwitchError> {
    Switch::open(staged)?.map_or(Ok(()), |switch| switch.back(observer))
}

/// Ends what was left half done, carries over what visitors brought meanwhile, and tells which of their changes are lost.
/// What other elements' restores wrote in the folder meanwhile is `written`. To be done for all elements before
/// [`remove_stage`] is for any: removing changes files that have a name in another one's tree too.
///
/// # Errors
/// [`SwitchError`] if it could not be ended; it can be tried again.
pub fn finish(staged: &Staged, written: &[Written], observer: &dyn Observer) -> Result<(), SwitchError> {
    Switch::open(staged)?.map_or(Ok(()), |switch| switch.finish(written, observer))
}

/// Removes whatever is left of staging once it was [finished](finish), and nothing live.
///
/// # Errors
/// [`CleanUpError`] if something could not be removed; it can be tried again.
pub fn remove_stage(staged: &Staged, observer: &dyn Observer) -> Result<(), CleanUpError> {
    clean::remove(staged, observer)
}

/// Both: [`finish`], and removes whatever is left of staging, and nothing live.
///
/// # Errors
/// [`CleanUpError`] if something could not be removed; it can be tried again.
pub fn clean_up(staged: &Staged, observer: &dyn Observer) -> Result<(), CleanUpError> {
    clean::clean_up(staged, observer)
}

/// Lays an archive out in another folder, which is made if it isn't there.
///
/// # Errors
/// [`TakeOutError`], also if anything of it is there already; nothing of it is left in the folder then. What a process
/// that was killed leaves there is known from [`TakeOut::staged`], which the caller keeps.
pub fn take_out(
    order: &TakeOut<'_>,
    vault: &Vault,
    index: &Arc<Index>,
    observer: &dyn Observer,
) -> Result<Prepared, TakeOutError> {
    take_out::take_out(order, Source { vault, index, archive: order.archive, now: None }, observer)
}

impl TakeOut<'_> {
    /// What [`take_out`] makes on the way: after a kill, [`clean_up`] removes it. What was in its place by then stays.
    ///
    /// # Errors
    /// [`StageError`] if the way to the folder can't be followed.
    pub fn staged(&self) -> Result<Staged, StageError> {
        take_out::staged(self)
    }
}

/// What is to be laid out elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct TakeOut<'a> {
    /// For the observer.
    pub element: Element,
    /// The archive.
    pub archive: &'a ArchiveRecord,
    /// These files and folders alone; all if `None`.
    pub only: Option<&'a [Vec<u8>]>,
    /// The folder that they come into, each under its whole path.
    pub to: &'a Path,
    /// Whether to go on without what is damaged in the vault; it is told as lost.
    pub skip_damaged: bool,
    /// Names this work: no two have the same.
    pub id: Uuid,
}
