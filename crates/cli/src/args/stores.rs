//! What commands on all that is stored take.

use std::path::PathBuf;

use clap::Args;

use crate::output::OutputOptions;

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
    /// Go on even if much more would be freed than is usual, or if it may be of a backup whose record was lost before the
    /// catalog was rebuilt
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
    /// Read all that the copy has, and write anew what is damaged there
    #[arg(long)]
    pub verify: bool,
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
