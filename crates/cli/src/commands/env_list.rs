//! `env:list SITE`

use super::{Context, lookup, places};
use crate::args::EnvList;
use crate::error::Failure;
use crate::output::{Column, Rows, Value};

const COLUMNS: [Column; 6] = [
    Column::new("id", "ID"),
    Column::new("created", "Created"),
    Column::new("code", "Code"),
    Column::new("database", "Database"),
    Column::new("files", "Files"),
    Column::on_request("locked", "Locked"),
];

/// Lists a site's environments.
pub async fn run(context: &Context, args: EnvList) -> Result<(), Failure> {
    let site = lookup::site(&context.client, &args.site).await?;
    let rows = context.client.environments(site.id).await?.into_iter().map(|(name, env)| {
        let settings = &env.settings;
        let files = settings.files.as_ref().map_or("-".to_owned(), |files| files.path.display().to_string());
        let cells = vec![
            ("id", name.to_string().into()),
            ("created", Value::Time(Some(env.environment_created as f64))),
            ("code", places::code(settings.code.as_ref()).into()),
            ("database", places::database(settings.database.as_ref()).into()),
            ("files", files.into()),
            ("locked", env.lock.locked.into()),
        ];
        (name.to_string(), cells)
    });
    context.print_rows(&Rows { columns: &COLUMNS, rows: rows.collect() }, &args.output)
}
