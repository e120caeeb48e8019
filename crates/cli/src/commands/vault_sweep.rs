//! `vault:sweep [SITE]`

use undercroft_model::api::{SiteObject, SweepOutcome, SweepParams};

use super::follow::{follow, reason};
use super::stop::Stop;
use super::{Context, lookup};
use crate::args::VaultSweep;
use crate::error::Failure;
use crate::output::{human_size, human_time};

/// Frees the space of what no backup needs.
pub async fn run(context: &Context, args: VaultSweep) -> Result<(), Failure> {
    let sites = lookup::sites(&context.client, args.site.as_deref()).await?;
    if sites.is_empty() {
        context.messages.warning("You have no sites. Add one with `undercroft site:add FOLDER`.");
    }
    let mut all_well = true;
    for site in sites {
        all_well &= sweep(context, &site, &args).await?;
    }
    if all_well { Ok(()) } else { Err(Failure::Told) }
}

async fn sweep(context: &Context, site: &SiteObject, args: &VaultSweep) -> Result<bool, Failure> {
    let mut stop = Stop::listen()?;
    let params = SweepParams { however_much: args.however_much, clock_is_right: args.clock_is_right };
    let kind = if args.dry_run { "plan_sweep" } else { "sweep" };
    let workflow = context.client.create_site_workflow(site.id, kind, &params).await?;
    let done = follow(context, site, workflow, &mut stop, "The next sweep goes on from there.").await?;
    match done.result.as_deref() {
        Some("succeeded") => {}
        Some("aborted") => {
            context.messages.warning("The sweep was stopped. The next one goes on from there.");
            return Err(Failure::Interrupted);
        }
        _ => {
            context.messages.error_text(&format!(
                "{}: {}{}",
                site.name,
                reason(&done),
                way_on(reason(&done))
            ));
            return Ok(false);
        }
    }
    let outcome: SweepOutcome = serde_json::from_value(done.outcome).unwrap_or_default();
    tell(context, site, &outcome, args.dry_run)?;
    Ok(outcome.refused.is_empty())
}

/// The options that let a brake go.
fn way_on(reason: &str) -> &'static str {
    if reason.contains("at once: if that is meant") || reason.contains("since the catalog was rebuilt") {
        " (--however-much)"
    } else if reason.contains("by this clock") {
        " (--clock-is-right)"
    } else {
        ""
    }
}

/// Tells what went; of a dry run, what would go is the result.
fn tell(context: &Context, site: &SiteObject, outcome: &SweepOutcome, dry_run: bool) -> Result<(), Failure> {
    for refused in &outcome.refused {
        context.messages.warning(&format!("{}: {refused}", site.name));
    }
    let lines: Vec<_> = told(outcome, dry_run).iter().map(|line| format!("{}: {line}", site.name)).collect();
    if dry_run {
        return context.print_lines(&lines);
    }
    lines.iter().for_each(|line| context.messages.notice(line));
    Ok(())
}

fn told(outcome: &SweepOutcome, dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: String| lines.push(text);
    let (goes, would) = if dry_run { ("goes", "would be") } else { ("went", "was") };
    for (backup, reason) in &outcome.backups {
        say(format!("the backup {backup} {goes}: {reason}"));
    }
    let [dead, anew, spared] = outcome.packs;
    for (packs, what) in [(dead, "removed"), (anew, "written anew without what nobody needs")] {
        if packs > 0 {
            say(told_of_packs(packs, what, dry_run));
        }
    }
    match spared {
        0 => {}
        1 => say("1 pack is left alone for now, since somebody may be writing it".to_owned()),
        _ => say(format!("{spared} packs are left alone for now, since somebody may be writing them")),
    }
    for (until, bytes, reason) in &outcome.waits {
        let when = until.map(|until| format!(" from {} on", human_time(until))).unwrap_or_default();
        say(format!("{} can be freed{when}: {reason}", human_size(*bytes)));
    }
    for note in &outcome.notes {
        say(note.clone());
    }
    let frees = human_size(u64::try_from(outcome.frees).unwrap_or(0));
    say(format!(
        "{frees} {would} freed, {} stay; the backups that are kept need {}.",
        human_size(outcome.stays),
        human_size(outcome.living)
    ));
    lines
}

fn told_of_packs(packs: u64, what: &str, dry_run: bool) -> String {
    let (noun, verb) = match (packs, dry_run) {
        (1, true) => ("pack", "would be"),
        (1, false) => ("pack", "was"),
        (_, true) => ("packs", "would be"),
        (_, false) => ("packs", "were"),
    };
    format!("{packs} {noun} {verb} {what}")
}

#[cfg(test)]
mod tests {
    use super::told_of_packs;

    #[test]
    fn one_pack_was_and_two_were() {
        assert_eq!(told_of_packs(1, "removed", false), "1 pack was removed");
        assert_eq!(told_of_packs(2, "removed", false), "2 packs were removed");
        assert_eq!(told_of_packs(2, "written anew", true), "2 packs would be written anew");
    }
}
