//! Sites: adding, finding, removing.

use jiff::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set, SqlErr};
use undercroft_model::SiteName;
use uuid::Uuid;

use crate::entity::{backup, environment, job, site};
use crate::{Catalog, CatalogError, JobState};

/// A site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its UUID, which is its vault's too.
    pub id: Uuid,
    /// Its name.
    pub name: SiteName,
    /// When it was added.
    pub created: Timestamp,
    /// What it is made with: `wordpress`, `drupal`, `drupal8`, …, as the API has it.
    pub framework: String,
}

impl TryFrom<site::Model> for Site {
    type Error = CatalogError;

    fn try_from(row: site::Model) -> Result<Self, CatalogError> {
        let damaged = |why: String| CatalogError::damaged(format!("the site {}", row.id), why);
        Ok(Site {
            id: row.id,
            name: row.name.parse().map_err(|e| damaged(format!("{e}")))?,
            created: Timestamp::from_second(row.created).map_err(|e| damaged(format!("{e}")))?,
            framework: row.framework,
        })
    }
}

impl Catalog {
    /// All sites, by name.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn sites(&self) -> Result<Vec<Site>, CatalogError> {
        let rows = site::Entity::find().order_by_asc(site::Column::Name).all(&self.database).await?;
        rows.into_iter().map(Site::try_from).collect()
    }

    /// The site with that UUID.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn site(&self, id: Uuid) -> Result<Option<Site>, CatalogError> {
        site::Entity::find_by_id(id).one(&self.database).await?.map(Site::try_from).transpose()
    }

    /// The site of that name.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn site_by_name(&self, name: &str) -> Result<Option<Site>, CatalogError> {
        let row = site::Entity::find().filter(site::Column::Name.eq(name)).one(&self.database).await?;
        row.map(Site::try_from).transpose()
    }

    /// Adds a site.
    ///
    /// # Errors
    /// [`CatalogError::SiteTaken`] if there is one of that name.
    pub async fn add_site(&self, site: &Site) -> Result<(), CatalogError> {
        let row = site::ActiveModel {
            id: Set(site.id),
            name: Set(site.name.to_string()),
            created: Set(site.created.as_second()),
            framework: Set(site.framework.clone()),
        };
        match site::Entity::insert(row).exec_without_returning(&self.database).await {
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                Err(CatalogError::SiteTaken(site.name.clone()))
            }
            other => other.map(|_| ()).map_err(CatalogError::from),
        }
    }

    /// Removes a site with its environments, and what the catalog knows of its backups. The vault is not touched.
    ///
    /// # Errors
    /// [`CatalogError::Busy`] if one of its jobs is running.
    pub async fn remove_site(&self, id: Uuid) -> Result<(), CatalogError> {
        let transaction = self.write().await?;
        let running = job::Entity::find()
            .filter(job::Column::Site.eq(id))
            .filter(job::Column::State.eq(JobState::Running.as_str()))
            .one(&transaction)
            .await?;
        if running.is_some() {
            return Err(CatalogError::Busy);
        }
        backup::Entity::delete_many().filter(backup::Column::Site.eq(id)).exec(&transaction).await?;
        job::Entity::delete_many().filter(job::Column::Site.eq(id)).exec(&transaction).await?;
        environment::Entity::delete_many()
            .filter(environment::Column::Site.eq(id))
            .exec(&transaction)
            .await?;
        site::Entity::delete_by_id(id).exec(&transaction).await?;
        Ok(transaction.commit().await?)
    }
}
