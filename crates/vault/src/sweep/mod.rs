//! The sweep: removes what no backup needs any more.
//!
//! [`plan`] looks and decides, and changes nothing; [`run`] carries a plan out. What is kept is read from the store
//! alone: records, marks, manifests, index.
//!
//! It goes in the order opposite to writing: a backup is condemned, then loses its record, then its marks; what is alive
//! in packs that are mostly dead is sealed anew into new ones, which stand in the index before the old ones go; segments
//! that name dead packs are replaced; dead packs go. On a full store dead packs make room first. What guards it against backups that run all the same,
//! and against deletes that come late, is told in the module of notices.

mod census;
mod clock;
mod decide;
mod error;
mod notice;
mod plan;
mod purge;
mod rewrite;
mod run;
mod segments;

use std::collections::BTreeMap;

use jiff::Timestamp;
use undercroft_model::retention::{self, Fate, Kept, Policies};
use undercroft_model::{BackupReport, Mark};
use uuid::Uuid;

pub use decide::{plan, unneeded};
pub use error::{Brake, SweepError};
pub use plan::{
    Amount, Cleared, Purge, Refused, Room, SparedPack, SweepPlan, SweepPolicy, Swept, SweptPack, Waiting,
};
pub use run::run;

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
    /// When each backup was made, and when it was done, as far as the records tell. The clock can't be right if it is
    /// before any of these, and may be wrong if two that follow each other lie far apart.
    pub times: BTreeMap<Uuid, [Timestamp; 2]>,
}

/// Decides by retention: reads each record's `about` as a report. A record that isn't one is kept.
pub fn by_retention(policies: impl Into<Policies>, now: Timestamp) -> impl Fn(&[Candidate]) -> Judgement {
    let policies = policies.into();
    move |candidates| {
        let read =
            |candidate: &Candidate| serde_json::from_value::<BackupReport>(candidate.about.clone()).ok();
        let reports: Vec<_> = candidates.iter().map(read).collect();
        // What is told of one backup under the name of another is told of none.
        let kept: Vec<_> = reports
            .iter()
            .zip(candidates)
            .filter_map(|(report, candidate)| {
                let report = report.as_ref().filter(|report| report.id == candidate.id)?;
                Some(Kept { report, marks: &candidate.marks })
            })
            .collect();
        let times = kept.iter().map(|kept| (kept.report.id, [kept.report.moment, kept.report.finished]));
        Judgement { times: times.collect(), fates: retention::fates(&kept, now, &policies) }
    }
}
