//! What commands on backups take.

use std::path::PathBuf;

use clap::Args;
use undercroft_model::{KeepFor, SiteEnv};

use crate::output::{OutputOptions, PropertyOptions};

/// `backup:create`
#[derive(Debug, Args)]
pub struct BackupCreate {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// What to back up: code, database (or db), files, or all
    #[arg(long, value_name = "ELEMENT", default_value = "all")]
    pub element: String,
    /// For how many days to keep it
    #[arg(long, value_name = "DAYS", default_value = "365")]
    pub keep_for: KeepFor,
    /// It is right that something has become much smaller since the last good backup
    #[arg(long)]
    pub accept_smaller: bool,
}

/// `backup:list`
#[derive(Debug, Args)]
pub struct BackupList {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// Only archives of code, database (or db), or files
    #[arg(long, value_name = "ELEMENT", default_value = "all")]
    pub element: String,
    /// How to print them.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Which archive is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// The archive's file name, as backup:list shows it [default: the newest of --element]
    #[arg(long, value_name = "FILENAME")]
    pub file: Option<String>,
    /// The newest archive of code, database (or db), or files
    #[arg(long, value_name = "ELEMENT", default_value = "files")]
    pub element: String,
}

/// `backup:restore`
#[derive(Debug, Args)]
pub struct BackupRestore {
    /// The environment that is brought back, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// What to bring back: code, database (or db), files, or all [default: all]
    #[arg(long, value_name = "ELEMENT")]
    pub element: Option<String>,
    /// An archive's file name, as backup:list shows it, or the folder of a whole backup, such as 1795484697_backup
    /// [default: the newest good archive of each element]
    #[arg(long, value_name = "ARCHIVE")]
    pub file: Option<String>,
    /// Take the backup of another environment of the same site; credentials in settings files stay as they are here
    #[arg(long, value_name = "SITE.ENV")]
    pub from: Option<SiteEnv>,
    /// Bring back what the last restore replaced; again, and it is as after that restore
    #[arg(long, conflicts_with_all = ["element", "file", "from", "table", "path", "to", "search_replace"])]
    pub undo: bool,
    /// Bring back only this table; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "path")]
    pub table: Vec<String>,
    /// Bring back only this file or folder, as backup:browse lists it; may be given several times
    #[arg(long, value_name = "PATH")]
    pub path: Vec<String>,
    /// Put files or code into this folder, and leave the environment alone
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["table", "in_place", "search_replace"])]
    pub to: Option<PathBuf>,
    /// Replace a text in all of the database's rows, such as the site's address; lengths in serialized PHP values are
    /// corrected. An address within a longer one stays (www.shop.example and shop.example.org are no shop.example), any
    /// other text is replaced wherever it stands. May be given several times
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 2)]
    pub search_replace: Vec<String>,
    /// Make no backup of what is there now; then there is no way back. Also goes on where such a backup could not hold
    /// all that is replaced
    #[arg(long)]
    pub no_safety_backup: bool,
    /// Load the database over the one that is there, for accounts that may make no scratch schema; not all or nothing
    #[arg(long)]
    pub in_place: bool,
    /// Remove files from a git work tree that git does not track; ignored ones and the files folder stay. Where a plain
    /// folder takes a repository's backup, whatever is not in that goes
    #[arg(long)]
    pub remove_untracked: bool,
    /// Bring back all that is whole where the vault is damaged: the rest stays as it is, and is named
    #[arg(long)]
    pub skip_damaged: bool,
    /// Only tell what would change
    #[arg(long)]
    pub dry_run: bool,
}

/// `backup:verify`
#[derive(Debug, Args)]
pub struct BackupVerify {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// An archive's file name, or the folder of a whole backup [default: the newest backup]
    #[arg(long, value_name = "ARCHIVE", conflicts_with_all = ["all", "element"])]
    pub file: Option<String>,
    /// Only archives of code, database (or db), or files
    #[arg(long, value_name = "ELEMENT", default_value = "all")]
    pub element: String,
    /// All backups of the environment
    #[arg(long)]
    pub all: bool,
    /// Restore databases into a scratch schema and check repositories out, too, and compare
    #[arg(long)]
    pub deep: bool,
}

/// `backup:browse`
#[derive(Debug, Args)]
pub struct BackupBrowse {
    /// Which archive.
    #[command(flatten)]
    pub which: Which,
    /// Only what is in this folder of the archive
    #[arg(long, value_name = "PATH", default_value = "")]
    pub path: String,
    /// So many levels deep; 0 for all
    #[arg(long, value_name = "LEVELS", default_value = "1")]
    pub depth: usize,
    /// How to print them.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `backup:diff`
#[derive(Debug, Args)]
pub struct BackupDiff {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// The earlier backup: an archive's file name, or a backup's folder [default: the last but one]
    #[arg(value_name = "BEFORE")]
    pub before: Option<String>,
    /// The later one [default: the newest]
    #[arg(value_name = "AFTER")]
    pub after: Option<String>,
    /// Only code, database (or db), or files
    #[arg(long, value_name = "ELEMENT", default_value = "all")]
    pub element: String,
    /// How to print them.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `backup:delete`
#[derive(Debug, Args)]
pub struct BackupDelete {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// The backup: its folder, or the file name of one of its archives; all of its archives go together
    #[arg(long, value_name = "BACKUP")]
    pub file: String,
}

/// `backup:undelete`
#[derive(Debug, Args)]
pub struct BackupUndelete {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// The backup: its folder, or the file name of one of its archives [default: only list what can be brought back]
    #[arg(long, value_name = "BACKUP")]
    pub file: Option<String>,
    /// How to print the list.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `backup:keep`
#[derive(Debug, Args)]
pub struct BackupKeep {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// The backup: its folder, or the file name of one of its archives
    #[arg(long, value_name = "BACKUP")]
    pub file: String,
    /// For so many days from now
    #[arg(long = "for", value_name = "DAYS", conflicts_with = "pin", required_unless_present = "pin")]
    pub days: Option<KeepFor>,
    /// For ever, until it is deleted or kept for some days again
    #[arg(long)]
    pub pin: bool,
    /// A word for those who wonder later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
}

/// `backup:info`
#[derive(Debug, Args)]
pub struct BackupInfo {
    /// Which archive.
    #[command(flatten)]
    pub which: Which,
    /// How to print it.
    #[command(flatten)]
    pub output: PropertyOptions,
}

/// `backup:get`
#[derive(Debug, Args)]
pub struct BackupGet {
    /// Which archive.
    #[command(flatten)]
    pub which: Which,
    /// Where it goes: a file that is not there yet, a folder, or `-` for standard output
    #[arg(long, value_name = "FILE|FOLDER|-")]
    pub to: Option<PathBuf>,
}
