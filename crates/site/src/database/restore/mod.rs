//! A dump back into a schema, all or nothing.
//!
//! The dump is loaded into a scratch schema on the same server ([`prepare`]) and switched in by renaming tables
//! ([`switch`]); the tables that were live go into a second schema, from where [`switch_back`] takes them, until
//! [`clean_up`] removes it. Every step looks at where things are before it moves them, so any of them can be
//! called again, by another process, after it was killed at any point.

mod definers;
mod error;
mod grants;
mod hand;
mod in_place;
mod journal;
mod late;
mod live;
mod numbered;
mod order;
mod orphans;
mod outside;
mod plan;
mod prefix;
mod prepare;
mod programs;
mod proof;
mod rename;
mod same;
mod settle;
mod stage;
mod switch;

pub use error::RestoreError;
pub use order::{Order, OutsideKey, Staged, Way};
pub use plan::{Plan, PlannedTable, plan};
pub use prepare::prepare;
pub use proof::{TestRestore, test_clean_up, test_restore};
pub use stage::stage;
pub use switch::{clean_up, switch, switch_back};
