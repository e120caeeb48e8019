//! The shapes of the API: what the server answers and the client reads.
//!
//! Where Terminus has a call for something, names and forms are those that it speaks; what it has no call for is
//! added in the same style. A client must bear fields that it doesn't know.

mod keep;
mod restore;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{BackupReport, Element, ElementState, EnvName, EnvSettings, Remark, Secret, SiteName};

pub use keep::{
    BrowsedEntry, CheckOutcome, CheckParams, CopiedObject, CopyObject, CopyParams, DiffObject, Difference,
    KeepParams, KeptObject, ProvenObject, RebuiltEnvironment, RebuiltObject, SweepOutcome, SweepParams,
    TrashObject, VerifiedArchive, VerifiedBackup, VerifyOutcome, VerifyParams,
};
pub use restore::{
    CommitChanges, Count, ElementChanges, RecoveryObject, RestoreOneParams, RestoreOutcome, RestoreParams,
    TableChange, TreeChanges,
};

/// `sites/<uuid>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteObject {
    /// The site's UUID.
    pub id: Uuid,
    /// Its name.
    pub name: SiteName,
    /// What it is called for people; the name.
    pub label: String,
    /// Unix seconds at which it was added.
    pub created: i64,
    /// `wordpress`, `drupal` (6 and 7), `drupal8` (8 and later), or empty.
    pub framework: String,
    /// Never.
    pub frozen: bool,
    /// Its environments' names.
    pub environments: Vec<EnvName>,
}

/// `site-names/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteNameObject {
    /// The site's UUID.
    pub id: Uuid,
    /// Its name.
    pub name: SiteName,
}

/// One environment in `sites/<uuid>/environments`, which is an object by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentObject {
    /// Unix seconds at which it was added.
    pub environment_created: i64,
    /// Never: there is no mode in which work goes on past git.
    pub on_server_development: bool,
    /// Never locked.
    pub lock: LockObject,
    /// Where its elements are. The database's password is left out.
    pub settings: EnvSettings,
}

/// Whether visitors of an environment need a password.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LockObject {
    /// Whether they do.
    pub locked: bool,
}

/// What a person says of an environment beyond the folder; all of it wins over what is found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// The code's repository (path or URL) or folder.
    pub code: Option<String>,
    /// The branch that is the environment's.
    pub code_branch: Option<String>,
    /// The environment is at the newest tag that matches this glob.
    pub code_tags: Option<String>,
    /// Take the code's folder as it is, even if it is in a repository.
    pub code_folder: bool,
    /// There is no code to back up.
    pub no_code: bool,
    /// The files folder.
    pub files: Option<PathBuf>,
    /// There are no files to back up.
    pub no_files: bool,
    /// Patterns to leave out, beside those of the profile.
    pub exclude: Vec<String>,
    /// Patterns not to leave out any more.
    pub no_exclude: Vec<String>,
    /// Leave out only what `exclude` says.
    pub no_default_excludes: bool,
    /// `mysql://user:password@host:port/schema`.
    pub database: Option<Secret>,
    /// A MySQL option file with the credentials.
    pub database_defaults_file: Option<PathBuf>,
    /// The schema, where the option file does not say it.
    pub database_schema: Option<String>,
    /// There is no database to back up.
    pub no_database: bool,
    /// Tables of which only the structure is dumped; an empty list takes it back.
    pub structure_only: Option<Vec<String>>,
    /// Which site of a Drupal multisite: the folder below `sites`.
    pub multisite: Option<String>,
    /// Whether the last good backup expires as any other.
    pub expire_last: Option<bool>,
    /// Of an environment that is there: look anew what lives in this folder, and take what is found.
    pub find: Option<PathBuf>,
}

/// The body of `POST sites`: adds a site, or an environment to the site of that name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddSite {
    /// Where the site lives.
    pub folder: PathBuf,
    /// Its name; found from the folder's if not given.
    pub name: Option<SiteName>,
    /// The environment's name.
    pub env: EnvName,
    /// What a person says of it.
    pub overrides: Overrides,
    /// Only look: add nothing.
    pub dry_run: bool,
    /// Variables that `getenv` in a settings file may ask for.
    pub variables: BTreeMap<String, String>,
}

/// Something that was found out about an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingObject {
    /// What it is: `Database`, `Files`, …
    pub label: String,
    /// What was found; passwords masked.
    pub value: String,
    /// Where: `wp-config.php:23`.
    pub source: String,
}

/// Something that was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingObject {
    /// The element that can't be backed up without it.
    pub element: Element,
    /// What it is.
    pub what: String,
    /// Why it was not found.
    pub why: String,
    /// The option that says it.
    pub option: String,
}

/// The answer to `POST sites` and to `PUT …/settings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedSite {
    /// The site.
    pub site: SiteNameObject,
    /// The environment.
    pub env: EnvName,
    /// Whether the site was there already.
    pub known: bool,
    /// What it is made with, as a person says it: `WordPress 6.6 (Bedrock)`.
    pub made_with: String,
    /// What was found.
    pub findings: Vec<FindingObject>,
    /// What was not.
    pub missing: Vec<MissingObject>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

