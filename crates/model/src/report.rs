//! What a backup says of itself: kept in the vault's record, in the catalog, and shown in lists.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ArchiveName, BackupFolder, Element, EnvName, Remark, SiteName, Weight};

/// What is known of a backup beside its archives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The backup.
    pub id: Uuid,
    /// Its site.
    pub site: Uuid,
    /// What the site was called.
    pub site_name: SiteName,
    /// Its environment.
    pub env: EnvName,
    /// Its folder name; begins with the second in which it started.
    pub folder: BackupFolder,
    /// The one moment at which the database's snapshot opened, the commit was read and the walk of the files
    /// began.
    pub moment: Timestamp,
    /// When it was done.
    pub finished: Timestamp,
    /// Until when it is kept.
    pub expires: Timestamp,
    /// The release that made it.
    pub program: String,
    /// Whether it holds what a restore replaced. The site may have been broken then, so it is never taken unasked, and
    /// stands in for no other backup.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
    /// What became of each element that was asked for.
    pub elements: BTreeMap<Element, ElementReport>,
}

impl BackupReport {
    /// The name of an element's archive.
    pub fn archive_name(&self, element: Element) -> ArchiveName {
        ArchiveName { site: self.site_name.clone(), env: self.env.clone(), folder: self.folder, element }
    }

    /// Whether every element that was asked for is whole.
    pub fn is_good(&self) -> bool {
        self.elements.values().all(|report| report.state == ElementState::Good)
    }
}

/// How an element came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementState {
    /// Whole, as its evidence shows.
    Good,
    /// There is an archive, but something that should be in it is not, or not as it was.
    Incomplete,
    /// There is no archive.
    Failed,
}

/// What became of one element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElementReport {
    /// How it came out.
    pub state: ElementState,
    /// Why there is no archive.
    pub error: Option<String>,
    /// Length of the archive as it is downloaded, in bytes.
    pub size: u64,
    /// Bytes of its stream, before deflate.
    pub raw: u64,
    /// Bytes of the stream that were read from the site.
    pub read: u64,
    /// Bytes of the stream that were taken from an earlier backup without a look at the site.
    pub reused: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// What was found in it.
    pub facts: Option<Facts>,
    /// The first [`REMARKS_MAX`] of what there is to say.
    pub remarks: Vec<Remark>,
    /// How many remarks there were.
    pub remarks_total: u64,
    /// How many of them weigh [`Weight::Lost`].
    pub lost_total: u64,
}

/// So many remarks are kept; those that weigh most come first.
pub const REMARKS_MAX: usize = 200;

impl ElementReport {
    /// The remarks that make the element incomplete.
    pub fn lost(&self) -> impl Iterator<Item = &Remark> {
        self.remarks.iter().filter(|remark| remark.weight == Weight::Lost)
    }
}

/// The evidence of one element: what was counted in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Facts {
    /// Of code.
    Code(CodeFacts),
    /// Of a database.
    Database(DatabaseFacts),
    /// Of files.
    Files(FilesFacts),
}

/// What is known of an archive of code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFacts {
    /// The commit whose work tree is in it; `None` for a folder that is in no repository.
    pub commit: Option<String>,
    /// When that commit was made.
    pub committed: Option<Timestamp>,
    /// The branch or tag it was found by; `None` for a detached HEAD or a plain folder.
    pub reference: Option<String>,
    /// Branches, tags and other references in it.
    pub references: u64,
    /// Changes of the work tree that are in no commit, and so not in the archive.
    pub uncommitted: u64,
    /// Commits that no remote is known to have; they are in the archive. `None` without a remote.
    pub unpushed: Option<u64>,
    /// Entries of its tree, and what was left out of a plain folder.
    #[serde(flatten)]
    pub tree: FilesFacts,
}

/// What is known of an archive of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// What the server calls itself: `MariaDB 10.11.14`, `MySQL 8.4.3`.
    pub server: String,
    /// The schema.
    pub schema: String,
    /// Base tables.
    pub tables: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Views.
    pub views: u64,
    /// Triggers.
    pub triggers: u64,
    /// Stored procedures, functions and packages.
    pub routines: u64,
    /// Events.
    pub events: u64,
    /// Sequences.
    pub sequences: u64,
    /// Bytes of the longest row as text.
    pub longest_row: u64,
    /// What the rows of each table come to, as the snapshot had them; empty in older backups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<TableContent>,
}

/// What the rows of one table come to: evidence that a dump can be compared with once it is loaded again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContent {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sum, modulo 2⁶⁴, of each row's hash (XXH3, 64 bits) as the server sent the row, before anything was
    /// made of it. The order of rows is not in it.
    pub sum: u64,
}

/// What is known of an archive of files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesFacts {
    /// Entries of every kind.
    pub entries: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of all their content.
    pub content: u64,
    /// What was left out, by the pattern or mark that says so.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// What one pattern or mark left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The pattern, `CACHEDIR.TAG`, `.donotbackup`, or what else says so.
    pub reason: String,
    /// Entries left out; a folder is counted with all that is in it.
    pub entries: u64,
    /// Bytes of the files among them.
    pub bytes: u64,
}
