//! A data folder in use.

use std::fs::File;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use undercroft_catalog::{BadKey, Catalog, CatalogError, Sealer};
use undercroft_model::api::RecoveryObject;
use undercroft_vault::Vault;
use undercroft_vault::VaultError;
use undercroft_vault::keys::RecoveryKey;
use undercroft_vault::store::{self, Store, StoreError};
use undercroft_worker::Clock;
use uuid::Uuid;

use crate::data::{DataError, DataFolder};
use crate::jobs::{Jobs, Patience};
use crate::reserve::PLENTY;
use crate::store::copy::Copies;

/// Why a data folder could not be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or its keys can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The catalog can't be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The key of the catalog's secrets can't be used.
    #[error("the data folder's key can't be used")]
    Key(#[from] BadKey),
}

/// A data folder in use: the catalog, the keys, the store and the jobs that this program runs.
pub struct App {
    pub(crate) data: DataFolder,
    pub(crate) catalog: Catalog,
    pub(crate) recovery: RecoveryKey,
    pub(crate) link_key: [u8; 32],
    pub(crate) jobs: Jobs,
    /// What became of restores that were stopped, until it is told.
    pub(crate) recoveries: Mutex<Vec<RecoveryObject>>,
    pub(crate) copies: Copies,
    /// Tells the time.
    pub(crate) clock: Clock,
    /// How long jobs of others are waited for that say nothing.
    pub(crate) patience: Patience,
    _lives: File,
}

impl App {
    /// Takes a data folder into use, and ends the jobs that a program left when it was stopped.
    ///
    /// # Errors
    /// [`OpenError`] if the folder, a key or the catalog can't be used.
    pub async fn open(data: DataFolder) -> Result<Arc<Self>, OpenError> {
        App::open_with(data, Arc::new(Timestamp::now), Patience::default()).await
    }

    /// As [`open`](Self::open), with another clock and another patience.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        data: DataFolder,
        clock: Clock,
        patience: Patience,
    ) -> Result<Arc<Self>, OpenError> {
        data.use_reserve_if_full();
        // The keys come first: a catalog that is there has them.
        let recovery = data.recovery_key()?;
        let sealer = Sealer::new(&data.key_for("secrets of the catalog")?)?;
        let catalog = match Catalog::open(&data.catalog(), sealer.clone()).await {
            // A quota can be used up on a disk that has room.
            Err(CatalogError::Open { .. }) if data.use_reserve() => {
                Catalog::open(&data.catalog(), sealer).await?
            }
            other => other?,
        };
        let worker = Uuid::new_v4();
        let lives = data.register_worker(worker)?;
        let app = Arc::new(App {
            recovery,
            link_key: data.key_for("download links")?,
            catalog,
            jobs: Jobs::new(worker),
            recoveries: Mutex::default(),
            copies: Copies::default(),
            clock,
            patience,
            data,
            _lives: lives,
        });
        if let Err(error) = app.end_abandoned_restores().await {
            // Whatever stands in the way is told by the next job of that environment, too.
            tracing::warn!(error = error.message, "restores that were stopped could not be looked for");
        }
        app.end_abandoned_jobs().await?;
        app.data.forget_dead_workers();
        app.keep_reserve().await;
        Ok(app)
    }

    /// Sets the reserve aside again, if there is room for it now.
    pub(crate) async fn keep_reserve(&self) {
        let data = self.data.clone();
        if let Ok(Err(error)) = blocking(move || data.keep_reserve(PLENTY)).await {
            tracing::debug!(%error, "there is no room for a reserve");
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Unix seconds with fractions, as the API has times.
    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.now())
    }

    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(store::local(self.data.store())?))
    }

    /// A site's vault. Blocks; call it where that is allowed.
    pub(crate) fn vault(&self, site: Uuid) -> Result<Vault, VaultError> {
        let vault = Vault::open(self.store()?, site, &self.recovery.0)?;
        if let Some(fault) = vault.lost_config() {
            let object = format!("{}/vaults/{site}/config", self.data.store().display());
            self.tell(
                false,
                format!("{object} is {fault}. What is read does without it; the next backup makes it anew."),
            );
        }
        Ok(vault)
    }

    /// A site's vault, to add something to it if it is there. A config that was lost is made anew. Blocks.
    pub(crate) fn vault_to_add(&self, site: Uuid) -> Result<Vault, VaultError> {
        match Vault::open(self.store()?, site, &self.recovery.0)? {
            vault if vault.lost_config().is_none() => Ok(vault),
            _ => self.vault_to_write(site),
        }
    }

    /// A site's vault, made if it isn't there. Blocks.
    pub(crate) fn vault_to_write(&self, site: Uuid) -> Result<Vault, VaultError> {
        Vault::open_or_create(self.store()?, site, &self.recovery.0)
    }
}

/// Unix seconds with fractions.
pub(crate) fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// Runs what blocks on a thread where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, crate::ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| crate::ApiError::internal(&error))
}
