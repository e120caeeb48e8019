//! `backup:verify SITE.ENV`

use undercroft_model::api::{VerifyOutcome, VerifyParams};
use undercroft_model::{Element, ElementSet};

use super::follow::{follow, reason};
use super::stop::Stop;
use super::{Context, lookup};
use crate::args::BackupVerify;
use crate::error::Failure;

/// Proves backups.
pub async fn run(context: &Context, args: BackupVerify) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let elements = lookup::elements(&args.element)?;
    let mut params = VerifyParams { all: args.all, deep: args.deep, ..VerifyParams::default() };
    if elements != ElementSet::ALL {
        params.elements = elements.iter().collect();
    }
    if let Some(file) = &args.file {
        let entries = context.client.catalog(site.id, &env).await?;
        let folder = lookup::folder(&entries, file, &args.site_env)?.to_string();
        // A file name is of one archive alone.
        if *file != folder {
            let stem = file.trim_end_matches(".tar.gz").trim_end_matches(".sql.gz");
            params.elements = lookup::element_of(stem).into_iter().collect::<Vec<Element>>();
        }
        params.folders = vec![folder];
    }
    let mut stop = Stop::listen()?;
    let workflow = context.client.create_workflow(site.id, &env, "verify", &params).await?;
    let stopping = "What is said of the backups that are done stays.";
    let done = follow(context, &site, workflow, &mut stop, stopping).await?;
    let outcome: VerifyOutcome = serde_json::from_value(done.outcome.clone()).unwrap_or_default();
    tell(context, &outcome);
    if done.result.as_deref() == Some("aborted") {
        context.messages.warning("The verification was stopped.");
        return Err(Failure::Interrupted);
    }
    if done.result.as_deref() == Some("succeeded") {
        let mut archives = outcome.backups.iter().flat_map(|backup| &backup.archives);
        if archives.any(|archive| archive.untested) {
            context
                .messages
                .error_text("Every byte is there, but not all of it could be restored to prove it.");
            return Err(Failure::Told);
        }
        let count = outcome.backups.iter().filter(|backup| backup.was_read()).count();
        context.messages.notice(&match count {
            1 => format!("The backup of {} is good.", args.site_env),
            _ => format!("All {count} backups of {} are good.", args.site_env),
        });
        return Ok(());
    }
    context.messages.error_text(reason(&done));
    if outcome.backups.iter().any(|backup| !backup.good) {
        context.messages.notice(
            "What is not damaged still restores: backup:restore --skip-damaged leaves the rest as it is. What the site \
             still has heals with the next backup:create, unless the list of an archive is hit.",
        );
    }
    Err(Failure::Told)
}

fn tell(context: &Context, outcome: &VerifyOutcome) {
    for backup in &outcome.backups {
        if !backup.was_read() {
            let text = match backup.archives.is_empty() {
                true => format!("{} holds nothing of what is asked for.", backup.folder),
                false => format!("Nothing of {} was read.", backup.folder),
            };
            context.messages.warning(&text);
        }
        for archive in &backup.archives {
            if archive.problems_total > 0 {
                context.messages.warning(&format!("{} is damaged:", archive.archive));
            } else if !archive.proven.is_empty() {
                context.messages.notice(&format!("{} is good: {}.", archive.archive, archive.proven));
            }
            for problem in &archive.problems {
                context.messages.warning(&format!("  {problem}"));
            }
            let more = archive.problems_total.saturating_sub(archive.problems.len() as u64);
            if more > 0 {
                context.messages.warning(&format!("  and {more} more"));
            }
            for note in &archive.notes {
                let text = format!("{}: {note}", archive.archive);
                if archive.untested || archive.proven.is_empty() {
                    context.messages.warning(&text);
                } else {
                    context.messages.notice(&text);
                }
            }
        }
    }
}
