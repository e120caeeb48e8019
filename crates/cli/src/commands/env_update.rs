//! `env:update SITE.ENV`

use undercroft_model::api::Overrides;

use super::{Context, lookup, places};
use crate::args::EnvUpdate;
use crate::error::Failure;

/// Changes where an environment's elements are, and how its backups are kept.
pub async fn run(context: &Context, args: EnvUpdate) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let find = args.find.as_deref().map(places::absolute).transpose()?;
    let changes = Overrides { expire_last: args.expire_last, find, ..args.place.into_overrides()? };
    if changes == Overrides::default() {
        return Err(Failure::Because(
            "Nothing was asked to be changed: undercroft env:update --help lists what can be.".to_owned(),
        ));
    }
    let updated = context.client.update_environment(site.id, &env, &changes).await?;
    places::tell(context, &updated, None)?;
    context.messages.notice(&format!("Updated {}.{env}. The next backup uses it.", site.name));
    Ok(())
}
