//! What may be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod backups;
mod sites;
mod stores;

pub use backups::*;
pub use sites::*;
pub use stores::*;

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
    #[command(
        name = "backup:list",
        visible_alias = "backups",
        after_help = "Fields: file, size, date, expiry, initiator; asked for by --fields: folder, state, kept, verified, \
                      moment, type, id"
    )]
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
