//! `site:remove SITE`

use super::{Context, lookup};
use crate::args::SiteRemove;
use crate::error::Failure;
use crate::output::{Answer, confirm};

/// Removes a site.
pub async fn run(context: &Context, args: SiteRemove) -> Result<(), Failure> {
    let site = lookup::site(&context.client, &args.site).await?;
    let question = if args.delete_backups {
        format!("Are you sure you want to remove {} and delete all of its backups for good?", site.name)
    } else {
        format!("Are you sure you want to remove {}? Its backups stay in the store.", site.name)
    };
    let answer = Answer::from_options(context.global.yes, context.global.no_interaction);
    if !confirm(&question, answer).map_err(Failure::Print)? {
        context.messages.notice("Nothing was removed.");
        return Ok(());
    }
    let kept = context.client.remove_site(site.id, args.delete_backups).await?;
    context.messages.notice(&match kept {
        Some(place) => {
            format!("Removed {}. Its backups are still in {place}; the recovery key opens them.", site.name)
        }
        None => format!("Removed {}.", site.name),
    });
    Ok(())
}
