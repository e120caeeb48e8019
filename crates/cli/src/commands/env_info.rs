//! `env:info SITE.ENV`

use undercroft_model::{CodeSource, TlsMode};

use super::{Context, lookup, places};
use crate::args::EnvInfo;
use crate::error::Failure;
use crate::output::{Column, Properties, Value};

const COLUMNS: [Column; 11] = [
    Column::new("id", "ID"),
    Column::new("site", "Site"),
    Column::new("created", "Created"),
    Column::new("folder", "Folder"),
    Column::new("code", "Code"),
    Column::new("database", "Database"),
    Column::new("encryption", "Encryption"),
    Column::new("structure_only", "Structure only"),
    Column::new("files", "Files"),
    Column::new("exclude", "Left out"),
    Column::new("expire_last", "Last good backup expires"),
];

/// Shows where an environment's elements are.
pub async fn run(context: &Context, args: EnvInfo) -> Result<(), Failure> {
    let (site, name, env) = lookup::env(&context.client, &args.site_env).await?;
    let settings = env.settings;
    let database = settings.database.as_ref();
    let encryption = database.map_or("-", |database| match database.tls {
        TlsMode::Off => "none",
        TlsMode::Unverified => "TLS, certificate not checked",
        TlsMode::Verify => "TLS",
    });
    let mut exclude = settings.files.as_ref().map(|files| files.exclude.clone()).unwrap_or_default();
    if let Some(CodeSource::Folder { exclude: more, .. }) = &settings.code {
        let new: Vec<_> = more.iter().filter(|pattern| !exclude.contains(pattern)).cloned().collect();
        exclude.extend(new);
    }
    let path = |path: Option<&std::path::PathBuf>| {
        Value::from(path.map_or("-".to_owned(), |path| path.display().to_string()))
    };
    let values = vec![
        ("id", name.to_string().into()),
        ("site", site.name.to_string().into()),
        ("created", Value::Time(Some(env.environment_created as f64))),
        ("folder", path(settings.folder.as_ref())),
        ("code", places::code(settings.code.as_ref()).into()),
        ("database", places::database(database).into()),
        ("encryption", encryption.into()),
        ("structure_only", database.map(|d| d.structure_only.join(", ")).into()),
        ("files", path(settings.files.as_ref().map(|files| &files.path))),
        ("exclude", exclude.join(" ").into()),
        ("expire_last", settings.expire_last.is_some().into()),
    ];
    context.print_properties(&Properties { columns: &COLUMNS, values, default_field: None }, &args.output)
}
