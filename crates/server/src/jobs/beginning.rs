//! Whether a site has a vault yet, or has none any more.

use std::sync::Arc;

use undercroft_catalog::Site;
use undercroft_vault::store::StoreError;
use undercroft_vault::{Vault, VaultError};

use super::ended::Ended;
use crate::App;
use crate::app::blocking;
use crate::backups::lost;

impl App {
    /// A site's vault, opened; `None` if there is [none yet](Self::has_begun). The store is listed only if it does not open.
    pub(super) async fn vault_if_begun(self: &Arc<Self>, site: &Site) -> Result<Option<Vault>, Ended> {
        let (app, id) = (Arc::clone(self), site.id);
        match blocking(move || app.vault(id)).await? {
            Err(VaultError::Store(StoreError::Missing { .. })) if !self.has_begun(site).await? => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// Whether the store has anything of a site. Refuses where it has nothing and should have: a store whose disk is not
    /// mounted must not be begun anew.
    pub(super) async fn has_begun(self: &Arc<Self>, site: &Site) -> Result<bool, Ended> {
        let (app, prefix) = (Arc::clone(self), format!("vaults/{}/", site.id));
        let there = blocking(move || app.store()?.list(&prefix)).await?;
        if !there.map_err(|error| Ended::failed(error.to_string()))?.is_empty() {
            return Ok(true);
        }
        let known = self.all_standings(site.id).await?;
        let lost = lost::lost(&known, &[]).len();
        if lost == 0 {
            return Ok(false);
        }
        let backups = if lost == 1 { "a backup".to_owned() } else { format!("{lost} backups") };
        let name = &site.name;
        Err(Ended::failed(format!(
            "The store {} has nothing of {name}, of which {backups} should be there: is its disk mounted? If they are lost, a \
             copy that store:copy made can be put in its place; without one, begin anew with site:remove {name} and site:add.",
            self.data.store().display()
        )))
    }
}
