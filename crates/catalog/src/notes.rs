//! Single facts that the catalog remembers.

use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, Set};

use crate::entity::note;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// The fact of that name.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn note(&self, name: &str) -> Result<Option<String>, CatalogError> {
        Ok(note::Entity::find_by_id(name).one(&self.database).await?.map(|note| note.text))
    }

    /// Remembers a fact in place of an earlier one.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn set_note(&self, name: &str, text: &str) -> Result<(), CatalogError> {
        let note = note::ActiveModel { name: Set(name.to_owned()), text: Set(text.to_owned()) };
        let replace = OnConflict::column(note::Column::Name).update_column(note::Column::Text).to_owned();
        note::Entity::insert(note).on_conflict(replace).exec_without_returning(&self.database).await?;
        Ok(())
    }

    /// Forgets a fact.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn forget_note(&self, name: &str) -> Result<(), CatalogError> {
        note::Entity::delete_by_id(name).exec(&self.database).await?;
        Ok(())
    }
}
