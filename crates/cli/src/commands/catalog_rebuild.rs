//! `catalog:rebuild`

use super::Context;
use crate::args::CatalogRebuild;
use crate::error::Failure;
use crate::output::{Column, Rows};

const COLUMNS: [Column; 4] = [
    Column::new("environment", "Environment"),
    Column::new("backups", "Backups"),
    Column::new("taken_in", "New in the catalog"),
    Column::new("added", "Environment is new"),
];

/// Takes everything that the store has into the catalog.
pub async fn run(context: &Context, args: CatalogRebuild) -> Result<(), Failure> {
    let rebuilt = context.client.rebuild_catalog().await?;
    let new = rebuilt.environments.iter().any(|environment| environment.added);
    let rows: Vec<_> = rebuilt
        .environments
        .iter()
        .map(|one| {
            let name = format!("{}.{}", one.site, one.env);
            let cells = vec![
                ("environment", name.clone().into()),
                ("backups", one.backups.into()),
                ("taken_in", one.taken_in.into()),
                ("added", one.added.into()),
            ];
            (name, cells)
        })
        .collect();
    if rows.is_empty() && rebuilt.problems.is_empty() {
        context.messages.warning("The store holds no backup. Another one is named by --store=FOLDER.");
    }
    context.print_rows(&Rows { columns: &COLUMNS, rows }, &args.output)?;
    for problem in &rebuilt.problems {
        context.messages.warning(problem);
    }
    for note in &rebuilt.notes {
        context.messages.notice(&format!("{note}."));
    }
    if new {
        context.messages.notice(
            "Passwords are not kept in the store, and paths are those of the old machine: before you back up or restore \
             into place, say where things are now: env:update SITE.ENV --find=FOLDER looks again, as site:add did \
             (env:info shows what is known).",
        );
    }
    if rebuilt.problems.is_empty() { Ok(()) } else { Err(Failure::Told) }
}
