//! Follows a job until it is over.

use std::time::Duration;

use undercroft_model::api::{JobProgress, SiteObject, Workflow};

use super::Context;
use super::stop::Stop;
use crate::error::Failure;
use crate::progress::{Mode, Progress};

/// How often it is asked how far the job is: often at first, since an unchanged site takes no time.
pub const LOOK: Duration = Duration::from_millis(100);
/// The first time.
pub const FIRST_LOOK: Duration = Duration::from_millis(5);

/// How progress is shown.
pub fn mode(context: &Context) -> Mode {
    if context.global.no_interaction && !context.global.quiet {
        Mode::Lines
    } else {
        Mode::detect(context.global.quiet)
    }
}

/// Shows how far a job is until it is over. `stopping`: what becomes of it if it is stopped, as a sentence.
pub async fn follow(
    context: &Context,
    site: &SiteObject,
    mut workflow: Workflow,
    stop: &mut Stop,
    stopping: &str,
) -> Result<Workflow, Failure> {
    let mut progress = Progress::new(mode(context));
    let (mut stops, mut look) = (false, FIRST_LOOK);
    while workflow.result.is_none() {
        show(&mut progress, &workflow.progress);
        tokio::select! {
            () = tokio::time::sleep(look) => look = (look * 5 / 4).min(LOOK),
            () = stop.asked() => {
                if std::mem::replace(&mut stops, true) {
                    // Asked twice, it ends here and now; the next command cleans up.
                    std::process::exit(130);
                }
                progress.suspend(|| context.messages.notice(&format!("Stopping. {stopping}")));
                context.client.cancel_workflow(site.id, workflow.id).await?;
            }
        }
        workflow = context.client.workflow(site.id, workflow.id).await?;
    }
    show(&mut progress, &workflow.progress);
    progress.finish();
    Ok(workflow)
}

/// Why a job failed.
pub fn reason(workflow: &Workflow) -> &str {
    let reason = workflow.final_task.as_ref().map_or("", |task| task.reason.as_str());
    if reason.is_empty() { "Workflow failed." } else { reason }
}

fn show(progress: &mut Progress, at: &JobProgress) {
    progress.waiting(at.waiting.as_deref());
    for (element, at) in &at.elements {
        progress.update(*element, at);
    }
}
