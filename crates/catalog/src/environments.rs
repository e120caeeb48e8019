//! Environments and their settings. Passwords are kept apart, sealed.

use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set, SqlErr};
use undercroft_model::{EnvName, EnvSettings, Secret};
use uuid::Uuid;

use crate::entity::environment;
use crate::{Catalog, CatalogError};

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its site.
    pub site: Uuid,
    /// Its name.
    pub name: EnvName,
    /// When it was added.
    pub created: Timestamp,
    /// Where its elements are, with the secrets that it takes to get at them.
    pub settings: EnvSettings,
}

fn place(site: Uuid, env: &str) -> String {
    format!("secrets of {site}.{env}")
}

impl Catalog {
    fn environment_from(&self, row: environment::Model) -> Result<Environment, CatalogError> {
        let damaged = |why: String| CatalogError::damaged(format!("the environment {}", row.name), why);
        let settings: EnvSettings =
            serde_json::from_value(row.settings.clone()).map_err(|e| damaged(e.to_string()))?;
        let sealed = self.sealer.open(&place(row.site, &row.name), &row.secrets);
        let secrets = sealed.map_err(|e| damaged(format!("its secrets: {e}")))?;
        let secrets = serde_json::from_str(secrets.reveal()).map_err(|e| damaged(e.to_string()))?;
        let settings = settings.with_secrets(secrets);
        Ok(Environment {
            site: row.site,
            name: row.name.parse().map_err(|e| damaged(format!("{e}")))?,
            created: Timestamp::from_second(row.created).map_err(|e| damaged(e.to_string()))?,
            settings,
        })
    }

    fn environment_row(&self, env: &Environment) -> Result<environment::ActiveModel, CatalogError> {
        let damaged = |why: String| CatalogError::damaged(format!("the environment {}", env.name), why);
        let (settings, secrets) = env.settings.clone().without_secrets();
        let secrets = serde_json::to_string(&secrets).map_err(|e| damaged(e.to_string()))?;
        let sealed = self.sealer.seal(&place(env.site, env.name.as_str()), &Secret::new(secrets));
        Ok(environment::ActiveModel {
            site: Set(env.site),
            name: Set(env.name.to_string()),
            created: Set(env.created.as_second()),
            settings: Set(serde_json::to_value(&settings).map_err(|e| damaged(e.to_string()))?),
            secrets: Set(sealed.map_err(|e| damaged(e.to_string()))?),
        })
    }

    /// A site's environments, in the order in which they were added.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn environments(&self, site: Uuid) -> Result<Vec<Environment>, CatalogError> {
        let rows = environment::Entity::find()
            .filter(environment::Column::Site.eq(site))
            .order_by_asc(environment::Column::Created)
            .order_by_asc(environment::Column::Name)
            .all(&self.database)
            .await?;
        rows.into_iter().map(|row| self.environment_from(row)).collect()
    }

    /// The site's environment of that name.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn environment(&self, site: Uuid, name: &str) -> Result<Option<Environment>, CatalogError> {
        let row = environment::Entity::find_by_id((site, name.to_owned())).one(&self.database).await?;
        row.map(|row| self.environment_from(row)).transpose()
    }

    /// Adds an environment.
    ///
    /// # Errors
    /// [`CatalogError::EnvironmentTaken`] if the site has one of that name.
    pub async fn add_environment(&self, env: &Environment) -> Result<(), CatalogError> {
        let row = self.environment_row(env)?;
        match environment::Entity::insert(row).exec_without_returning(&self.database).await {
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                Err(CatalogError::EnvironmentTaken(env.name.clone()))
            }
            other => other.map(|_| ()).map_err(CatalogError::from),
        }
    }

    /// Replaces an environment's settings.
    ///
    /// # Errors
    /// [`CatalogError::NoEnvironment`] if it is not there.
    pub async fn update_environment(&self, env: &Environment) -> Result<(), CatalogError> {
        let row = self.environment_row(env)?;
        match environment::Entity::update(row).exec(&self.database).await {
            Err(sea_orm::DbErr::RecordNotUpdated) => Err(CatalogError::NoEnvironment(env.name.clone())),
            other => other.map(|_| ()).map_err(CatalogError::from),
        }
    }
}
