//! What is to be restored, and what was decided about it.

use serde::{Deserialize, Serialize};
use undercroft_model::{DatabaseFacts, DatabaseTarget, Observer};
use undercroft_vault::sections::SectionSource;
use uuid::Uuid;

use crate::database::load::Rewrite;

/// How a dump comes into the live schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Into a scratch schema first, then switched in by renaming: all or nothing.
    #[default]
    Switch,
    /// Straight over the live tables: needs no other schema and no room for two, but is not all or nothing, and
    /// can't be taken back.
    InPlace,
}

/// What a restore works with, beside what was [`Staged`].
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The live schema, and the account that may change it.
    pub target: &'a DatabaseTarget,
    /// The dump: [`undercroft_vault::sections::Sections`] of an archive.
    pub dump: &'a dyn SectionSource,
    /// What the backup says of the dump.
    pub facts: Option<&'a DatabaseFacts>,
    /// Changes rows on their way.
    pub rewrite: Option<&'a dyn Rewrite>,
    /// Whether tables that are asked for and are not in the dump are to be removed, rather than the restore refused:
    /// a restore that brought a table back is taken back so. See [`Staged::takes_back`].
    pub absent_is_removed: bool,
    /// Whether what is live may be replaced even if it could not be put back: a program whose text the account can't
    /// read, or whose definer it can't set. For whoever wants no safety backup.
    pub may_lose: bool,
    /// Whether the dump is another environment's, so that the settings of this one say what its tables are called.
    pub foreign: bool,
    /// Told of what is done, and asked whether it is still wanted.
    pub observer: &'a dyn Observer,
}

/// What was decided before anything was made. Small, and names everything that the restore will make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// The restore.
    pub id: Uuid,
    /// The live schema, as the server spells it.
    pub schema: String,
    /// The way.
    pub way: Way,
    /// The tables that are restored; `None` for the whole schema.
    pub only: Option<Vec<String>>,
    /// The schema that the dump is loaded into.
    pub scratch: String,
    /// The schema that the live tables go into.
    pub old: String,
    /// Foreign keys of tables in other schemas that refer to tables which are switched.
    #[serde(default)]
    pub outside: Vec<OutsideKey>,
    /// When that was decided, by the server's clock, in seconds since 1970.
    #[serde(default)]
    pub decided: u64,
    /// Accounts that are not there any more, and in whose names programs were live when that was decided. What the dump has
    /// of theirs stays theirs.
    #[serde(default)]
    pub definers: Vec<String>,
    /// Whether a restore is taken back, so that all of it is made as it was: also what was in the names of accounts that are
    /// not there any more.
    #[serde(default)]
    pub takes_back: bool,
}

/// A foreign key of a table in another schema. It follows the table that it refers to when that is renamed, and is made
/// again for the one that has its name then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideKey {
    /// The other schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The key's name.
    pub name: String,
    /// The table that it refers to.
    pub parent: String,
    /// Its definition: ``CONSTRAINT `x` FOREIGN KEY …``.
    pub line: String,
}
