//! What may be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use undercroft_model::{EnvName, KeepFor, SiteEnv, SiteName};

use crate::output::{OutputOptions, PropertyOptions};

/// Backs up WordPress and Drupal sites: code, database and files, into ordinary archives.
#[derive(Debug, Parser)]
#[command(
    name = "undercroft",
    version,
    infer_subcommands = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Begin with: undercroft site:add /var/www/shop, then undercroft backup:create shop.live"
)]
pub struct Cli {
    /// What goes with every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The data folder: catalog, keys and store [default: /var/lib/undercroft for root, else
    /// ~/.local/share/undercroft]
    #[arg(long, global = true, env = "UNDERCROFT_DATA", value_name = "FOLDER", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// Say nothing but errors, warnings and results
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Ask nothing and draw no bars: questions count as answered with no
    #[arg(short, long, global = true)]
    pub no_interaction: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a site, or another environment of one: point at its folder
    #[command(name = "site:add")]
    SiteAdd(SiteAdd),
    /// List the sites
    #[command(name = "site:list", visible_alias = "sites")]
    SiteList(List),
    /// Show a site
    #[command(name = "site:info")]
    SiteInfo(SiteInfo),
    /// Remove a site; its backups stay in the store unless you say otherwise
    #[command(name = "site:remove")]
    SiteRemove(SiteRemove),
    /// List a site's environments
    #[command(name = "env:list", visible_alias = "envs")]
    EnvList(EnvList),
    /// Show where an environment's code, database and files are
    #[command(name = "env:info")]
    EnvInfo(EnvInfo),
    /// Change where an environment's code, database or files are, or what is left out
    #[command(name = "env:update")]
    EnvUpdate(EnvUpdate),
    /// Make a backup of an environment
    #[command(name = "backup:create")]
    BackupCreate(BackupCreate),
    /// List an environment's backups, newest first
    #[command(name = "backup:list", visible_alias = "backups")]
    BackupList(BackupList),
    /// Show one archive of a backup: what is in it, and what is not
    #[command(name = "backup:info")]
    BackupInfo(BackupInfo),
    /// Get an archive: into a file, a folder, or standard output
    #[command(name = "backup:get")]
    BackupGet(BackupGet),
    /// Bring an environment back to a backup: all or nothing, and undoable
    #[command(name = "backup:restore")]
    BackupRestore(BackupRestore),
    /// Prove that backups are whole
    #[command(name = "backup:verify")]
    BackupVerify(BackupVerify),
    /// List what is in an archive, without getting it
    #[command(name = "backup:browse")]
    BackupBrowse(BackupBrowse),
    /// Tell what differs between two backups
    #[command(name = "backup:diff")]
    BackupDiff(BackupDiff),
    /// Delete a backup; it can be brought back for 7 days
    #[command(name = "backup:delete")]
    BackupDelete(BackupDelete),
    /// Bring a deleted or expired backup back
    #[command(name = "backup:undelete")]
    BackupUndelete(BackupUndelete),
    /// Keep a backup longer, or for ever
    #[command(name = "backup:keep")]
    BackupKeep(BackupKeep),
    /// Prove everything that is stored for a site, or for all of them
    #[command(name = "vault:check")]
    VaultCheck(VaultCheck),
    /// Free the space of what no backup needs any more
    #[command(name = "vault:sweep")]
    VaultSweep(VaultSweep),
    /// Bring the store to another folder, such as another disk, and keep that in step
    #[command(name = "store:copy")]
    StoreCopy(StoreCopy),
    /// Find every site, environment and backup again from the store and the recovery key
    #[command(name = "catalog:rebuild")]
    CatalogRebuild(CatalogRebuild),
    /// Print the recovery key, which opens every backup; keep it somewhere else than here
    #[command(name = "key:export")]
    KeyExport,
}

/// Where an environment's elements are, where that can't be found or is found wrong.
#[derive(Debug, Default, Args)]
pub struct Where {
    /// The code: a git repository (folder or URL) or a plain folder
    #[arg(long, value_name = "FOLDER|URL", conflicts_with = "no_code")]
    pub code: Option<String>,
    /// The branch that this environment deploys [default: what is checked out]
    #[arg(long, value_name = "BRANCH", conflicts_with_all = ["code_tags", "no_code"])]
    pub code_branch: Option<String>,
    /// This environment deploys tags: take the newest one that matches, such as 'release-*'
    #[arg(long, value_name = "PATTERN", conflicts_with = "no_code")]
    pub code_tags: Option<String>,
    /// Take the code's folder as it is, even if it is in a git repository
    #[arg(long, conflicts_with_all = ["code_branch", "code_tags", "no_code"])]
    pub code_folder: bool,
    /// There is no code to back up
    #[arg(long)]
    pub no_code: bool,
    /// The folder of uploaded files
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_files")]
    pub files: Option<PathBuf>,
    /// There are no files to back up
    #[arg(long)]
    pub no_files: bool,
    /// Leave out of files (and of code in a plain folder) what matches, as in a .gitignore file anchored at the
    /// folder; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Leave this pattern out no more; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub no_exclude: Vec<String>,
    /// Forget all patterns so far, also those for what the CMS makes again by itself
    #[arg(long)]
    pub no_default_excludes: bool,
    /// The database: mysql://USER:PASSWORD@HOST:PORT/SCHEMA; `-` reads it from standard input, so that no process
    /// list shows the password
    #[arg(long, value_name = "URL", conflicts_with_all = ["no_database", "database_defaults_file"])]
    pub database: Option<String>,
    /// A MySQL option file with the database's credentials
    #[arg(long, value_name = "FILE", conflicts_with = "no_database")]
    pub database_defaults_file: Option<PathBuf>,
    /// The database's name, where the option file does not say it
    #[arg(long, value_name = "SCHEMA", conflicts_with_all = ["no_database", "database"])]
    pub database_schema: Option<String>,
    /// There is no database to back up
    #[arg(long)]
    pub no_database: bool,
    /// Dump only the structure of these tables, such as 'cache_*,sessions'; empty takes it back
    #[arg(long, value_name = "TABLES", value_delimiter = ',', num_args = 1)]
    pub structure_only: Option<Vec<String>>,
    /// Which site of a Drupal multisite: its folder below sites/
    #[arg(long, value_name = "NAME")]
    pub multisite: Option<String>,
}

