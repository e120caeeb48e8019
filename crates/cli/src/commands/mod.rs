//! The commands, one a file.

mod backup_browse;
mod backup_create;
mod backup_delete;
mod backup_diff;
mod backup_get;
mod backup_info;
mod backup_keep;
mod backup_list;
mod backup_restore;
mod backup_undelete;
mod backup_verify;
mod catalog_rebuild;
mod env_info;
mod env_list;
mod env_update;
mod follow;
mod key_export;
mod lookup;
mod places;
mod site_add;
mod site_info;
mod site_list;
mod site_remove;
mod stop;
mod store_copy;
mod vault_check;
mod vault_sweep;

use undercroft_client::Client;

use crate::args::{Cli, Command, Global};
use crate::error::Failure;
use crate::output::{self, Messages, OutputOptions, Properties, PropertyOptions, Rows, terminal_width};
use crate::place;

/// What every command has at hand.
pub struct Context {
    client: Client,
    messages: Messages,
    global: Global,
}

impl Context {
    /// Prints a result.
    fn print(&self, text: &str) -> Result<(), Failure> {
        output::print(text).map_err(Failure::Print)
    }

    fn print_lines(&self, lines: &[String]) -> Result<(), Failure> {
        self.print(&format!("{}\n", lines.join("\n")))
    }

    fn print_rows(&self, rows: &Rows, options: &OutputOptions) -> Result<(), Failure> {
        self.print(&output::render_rows(rows, options, terminal_width())?)
    }

    fn print_properties(&self, properties: &Properties, options: &PropertyOptions) -> Result<(), Failure> {
        self.print(&output::render_properties(properties, options, terminal_width())?)
    }
}

/// Does what was asked.
pub async fn run(cli: Cli, messages: Messages) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let folder = place::data_folder(global.data.as_deref())?;
    // A mere look must not make a data folder where a mistyped name points.
    let begins = matches!(command, Command::SiteAdd(_) | Command::KeyExport | Command::CatalogRebuild(_));
    if let Command::CatalogRebuild(args) = &command {
        place::set_up(&folder, args)?;
    }
    let client = place::open(&folder, begins).await?;
    let context = Context { client, messages, global };
    tell(&context).await?;
    let done = dispatch(&context, command).await;
    // What came up meanwhile; that it can't be had is no reason to fail.
    let _ = tell(&context).await;
    done
}

/// Says what became of restores that were stopped, and what else is worth knowing whatever the command is.
async fn tell(context: &Context) -> Result<(), Failure> {
    for recovery in context.client.recoveries().await? {
        // Not for nothing: it may have changed the site, and a cron job's mail is all that anybody sees of it.
        context.messages.warning(&recovery.text);
    }
    Ok(())
}

async fn dispatch(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::SiteAdd(args) => site_add::run(context, args).await,
        Command::SiteList(args) => site_list::run(context, args).await,
        Command::SiteInfo(args) => site_info::run(context, args).await,
        Command::SiteRemove(args) => site_remove::run(context, args).await,
        Command::EnvList(args) => env_list::run(context, args).await,
        Command::EnvInfo(args) => env_info::run(context, args).await,
        Command::EnvUpdate(args) => env_update::run(context, args).await,
        Command::BackupCreate(args) => backup_create::run(context, args).await,
        Command::BackupList(args) => backup_list::run(context, args).await,
        Command::BackupInfo(args) => backup_info::run(context, args).await,
        Command::BackupGet(args) => backup_get::run(context, args).await,
        Command::BackupRestore(args) => backup_restore::run(context, args).await,
        Command::BackupVerify(args) => backup_verify::run(context, args).await,
        Command::BackupBrowse(args) => backup_browse::run(context, args).await,
        Command::BackupDiff(args) => backup_diff::run(context, args).await,
        Command::BackupDelete(args) => backup_delete::run(context, args).await,
        Command::BackupUndelete(args) => backup_undelete::run(context, args).await,
        Command::BackupKeep(args) => backup_keep::run(context, args).await,
        Command::VaultCheck(args) => vault_check::run(context, args).await,
        Command::VaultSweep(args) => vault_sweep::run(context, args).await,
        Command::StoreCopy(args) => store_copy::run(context, args).await,
        Command::CatalogRebuild(args) => catalog_rebuild::run(context, args).await,
        Command::KeyExport => key_export::run(context).await,
    }
}
