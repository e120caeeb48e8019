//! What becomes of backups: how long they are kept, the trash, proofs, sweeps, copies.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Element, EnvName, SiteName};

/// How long a backup is listed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptObject {
    /// Unix seconds; `null` where nothing but a newer backup, or a person, ends it.
    pub until: Option<f64>,
    /// `keep-for`, `prolonged`, `pinned` or `last-good`.
    pub why: String,
    /// What the person who said so had to say.
    #[serde(default)]
    pub note: String,
}

/// A backup's last proof.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProvenObject {
    /// Unix seconds.
    pub at: f64,
    /// Whether it was restored and compared, not only read.
    pub deep: bool,
    /// Whether nothing was wrong.
    pub good: bool,
    /// What came out, as a sentence.
    pub summary: String,
}

/// Where a backup lies that is listed nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrashObject {
    /// Unix seconds.
    pub since: f64,
    /// Until when it can be brought back; `null` if that can't be told.
    pub until: Option<f64>,
    /// `deleted` or `expired`.
    pub why: String,
}

/// The body of `PUT …/backups/catalog/<folder>/keep`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepParams {
    /// Seconds from now; none: for ever.
    pub ttl: Option<i64>,
    /// A word for those who wonder later.
    pub note: String,
}

/// The `params` of a workflow of the type `verify`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerifyParams {
    /// The backups' folders; the newest if there are none.
    pub folders: Vec<String>,
    /// These elements; all if there are none.
    pub elements: Vec<Element>,
    /// All backups of the environment.
    pub all: bool,
    /// Restore databases and repositories too, and compare.
    pub deep: bool,
}

/// What a proof found in one backup: part of the `outcome` of `verify`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifiedBackup {
    /// The backup's folder.
    pub folder: String,
    /// Whether nothing is wrong.
    pub good: bool,
    /// The archives.
    pub archives: Vec<VerifiedArchive>,
}

impl VerifiedBackup {
    /// Whether any archive was read. Of a backup of which none was, nothing is known.
    pub fn was_read(&self) -> bool {
        self.archives.iter().any(|archive| !archive.proven.is_empty() || archive.problems_total > 0)
    }
}

/// What a proof found in one archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifiedArchive {
    /// Its name.
    pub archive: String,
    /// What was proven, as words; empty if nothing was read.
    pub proven: String,
    /// What is wrong, a sentence each; the first of many.
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problems_total: u64,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
    /// Whether it was to be restored and compared, and could not be.
    #[serde(default)]
    pub untested: bool,
}

/// The `outcome` of `verify`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyOutcome {
    /// The backups, newest first.
    pub backups: Vec<VerifiedBackup>,
}

/// The `params` of a workflow of the type `check`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckParams {
    /// Read lists and directories only, not every byte.
    pub quick: bool,
}

/// The `outcome` of `check`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// Whether nothing is wrong.
    pub clean: bool,
    /// Backups that were looked at.
    pub backups: u64,
    /// Packs that were looked at.
    pub packs: u64,
    /// Bytes that were read.
    pub read: u64,
    /// What is wrong, a sentence each; the first of many.
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problems_total: u64,
    /// What is worth knowing and hits no backup.
    pub notes: Vec<String>,
}

/// The `params` of a workflow of the type `sweep` or `plan_sweep`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepParams {
    /// However much would be freed.
    pub however_much: bool,
    /// The clock is right, whatever the vault looks like.
    pub clock_is_right: bool,
}

/// The `outcome` of `sweep` or `plan_sweep`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepOutcome {
    /// Backups that go, or went: their archives' common name and why.
    pub backups: Vec<(String, String)>,
    /// Packs that go, or went, as they are; that are, or were, written anew; and that are spared for now.
    pub packs: [u64; 3],
    /// Bytes that are freed, less those that are written anew.
    pub frees: i64,
    /// Bytes that stay.
    pub stays: u64,
    /// Bytes that the backups need that are kept.
    pub living: u64,
    /// What can't go yet: when it can (Unix seconds), how many bytes, why.
    pub waits: Vec<(Option<f64>, u64, String)>,
    /// What could not be done, and why.
    pub refused: Vec<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// The answer to `POST catalog/rebuild`: what was found in the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RebuiltObject {
    /// The environments: site, name, how many backups there are, how many of them the catalog lacked.
    pub environments: Vec<RebuiltEnvironment>,
    /// What could not be taken in, and why.
    pub problems: Vec<String>,
    /// What else there is, and is no trouble.
    pub notes: Vec<String>,
}

