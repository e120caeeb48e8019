//! `store:copy FOLDER`

use undercroft_model::api::{CopiedObject, CopyObject, CopyParams};

use super::follow::{FIRST_LOOK, LOOK, mode};
use super::stop::Stop;
use super::{Context, lookup, places};
use crate::args::StoreCopy;
use crate::error::Failure;
use crate::output::human_size;
use crate::progress;

/// Brings the store to another folder.
pub async fn run(context: &Context, args: StoreCopy) -> Result<(), Failure> {
    let mut sites = Vec::new();
    for name in &args.site {
        sites.push(lookup::site(&context.client, name).await?.id);
    }
    let to = places::absolute(&args.folder)?;
    let params = CopyParams {
        to,
        sites,
        keep_all: args.keep_all,
        however_much: args.however_much,
        verify: args.verify,
    };
    let mut stop = Stop::listen()?;
    let copy = context.client.copy_store(&params).await?;
    let done = watch(context, copy, &mut stop).await?;
    for vault in &done.outcome {
        tell(context, vault);
    }
    match done.result.as_deref() {
        Some("succeeded") => {
            context.messages.notice(&format!(
                "The store is copied to {}. With the recovery key (key:export), `undercroft catalog:rebuild --store={}` \
                 makes everything of it again on any machine.",
                params.to.display(),
                params.to.display()
            ));
            Ok(())
        }
        Some("aborted") => {
            context.messages.warning("The copy was stopped. The same command goes on from there.");
            Err(Failure::Interrupted)
        }
        _ => {
            context.messages.error_text(&done.reason);
            Err(Failure::Told)
        }
    }
}

async fn watch(context: &Context, mut copy: CopyObject, stop: &mut Stop) -> Result<CopyObject, Failure> {
    let mut progress = progress::Download::new(mode(context), "store", None, 0);
    let (mut shown, mut stops, mut look) = (0, false, FIRST_LOOK);
    while copy.result.is_none() {
        progress.expect(copy.expected, "copying");
        progress.advance(copy.done.saturating_sub(shown));
        shown = copy.done;
        tokio::select! {
            () = tokio::time::sleep(look) => look = (look * 5 / 4).min(LOOK),
            () = stop.asked() => {
                if std::mem::replace(&mut stops, true) {
                    std::process::exit(130);
                }
                context.client.cancel_copy(copy.id).await?;
            }
        }
        copy = context.client.copy_at(copy.id).await?;
    }
    progress.finish();
    Ok(copy)
}

fn tell(context: &Context, vault: &CopiedObject) {
    let id = vault.vault;
    if let Some(error) = &vault.error {
        context.messages.error_text(&format!("vault {id} is not copied, or not to its end: {error}"));
        return;
    }
    context.messages.notice(&format!(
        "vault {id}: {} objects copied ({}), {} were there, {} removed",
        vault.copied,
        human_size(vault.bytes),
        vault.kept,
        vault.removed
    ));
    for object in &vault.mended {
        context.messages.warning(&format!(
            "vault {id}: {object} was damaged in the copy and is written anew: that disk is not to be trusted"
        ));
    }
    for (object, what) in &vault.damaged {
        context.messages.warning(&format!("vault {id}: {object} {what}; vault:check tells what that means"));
    }
    for refused in &vault.refused {
        context.messages.warning(&format!("vault {id}: the copy would not remove {refused}"));
    }
    if let Some(why) = &vault.withheld {
        context.messages.warning(&format!("vault {id}: nothing was removed from the copy: {why}"));
    }
}
