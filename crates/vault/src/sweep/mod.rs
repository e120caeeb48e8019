//! The sweep: removes what no backup needs any more.
//!
//! [`plan`] looks and decides, and changes nothing; [`run`] carries a plan out. What is kept is read from the store
//! alone: records, marks, manifests, index.

mod error;
mod notice;
mod plan;

use std::collections::BTreeMap;

use jiff::Timestamp;
use undercroft_model::retention::{Fate, Policy};
use undercroft_model::{Mark, Observer};
use uuid::Uuid;

use crate::vault::Vault;

pub use error::{Brake, SweepError};
pub use plan::{
    Amount, Cleared, Purge, Refused, Room, SparedPack, SweepPlan, SweepPolicy, Swept, SweptPack, Waiting,
};

/// A backup as the store tells of it, for whoever decides what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The backup.
    pub id: Uuid,
    /// What its record says of it.
    pub about: serde_json::Value,
    /// Its marks, in order.
    pub marks: Vec<Mark>,
}

/// What is decided of backups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// The fate of each backup. One that is not named is kept, and the plan says so.
    pub fates: BTreeMap<Uuid, Fate>,
    /// The latest time that any of the records tells of: the clock can't be right if it is before that.
    pub latest: Option<Timestamp>,
}

/// Decides by retention: reads each record's `about` as a report. A record that isn't one is kept.
pub fn by_retention(policy: Policy, now: Timestamp) -> impl Fn(&[Candidate]) -> Judgement {
    move |_| {
        let _ = (&policy, now);
        todo!()
    }
}

/// Plans a sweep: reads all records, marks, the index and the manifests of all backups that stay. Changes nothing.
///
/// `judge` says what becomes of all the backups at once. `observer` is only asked whether to stop.
///
/// # Errors
/// [`SweepError`]: a brake, with its reason, or whatever could not be read.
pub fn plan(
    vault: &Vault,
    judge: &dyn Fn(&[Candidate]) -> Judgement,
    policy: &SweepPolicy,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<SweepPlan, SweepError> {
    let _ = (vault, judge, policy, now, observer);
    todo!()
}

/// Carries a plan out. Safe to be killed at any point; the next plan finishes what was begun. Stops soon after
/// `observer` says so, at a safe point, and says in [`Swept::stopped`] that it did.
///
/// # Errors
/// [`SweepError::Changed`] if the vault is not what it was when it was planned, before anything is removed that
/// the change could need; [`SweepError::Vault`] if the store fails.
pub fn run(vault: &Vault, plan: &SweepPlan, observer: &dyn Observer) -> Result<Swept, SweepError> {
    let _ = (vault, plan, observer);
    todo!()
}
