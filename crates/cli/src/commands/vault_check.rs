//! `vault:check [SITE]`

use undercroft_model::api::{CheckOutcome, CheckParams, SiteObject};

use super::follow::{follow, reason};
use super::stop::Stop;
use super::{Context, lookup};
use crate::args::VaultCheck;
use crate::error::Failure;
use crate::output::human_size;

/// Proves what is stored for sites.
pub async fn run(context: &Context, args: VaultCheck) -> Result<(), Failure> {
    let sites = lookup::sites(&context.client, args.site.as_deref()).await?;
    if sites.is_empty() {
        context.messages.warning(
            "You have no sites. Add one with `undercroft site:add FOLDER`, or take in what a store has with \
             `undercroft catalog:rebuild`.",
        );
    }
    let mut all_clean = true;
    for site in sites {
        all_clean &= check(context, &site, args.quick).await?;
    }
    if all_clean { Ok(()) } else { Err(Failure::Told) }
}

async fn check(context: &Context, site: &SiteObject, quick: bool) -> Result<bool, Failure> {
    let mut stop = Stop::listen()?;
    let params = CheckParams { quick };
    let workflow = context.client.create_site_workflow(site.id, "check", &params).await?;
    let done = follow(context, site, workflow, &mut stop, "Nothing will be said of the vault.").await?;
    let outcome: CheckOutcome = serde_json::from_value(done.outcome.clone()).unwrap_or_default();
    for problem in &outcome.problems {
        context.messages.warning(&format!("{}: {problem}", site.name));
    }
    let more = outcome.problems_total.saturating_sub(outcome.problems.len() as u64);
    if more > 0 {
        context.messages.warning(&format!("{}: and {more} more problems", site.name));
    }
    for note in &outcome.notes {
        context.messages.notice(&format!("{}: {note}", site.name));
    }
    match done.result.as_deref() {
        Some("succeeded") => {
            context.messages.notice(&format!(
                "The vault of {} is clean: {} backups, {} packs, {} read.",
                site.name,
                outcome.backups,
                outcome.packs,
                human_size(outcome.read)
            ));
            Ok(true)
        }
        Some("aborted") => {
            context.messages.warning("The check was stopped.");
            Err(Failure::Interrupted)
        }
        _ => {
            context.messages.error_text(reason(&done));
            Ok(false)
        }
    }
}