/// The `params` of a workflow of the type `do_export`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportParams {
    /// Whether code is in it.
    #[serde(default)]
    pub code: bool,
    /// Whether the database is in it.
    #[serde(default)]
    pub database: bool,
    /// Whether files are in it.
    #[serde(default)]
    pub files: bool,
    /// `backup`.
    #[serde(default)]
    pub entry_type: String,
    /// Seconds for which it is kept.
    #[serde(default)]
    pub ttl: i64,
    /// Whether an element may be much smaller than the last good one.
    #[serde(default)]
    pub accept_smaller: bool,
    /// Whether elements that the environment lacks are left out without a word. (Terminus asks for all three.)
    #[serde(default = "yes")]
    pub only_what_is_there: bool,
}

fn yes() -> bool {
    true
}

/// The body of `POST …/workflows`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewWorkflow {
    /// `do_export`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is asked.
    #[serde(default)]
    pub params: Value,
}

/// How far an element is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ElementProgress {
    /// What is done now, as a person would say it.
    pub doing: String,
    /// Bytes that its stream is expected to have; 0 if that is not known.
    pub expected: u64,
    /// Bytes of the stream that are done.
    pub done: u64,
    /// Those of them that were reused without a look at the site.
    pub reused: u64,
    /// How it came out, once it is over.
    pub state: Option<ElementState>,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobProgress {
    /// What it waits for, if it waits.
    pub waiting: Option<String>,
    /// Its elements.
    pub elements: BTreeMap<Element, ElementProgress>,
    /// Bytes that it has written to the store.
    pub stored: u64,
}

/// A workflow: a job, as the API calls it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// The job's id.
    pub id: Uuid,
    /// `do_export`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The site.
    pub site_id: Uuid,
    /// The environment; none for what concerns the whole site.
    pub environment: Option<EnvName>,
    /// What was asked.
    pub params: Value,
    /// `created`, `started` or `finished`.
    pub phase: String,
    /// `null` while it runs, then `succeeded`, `failed` or `aborted`.
    pub result: Option<String>,
    /// Unix seconds, with fractions.
    pub created_at: f64,
    /// See `created_at`.
    pub started_at: Option<f64>,
    /// See `created_at`.
    pub finished_at: Option<f64>,
    /// Seconds from the start to the end.
    pub total_time: Option<f64>,
    /// How many of its tasks are done.
    pub step: u64,
    /// How many tasks it has: one an element.
    pub number_of_tasks: u64,
    /// What it does.
    pub description: String,
    /// What it does now.
    pub active_description: String,
    /// Its last task, which says why it failed.
    pub final_task: Option<FinalTask>,
    /// How far it is.
    pub progress: JobProgress,
    /// The backup that it made; of a restore, the safety backup.
    pub backup: Option<BackupReport>,
    /// What came of it, if more is to be said than that it succeeded; its shape depends on the type.
    #[serde(default)]
    pub outcome: Value,
}

/// A workflow's last task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FinalTask {
    /// Why it failed; empty if it did not.
    pub reason: String,
    /// What was said, by time.
    pub messages: BTreeMap<String, Value>,
}

/// One entry of `…/backups/catalog`, which is an object by `<folder>_<element>`, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// The backup's folder.
    pub folder: String,
    /// The archive's file name; none if there is no archive.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub filename: Option<String>,
    /// Seconds for which it is kept, from `finish_time` on.
    pub ttl: i64,
    /// Bytes of the archive.
    pub size: u64,
    /// Unix seconds.
    pub start_time: f64,
    /// Unix seconds.
    pub finish_time: f64,
    /// Unix seconds, whole.
    pub timestamp: i64,
    /// The backup's id.
    pub task_id: Uuid,
    /// Unix seconds of the moment at which its elements belong together.
    pub moment: f64,
    /// How it came out.
    pub state: ElementState,
    /// Why there is no archive.
    pub error: Option<String>,
    /// Bytes of the stream that were read from the site.
    pub read: u64,
    /// Bytes of the stream that were taken from an earlier backup.
    pub reused: u64,
    /// What was found in it.
    pub facts: Option<crate::Facts>,
    /// What there is to say of it.
    pub remarks: Vec<Remark>,
    /// How many remarks there were, with those that are not kept.
    pub remarks_total: u64,
    /// How many of them tell of something lost.
    pub lost_total: u64,
    /// Whether it holds what a restore replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub safety: bool,
    /// How long it is listed, and why so long.
    #[serde(default)]
    pub kept: KeptObject,
    /// Its last proof.
    #[serde(default)]
    pub proven: Option<ProvenObject>,
    /// Where it lies, if it is listed nowhere else.
    #[serde(default)]
    pub trash: Option<TrashObject>,
}

/// The answer to `…/s3token`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DownloadToken {
    /// Where the archive can be had, for a while; below the server's own address if it begins with `/`.
    pub url: String,
}

/// The answer to `recovery-key`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryKeyObject {
    /// The key, as text.
    pub key: Secret,
}

/// The answer to `recovery-key/state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryKeyState {
    /// Whether the key was given out before.
    pub exported: bool,
}
