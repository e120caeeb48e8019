//! Restores: what is asked, what would change, what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Element, EnvName, Remark};

/// The `params` of a workflow of the type `restore` or `plan_restore`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreParams {
    /// The file names of the archives: one for each element that is to come back.
    pub archives: Vec<String>,
    /// The environment of the site whose archives they are, if not the one that is restored.
    pub from: Option<EnvName>,
    /// Bring back what the last restore replaced; nothing else is said then.
    pub undo: bool,
    /// Only these tables.
    pub tables: Vec<String>,
    /// Only these files and folders, below the element's top folder.
    pub paths: Vec<String>,
    /// Put what `paths` names, or the whole tree, into this folder and not into place.
    pub to: Option<PathBuf>,
    /// Go without a backup of what is there now.
    pub no_safety_backup: bool,
    /// Load the database over the one that is there, where no scratch schema can be made.
    pub in_place: bool,
    /// Remove from a work tree what git does not track; what it ignores always stays.
    pub remove_untracked: bool,
    /// Go on without what is damaged in the vault, which stays as it is.
    pub skip_damaged: bool,
    /// Texts to be replaced in the database's rows, in this order.
    pub search_replace: Vec<(String, String)>,
}

/// The `params` of `restore_code`, `restore_database` and `restore_files`, as Terminus sends them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreOneParams {
    /// `<site uuid>/<env>/<folder>/<filename>`.
    pub key: String,
}

/// So many of something, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How many.
    pub number: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a restore changes in a tree of files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeChanges {
    /// Files and folders that are not there now.
    pub added: Count,
    /// Those that are another way now.
    pub changed: Count,
    /// Those that the archive does not have.
    pub removed: Count,
    /// Those that are as they were.
    pub unchanged: Count,
    /// Those that stay though the archive does not have them: what the site makes again by itself, and others'.
    pub kept: Count,
    /// The first of the changes: `added`, `changed`, `removed` and the path.
    pub first: Vec<(String, String)>,
}

/// What a restore changes of one table, view, trigger, routine or event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableChange {
    /// Its name.
    pub name: String,
    /// `table`, `view`, `sequence`, `trigger`, `routine` or `event`.
    pub kind: String,
    /// `added`, `replaced` or `removed`.
    pub change: String,
    /// Rows in the archive, if it has rows and they were counted.
    pub rows: Option<u64>,
    /// Bytes in the archive, as text.
    pub bytes: u64,
    /// Rows that are there now; the server's estimate.
    pub rows_now: Option<u64>,
    /// Bytes that are there now; the server's estimate.
    pub bytes_now: Option<u64>,
}

/// What a restore changes in a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitChanges {
    /// The commit that is checked out now.
    pub from: Option<String>,
    /// The archived commit.
    pub to: String,
    /// The branch that moves, if one does.
    pub branch: Option<String>,
    /// Commits that only the archive has.
    pub ahead: u64,
    /// Commits that the archive does not have.
    pub behind: u64,
    /// The first of both: `+` or `-`, id, subject.
    pub first: Vec<(char, String, String)>,
    /// Changes that are in no commit, and are put aside.
    pub uncommitted: u64,
    /// Files that git does not track.
    pub untracked: u64,
}

/// What one element of a restore changes, or changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ElementChanges {
    /// The archive that it comes from.
    pub archive: String,
    /// How it is done, as a sentence.
    pub way: String,
    /// Of trees.
    pub tree: Option<TreeChanges>,
    /// Of databases.
    pub tables: Option<Vec<TableChange>>,
    /// Of repositories.
    pub commits: Option<CommitChanges>,
    /// What else is to be said.
    pub remarks: Vec<Remark>,
}

/// The `outcome` of a restore, or of the look at what it would change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RestoreOutcome {
    /// The elements.
    pub elements: BTreeMap<Element, ElementChanges>,
    /// Where they went, if not into place.
    pub to: Option<PathBuf>,
    /// What to do now, as sentences.
    pub advice: Vec<String>,
    /// Whether what was there before is kept, so that it can be undone.
    pub can_be_undone: bool,
}

/// What became of a restore that was stopped, as the next command found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryObject {
    /// Whether the environment is in one of the two states, and all is cleaned up.
    pub settled: bool,
    /// What became of it, as a sentence.
    pub text: String,
}
