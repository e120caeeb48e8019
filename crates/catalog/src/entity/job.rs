//! Jobs.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub site: Uuid,
    /// Empty for what concerns the whole site.
    pub env: String,
    pub kind: String,
    /// What was asked, as the API has it.
    pub params: Json,
    pub state: String,
    /// The worker that has it, or is to have it.
    pub worker: Uuid,
    /// Counts up with each claim: who holds an older number has lost the lease.
    pub fence: i64,
    /// Unix seconds, with fractions.
    pub created: f64,
    pub started: Option<f64>,
    pub finished: Option<f64>,
    pub heartbeat: Option<f64>,
    /// Unix seconds of the folder name of the backup that it makes.
    pub folder: Option<i64>,
    /// Why it failed, for a person.
    pub reason: String,
    /// What it has done so far, as JSON.
    pub progress: Json,
    /// What came of it, as JSON.
    pub outcome: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
