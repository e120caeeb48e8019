//! What commands on sites and environments take.

use std::path::PathBuf;

use clap::Args;
use undercroft_model::{EnvName, SiteEnv, SiteName};

use crate::output::{OutputOptions, PropertyOptions};

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
    /// Look anew what lives in this folder, as site:add does, and take what is found; what is not found stays as it is
    #[arg(long, value_name = "FOLDER")]
    pub find: Option<PathBuf>,
    /// Whether the last good backup expires as any other; else it is kept until there is a newer good one
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub expire_last: Option<bool>,
    /// Where things are.
    #[command(flatten)]
    pub place: Where,
}
