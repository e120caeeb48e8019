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
    /// The settings as JSON, without their secrets.
    pub settings: Json,
    /// The secrets, sealed.
    pub secrets: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
