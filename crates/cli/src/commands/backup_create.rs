//! `backup:create SITE.ENV`

use std::time::Duration;

use undercroft_model::api::{ExportParams, SiteObject, Workflow};
use undercroft_model::{BackupReport, Element, ElementReport, ElementSet, ElementState, EnvName, Remark};

use super::follow::follow;
use super::stop::Stop;
use super::{Context, lookup};
use crate::args::BackupCreate;
use crate::error::Failure;
use crate::output::{human_duration, human_size};

/// So many remarks of an element are told here; `backup:info` has the rest.
const TOLD: usize = 10;

/// Makes a backup and waits for it.
pub async fn run(context: &Context, args: BackupCreate) -> Result<(), Failure> {
    let elements = lookup::elements(&args.element)?;
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let params = ExportParams {
        code: elements.contains(Element::Code),
        database: elements.contains(Element::Database),
        files: elements.contains(Element::Files),
        entry_type: "backup".to_owned(),
        ttl: args.keep_for.as_seconds() as i64,
        accept_smaller: args.accept_smaller,
        only_what_is_there: elements == ElementSet::ALL,
    };
    let mut stop = Stop::listen()?;
    let workflow = context.client.create_backup(site.id, &env, &params).await?;
    let done = follow(context, &site, workflow, &mut stop, "Nothing of this backup will be kept.").await?;
    conclude(context, (&site, &env), &done)?;
    remind_of_key(context).await
}

/// Tells how it came out.
fn conclude(
    context: &Context,
    (site, env): (&SiteObject, &EnvName),
    workflow: &Workflow,
) -> Result<(), Failure> {
    let messages = &context.messages;
    let reason = workflow.final_task.as_ref().map_or("", |task| task.reason.as_str());
    if workflow.result.as_deref() == Some("aborted") {
        messages.warning("The backup was stopped. Earlier backups are as they were.");
        return Err(Failure::Interrupted);
    }
    let Some(report) = &workflow.backup else {
        let reason = if reason.is_empty() { "Workflow failed." } else { reason };
        messages.error_text(&format!("No backup of {}.{env} was made.\n{reason}", site.name));
        return Err(Failure::Told);
    };
    for (element, one) in &report.elements {
        tell_element(context, report, *element, one);
    }
    if report.is_good() {
        messages.notice(&format!("Created a backup of the {env} environment."));
        messages.notice(&summary(workflow, report));
        return Ok(());
    }
    let bad =
        |state| report.elements.iter().filter(move |(_, one)| one.state == state).map(|(e, _)| e.to_string());
    let failed: Vec<_> = bad(ElementState::Failed).collect();
    let partial: Vec<_> = bad(ElementState::Incomplete).collect();
    let mut text = format!("The backup of {}.{env} is not whole.", site.name);
    if !failed.is_empty() {
        text.push_str(&format!(" Failed: {}.", failed.join(", ")));
    }
    if !partial.is_empty() {
        text.push_str(&format!(" Incomplete: {}.", partial.join(", ")));
    }
    messages.notice(&summary(workflow, report));
    messages.error_text(&text);
    Err(Failure::Told)
}

fn summary(workflow: &Workflow, report: &BackupReport) -> String {
    let sum = |of: fn(&ElementReport) -> u64| report.elements.values().map(of).sum::<u64>();
    let took = Duration::from_secs_f64(workflow.total_time.unwrap_or(0.0).max(0.0));
    format!(
        "{}: archives of {}; {} read, {} reused, {} stored, in {}.",
        report.folder,
        human_size(sum(|one| one.size)),
        human_size(sum(|one| one.read)),
        human_size(sum(|one| one.reused)),
        human_size(workflow.progress.stored),
        human_duration(took)
    )
}

fn tell_element(context: &Context, report: &BackupReport, element: Element, one: &ElementReport) {
    let messages = &context.messages;
    if let Some(error) = &one.error {
        messages.warning(&format!("{element}: it could not be backed up: {error}"));
    }
    let (lost, notes): (Vec<&Remark>, Vec<_>) =
        one.remarks.iter().partition(|remark| remark.weight == undercroft_model::Weight::Lost);
    for remark in lost.iter().take(TOLD) {
        messages.warning(&sentence(element, remark));
    }
    for remark in notes.iter().take(TOLD) {
        messages.notice(&sentence(element, remark));
    }
    let told = lost.len().min(TOLD) + notes.len().min(TOLD);
    let more = one.remarks_total.saturating_sub(told as u64);
    if more > 0 {
        messages.notice(&format!(
            "{element}: {more} more remarks; see undercroft backup:info {}.{} --file={}",
            report.site_name,
            report.env,
            report.archive_name(element)
        ));
    }
}

/// A remark as a line.
pub fn sentence(element: Element, remark: &Remark) -> String {
    if remark.subject.is_empty() {
        format!("{element}: {}", remark.text)
    } else {
        format!("{element}: {} {}", remark.subject, remark.text)
    }
}

async fn remind_of_key(context: &Context) -> Result<(), Failure> {
    // That the reminder fails is no reason to call a good backup bad.
    if context.client.recovery_key_is_exported().await.is_ok_and(|exported| !exported) {
        context.messages.notice(
            "Nobody has a copy of the recovery key yet. If this machine is lost, backups in its store can be read \
             with that key only: run undercroft key:export and keep what it prints somewhere else.",
        );
    }
    Ok(())
}
