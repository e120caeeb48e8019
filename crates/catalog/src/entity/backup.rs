//! Backups.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backup")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub site: Uuid,
    pub env: String,
    /// Unix seconds; no two backups of an environment share them.
    pub started: i64,
    /// Unix seconds until which it is kept.
    pub expires: i64,
    /// The whole report, as in the vault's record.
    pub report: Json,
    /// What happened to it since, in order, as in the vault's marks.
    pub marks: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
