//! What a vault holds that no backup with a record needs, after the catalog was made anew.
//!
//! A catalog that was there all the time knows each backup, and so whether a record was lost. One that was made from the
//! store knows none but by its record: what nothing needs there may be what is left of a backup whose record was lost. So
//! no sweep removes it before somebody has said that no backup is missing, which is remembered.

use std::sync::Arc;

use undercroft_catalog::CatalogError;
use undercroft_model::Silent;
use undercroft_vault::{Vault, VaultError, sweep};
use uuid::Uuid;

use crate::app::blocking;
use crate::{ApiError, App};

fn note(site: Uuid) -> String {
    format!("unrecorded pieces of {site}")
}

impl App {
    /// Whether nobody knows if the vault has lost a record.
    pub(crate) async fn is_unsure(&self, site: Uuid) -> Result<bool, CatalogError> {
        Ok(self.catalog.note(&note(site)).await?.is_some())
    }

    /// Somebody says that no backup is missing.
    pub(crate) async fn is_sure(&self, site: Uuid) -> Result<(), CatalogError> {
        self.catalog.forget_note(&note(site)).await
    }

    /// Looks for what no backup with a record needs, before the catalog knows the site; what to say of it.
    pub(crate) async fn look_for_unrecorded(
        self: &Arc<Self>,
        site: Uuid,
    ) -> Result<Option<String>, ApiError> {
        if self.catalog.site(site).await?.is_some() && !self.is_unsure(site).await? {
            return Ok(None);
        }
        let opener = Arc::clone(self);
        let unneeded = blocking(move || {
            let vault: Vault = opener.vault(site)?;
            Ok::<_, VaultError>(sweep::unneeded(&vault, &Silent))
        });
        let bytes = match unneeded.await? {
            Ok(Ok(0)) => {
                self.is_sure(site).await?;
                return Ok(None);
            }
            Ok(Ok(bytes)) => bytes.to_string(),
            // What can't be told now is told by the sweep.
            Ok(Err(_)) | Err(_) => "some".to_owned(),
        };
        self.catalog.set_note(&note(site), &bytes).await?;
        if bytes == "some" {
            return Ok(None);
        }
        Ok(Some(format!(
            "the vault {site}: {bytes} bytes are needed by no backup that has a record, since a backup was killed, was swept in \
             part, or has lost its record: if backup:list lacks one, put its record back from a copy of the store (what \
             store:copy made) and rebuild the catalog again; if none is missing, vault:sweep --however-much frees them"
        )))
    }
}