/// `site:add`
#[derive(Debug, Args)]
pub struct SiteAdd {
    /// The folder that the site lives in
    pub folder: PathBuf,
    /// What to call it [default: made from the folder's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<SiteName>,
    /// Which environment it is: live, test, dev, or any other name
    #[arg(long, value_name = "ENV", default_value = "live")]
    pub env: EnvName,
    /// Where the settings file asks for environment variables, it gets those of this shell (in the site's own
    /// container, say)
    #[arg(long)]
    pub use_environment: bool,
    /// Only show what is found, and add nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where things are.
    #[command(flatten)]
    pub place: Where,
}

/// A command that takes no argument and lists rows.
#[derive(Debug, Args)]
pub struct List {
    /// How to print them.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `site:info`
#[derive(Debug, Args)]
pub struct SiteInfo {
    /// The site's name or UUID
    pub site: String,
    /// How to print it.
    #[command(flatten)]
    pub output: PropertyOptions,
}

/// `site:remove`
#[derive(Debug, Args)]
pub struct SiteRemove {
    /// The site's name or UUID
    pub site: String,
    /// Delete its backups too; there is no way back from that
    #[arg(long)]
    pub delete_backups: bool,
}

/// `env:list`
#[derive(Debug, Args)]
pub struct EnvList {
    /// The site's name or UUID
    pub site: String,
    /// How to print them.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `env:info`
#[derive(Debug, Args)]
pub struct EnvInfo {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// How to print it.
    #[command(flatten)]
    pub output: PropertyOptions,
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("say yes or no"),
    }
}

/// `env:update`
#[derive(Debug, Args)]
pub struct EnvUpdate {
    /// The environment, such as shop.live
    #[arg(value_name = "SITE.ENV")]
    pub site_env: SiteEnv,
    /// Whether the last good backup expires as any other; else it is kept until there is a newer good one
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub expire_last: Option<bool>,
    /// Where things are.
    #[command(flatten)]
    pub place: Where,
}

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
    /// corrected. May be given several times
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 2)]
    pub search_replace: Vec<String>,
    /// Make no backup of what is there now; then there is no way back. Also goes on where such a backup could not hold
    /// all that is replaced
    #[arg(long)]
    pub no_safety_backup: bool,
    /// Load the database over the one that is there, for accounts that may make no scratch schema; not all or nothing
    #[arg(long)]
    pub in_place: bool,
    /// Remove files from a git work tree that git does not track; ignored ones and the files folder stay
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

/// `vault:check`
#[derive(Debug, Args)]
pub struct VaultCheck {
    /// The site's name or UUID [default: all sites]
    pub site: Option<String>,
    /// Read lists and directories only, not every byte
    #[arg(long)]
    pub quick: bool,
}

/// `vault:sweep`
#[derive(Debug, Args)]
pub struct VaultSweep {
    /// The site's name or UUID [default: all sites]
    pub site: Option<String>,
    /// Only show what would be removed, and why
    #[arg(long)]
    pub dry_run: bool,
    /// Go on even if much more would be freed than is usual
    #[arg(long)]
    pub however_much: bool,
    /// Go on even if this machine's clock looks wrong
    #[arg(long)]
    pub clock_is_right: bool,
}

/// `store:copy`
#[derive(Debug, Args)]
pub struct StoreCopy {
    /// The folder that the copy is, or is to be, in
    pub folder: PathBuf,
    /// Only this site; may be given several times
    #[arg(long, value_name = "SITE")]
    pub site: Vec<String>,
    /// Remove nothing from the copy
    #[arg(long)]
    pub keep_all: bool,
    /// Remove backups from the copy that are gone here even if they are many, or nothing says that they were deleted
    #[arg(long, conflicts_with = "keep_all")]
    pub however_much: bool,
}

/// `catalog:rebuild`
#[derive(Debug, Args)]
pub struct CatalogRebuild {
    /// The folder of the store, which is used from now on where it is [default: the data folder's own]
    #[arg(long, value_name = "FOLDER")]
    pub store: Option<PathBuf>,
    /// A file that holds the recovery key; `-` reads it from standard input. Needed where the data folder has none
    #[arg(long, value_name = "FILE|-")]
    pub key: Option<PathBuf>,
    /// How to print what was found.
    #[command(flatten)]
    pub output: OutputOptions,
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
