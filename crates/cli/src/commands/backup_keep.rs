//! `backup:keep SITE.ENV`

use undercroft_model::api::{KeepParams, KeptObject};

use super::{Context, lookup};
use crate::args::BackupKeep;
use crate::error::Failure;
use crate::output::human_time;

/// Keeps a backup for another while.
pub async fn run(context: &Context, args: BackupKeep) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let entries = context.client.catalog(site.id, &env).await?;
    let folder = lookup::folder(&entries, &args.file, &args.site_env)?;
    let params = KeepParams { ttl: args.days.map(|days| days.as_seconds() as i64), note: args.note.clone() };
    let kept = context.client.keep_backup(site.id, &env, folder, &params).await?;
    context.messages.notice(&format!("The backup {folder} is kept {}.", until(&kept)));
    Ok(())
}

/// How long a backup is kept, as words.
pub fn until(kept: &KeptObject) -> String {
    match (kept.until, kept.why.as_str()) {
        (Some(until), _) => format!("until {}", human_time(until)),
        (None, "last-good") => "until there is a newer good one".to_owned(),
        (None, _) => "for ever".to_owned(),
    }
}