/// An environment as the store tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RebuiltEnvironment {
    /// The site.
    pub site: SiteName,
    /// The environment.
    pub env: EnvName,
    /// Whether the catalog lacked it.
    pub added: bool,
    /// Its backups in the store.
    pub backups: u64,
    /// Those of them that the catalog lacked.
    pub taken_in: u64,
}

/// The body of `POST store/copy`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyParams {
    /// The folder of the other store.
    pub to: PathBuf,
    /// These sites; all if there are none.
    pub sites: Vec<Uuid>,
    /// Remove nothing from the copy.
    pub keep_all: bool,
    /// However many backups the source lacks, and whether or not anything says that they were to go.
    pub however_much: bool,
    /// Read all that the copy has, and write anew what is damaged there.
    pub verify: bool,
}

/// How far a copy is, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyObject {
    /// Its id.
    pub id: Uuid,
    /// Bytes that are to be copied, as far as is known.
    pub expected: u64,
    /// Bytes that are copied.
    pub done: u64,
    /// `null` while it runs, then `succeeded`, `failed` or `aborted`.
    pub result: Option<String>,
    /// Why it failed.
    pub reason: String,
    /// What was done, vault by vault.
    pub outcome: Vec<CopiedObject>,
}

/// What was done with one vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopiedObject {
    /// The vault, which is its site's.
    pub vault: Uuid,
    /// Why it could not be copied, if it could not.
    pub error: Option<String>,
    /// Objects that were copied.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were there already.
    pub kept: u64,
    /// Objects that were removed from the copy.
    pub removed: u64,
    /// Objects that the copy would not remove.
    pub refused: Vec<String>,
    /// Objects of the copy that were damaged and were written anew.
    pub mended: Vec<String>,
    /// Objects that are damaged; and as a sentence's end, whether they were copied all the same, and why not.
    pub damaged: Vec<(String, String)>,
    /// Why nothing was removed from the copy, though something would have been.
    pub withheld: Option<String>,
}

/// One entry of an archive, as browsing shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrowsedEntry {
    /// Its path below the archive's top folder, escaped where it is not UTF-8; of a database, the object's name.
    pub path: String,
    /// `file`, `folder`, `symlink`, `hardlink`, `fifo`, `device`; `table`, `view`, …
    pub kind: String,
    /// Bytes of its content; of a database, of its text.
    pub size: u64,
    /// Unix seconds.
    pub mtime: Option<i64>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// The owner's and the group's number.
    pub owner: Option<(u32, u32)>,
    /// Where a link points.
    pub target: Option<String>,
    /// Rows of a table.
    pub rows: Option<u64>,
}

/// What differs between two archives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiffObject {
    /// What differs: `added`, `removed` or `changed`, then the path or name, then what exactly.
    pub differences: Vec<Difference>,
    /// How many there are of each: added, removed, changed, unchanged.
    pub totals: [u64; 4],
    /// Commits between, if both are of one repository.
    pub commits: Option<super::CommitChanges>,
    /// What could not be told, and why.
    pub notes: Vec<String>,
}

/// Something that differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// The path below the archive's top folder, or the table's name.
    pub name: String,
    /// `file`, `folder`, `table`, …
    pub kind: String,
    /// Bytes in the first archive.
    pub before: Option<u64>,
    /// Bytes in the second archive.
    pub after: Option<u64>,
    /// Rows in the first and in the second archive.
    pub rows: Option<(Option<u64>, Option<u64>)>,
    /// What changed: `content`, `time`, `mode`, …
    pub what: Vec<String>,
}
