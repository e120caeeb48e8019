//! `site:add FOLDER`

use std::collections::BTreeMap;
use std::env;

use undercroft_model::api::AddSite;

use super::{Context, places};
use crate::args::SiteAdd;
use crate::error::Failure;

/// Adds a site, or another environment of one.
pub async fn run(context: &Context, args: SiteAdd) -> Result<(), Failure> {
    let asked = AddSite {
        folder: places::absolute(&args.folder)?,
        name: args.name,
        env: args.env,
        overrides: args.place.into_overrides()?,
        dry_run: args.dry_run,
        variables: if args.use_environment { variables() } else { BTreeMap::new() },
    };
    let added = context.client.add_site(&asked).await?;
    if !added.made_with.is_empty() {
        context.messages.notice(&format!("{} is {}.", asked.folder.display(), added.made_with));
    }
    places::tell(context, &added, Some(&asked.folder))?;
    let name = format!("{}.{}", added.site.name, added.env);
    context.messages.notice(&match (asked.dry_run, added.known) {
        (true, false) => format!("This would be added as {name}. Nothing was added."),
        (true, true) => format!("This would be added to the known site as {name}. Nothing was added."),
        (false, _) => format!("Added {name}. Back it up with: undercroft backup:create {name}"),
    });
    Ok(())
}

/// This shell's variables, for settings files that ask for them.
fn variables() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
