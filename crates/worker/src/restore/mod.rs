//! Restores elements of an environment: all or nothing, and over a kill at any point.
//!
//! Everything is decided first ([`part`]) and written into a [`journal`]; then it is prepared beside the live
//! environment; then, element by element, made live; then what was live before is removed, and the journal last.
//! [`recover`] ends what a program that was killed has begun. [`plan`] only tells what would change.

mod clean;
pub mod error;
mod foreign;
mod git;
pub mod journal;
mod objects;
pub mod part;
mod plan;
mod recover;
mod run;
mod take_out;
mod tree;

use std::path::Path;

use undercroft_model::{Element, EnvName, EnvSettings, Facts, SiteName};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::FileTime;
use uuid::Uuid;

pub use error::RestoreError;
pub use journal::{Held, Journal, JournalError, Phase, hold, is_held};
pub(crate) use objects::{What, folder as scratch, lay_out, remove as remove_scratch};
pub use plan::plan;
pub use recover::{Outcome, RecoverError, forget_litter, recover};
pub use run::{Restored, check, restore};
pub use take_out::{TakeOutOrder, take_out};
pub use undercroft_site::files::restore::now;

/// For so many days a restore can be undone: what was there before is kept as long.
pub const SAFETY_DAYS: u64 = 30;

/// A restore that is to be done.
#[derive(Clone)]
pub struct RestoreOrder {
    /// Its id.
    pub id: Uuid,
    /// The site.
    pub site: Uuid,
    /// What the site is called.
    pub site_name: SiteName,
    /// The environment that is restored.
    pub env: EnvName,
    /// Where its elements are.
    pub settings: EnvSettings,
    /// What comes back, an archive for each element.
    pub elements: Vec<ElementOrder>,
    /// These tables alone; all if there are none.
    pub tables: Vec<String>,
    /// These files and folders alone; all if there are none.
    pub paths: Vec<String>,
    /// Load the database over what is there.
    pub in_place: bool,
    /// Remove from a work tree what git does not track.
    pub remove_untracked: bool,
    /// Replace what could not be put back, too: nobody wants a safety backup.
    pub may_lose: bool,
    /// Go on without what is damaged in the vault.
    pub skip_damaged: bool,
    /// Texts to be replaced in the database's rows.
    pub search_replace: Vec<(String, String)>,
    /// The archives are another environment's.
    pub foreign: bool,
    /// The restore that this one takes back, if it does: a repository then goes back to what it was before it.
    pub takes_back: Option<Uuid>,
}

/// One element that is to come back.
#[derive(Clone)]
pub struct ElementOrder {
    /// The element.
    pub element: Element,
    /// The backup that it comes from.
    pub backup: Uuid,
    /// The archive.
    pub archive: ArchiveRecord,
    /// What was counted in it.
    pub facts: Option<Facts>,
    /// The archive of what is there now, and when its capture began: the safety backup's.
    pub now: Option<(ArchiveRecord, FileTime)>,
}

/// Where a restore keeps its journal, and who keeps it.
#[derive(Debug, Clone, Copy)]
pub struct JournalPlace<'a> {
    /// The folder of all journals.
    pub folder: &'a Path,
    /// The program.
    pub worker: Uuid,
}
