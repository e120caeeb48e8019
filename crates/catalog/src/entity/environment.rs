//! Environments.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "environment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub site: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Unix seconds.
    pub created: i64,
    /// The settings as JSON, without the database's password.
    pub settings: Json,
    /// The database's password, sealed.
    pub password: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
