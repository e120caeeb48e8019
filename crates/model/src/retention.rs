//! Retention: which backups are kept, which lie in the trash, and which may be removed.
//!
//! All of it is a function of what the backups' records and marks say, the time, and a policy. Nothing is read or
//! written here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::mark::{Mark, MarkState};
use crate::{BackupReport, Element, ElementState, EnvName};

/// How long what was deleted or has expired can be brought back, unless set otherwise.
pub const HOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What decides how long backups are kept beyond their own keep-for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How long a backup lies in the trash.
    pub hold: SignedDuration,
    /// Since when the last good backup expires as any other. `None`: it outlives its keep-for.
    pub expire_last: Option<Timestamp>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { hold: HOLD, expire_last: None }
    }
}

/// The policies of environments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// That of every environment of which nothing else is said.
    pub usual: Policy,
    /// Those of the others: of a site, of one of its environments.
    pub others: BTreeMap<(Uuid, EnvName), Policy>,
}

impl Policies {
    /// The policy of the environment that a backup is of.
    fn of(&self, report: &BackupReport) -> &Policy {
        if self.others.is_empty() {
            return &self.usual;
        }
        self.others.get(&(report.site, report.env.clone())).unwrap_or(&self.usual)
    }
}

impl From<Policy> for Policies {
    fn from(usual: Policy) -> Self {
        Policies { usual, others: BTreeMap::new() }
    }
}

/// A backup as retention sees it.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// What its record says.
    pub report: &'a BackupReport,
    /// Its marks, in order.
    pub marks: &'a [Mark],
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "lowercase")]
pub enum Fate {
    /// It is listed.
    Listed {
        /// Until when, if anything but a newer backup ends that.
        until: Option<Timestamp>,
        /// Why so long.
        why: ListedWhy,
    },
    /// It lies in the trash: listed nowhere else, and can be brought back.
    Trash {
        /// Since when.
        since: Timestamp,
        /// Until when; `None` while one of its marks can't be read.
        until: Option<Timestamp>,
        /// What put it there.
        why: TrashWhy,
    },
    /// It may be removed. It is listed nowhere and can't be brought back.
    Gone {
        /// Since when.
        since: Timestamp,
        /// What put it in the trash before.
        why: TrashWhy,
    },
}

/// Why a backup is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedWhy {
    /// Its keep-for is not over.
    KeepFor,
    /// Somebody set another end.
    Prolonged,
    /// Somebody said that it is kept for ever.
    Pinned,
    /// It would have expired, but there is no newer good backup of one of its elements.
    LastGood,
}

/// Why a backup is in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrashWhy {
    /// It was deleted.
    Deleted,
    /// Its time was over.
    Expired,
}

/// Says of each backup what becomes of it. Backups of several environments may be given at once; each environment
/// is judged by itself.
///
/// A fate follows from what there is now: should all newer good backups be deleted, an expired one that was not
/// removed yet is the last good one again, and is listed.
pub fn fates(backups: &[Kept<'_>], now: Timestamp, policies: &Policies) -> BTreeMap<Uuid, Fate> {
    let mut envs: BTreeMap<(Uuid, &str), Vec<Weighed<'_>>> = BTreeMap::new();
    for kept in backups {
        let state = MarkState::of(kept.marks, kept.report.finished);
        let env = (kept.report.site, kept.report.env.as_str());
        envs.entry(env).or_default().push(Weighed { report: kept.report, state });
    }
    let mut fates = BTreeMap::new();
    for env in envs.values_mut() {
        env.sort_by_key(|backup| (backup.report.folder.started, backup.report.id));
        for (at, backup) in env.iter().enumerate() {
            let policy = policies.of(backup.report);
            let last_good = LastGood::of(backup, env, at).unless(policy, now);
            fates.insert(backup.report.id, backup.fate(last_good, now, policy));
        }
    }
    fates
}

/// A backup and what its marks come to.
struct Weighed<'a> {
    report: &'a BackupReport,
    state: MarkState,
}

/// Whether a backup is the last good one of an element.
enum LastGood {
    Yes,
    /// It is not; since when it isn't, if it once was.
    No(Option<Timestamp>),
}

impl LastGood {
    /// Looks at the backup at a place in its environment, which is in order of time. It is the last good one of an
    /// element while no newer one is good in that element and was not found damaged.
    fn of(backup: &Weighed<'_>, env: &[Weighed<'_>], at: usize) -> LastGood {
        if backup.is_removed() {
            return LastGood::No(None);
        }
        let mut until = None;
        for element in Element::ALL.into_iter().filter(|element| backup.is_good(*element)) {
            let newer = env.iter().skip(at + 1).filter(|newer| newer.succeeds(element));
            match newer.map(|newer| newer.report.finished).min() {
                None => return LastGood::Yes,
                since => until = until.max(since),
            }
        }
        LastGood::No(until)
    }

    /// The same where the last good backup expires as any other: it was the last good one until then.
    fn unless(self, policy: &Policy, now: Timestamp) -> LastGood {
        // A clock that went back must not let anything expire.
        let Some(expires) = policy.expire_last.filter(|since| *since <= now) else { return self };
        match self {
            LastGood::Yes => LastGood::No(Some(expires)),
            LastGood::No(until) => LastGood::No(until.map(|until| until.min(expires))),
        }
    }
}

impl Weighed<'_> {
    fn is_removed(&self) -> bool {
        self.state.trashed.is_some() || self.state.condemned.is_some()
    }

    fn is_good(&self, element: Element) -> bool {
        let element = self.report.elements.get(&element);
        !self.report.safety && element.is_some_and(|report| report.state == ElementState::Good)
    }

    fn is_damaged(&self) -> bool {
        self.state.proof.is_some_and(|proof| !proof.good)
    }

    /// Whether this backup makes any older one dispensable. One whose marks can't be read might be anything; of one
    /// that was found damaged it is not known which element is, so it can't stand for one that is damaged elsewhere.
    fn succeeds(&self, element: Element) -> bool {
        self.is_good(element) && !self.is_removed() && !self.state.unread && !self.is_damaged()
    }

    fn fate(&self, last_good: LastGood, now: Timestamp, policy: &Policy) -> Fate {
        if let Some(since) = self.state.condemned {
            let why = if self.state.trashed.is_some() { TrashWhy::Deleted } else { TrashWhy::Expired };
            return Fate::Gone { since, why };
        }
        if let Some(since) = self.state.trashed {
            return self.in_trash(since, TrashWhy::Deleted, now, policy);
        }
        let until = match self.state.keep {
            Some(None) => return Fate::Listed { until: None, why: ListedWhy::Pinned },
            Some(Some(until)) => until,
            None => self.report.expires,
        };
        if now < until {
            let why = if self.state.keep.is_some() { ListedWhy::Prolonged } else { ListedWhy::KeepFor };
            return Fate::Listed { until: Some(until), why };
        }
        match last_good {
            LastGood::Yes => Fate::Listed { until: None, why: ListedWhy::LastGood },
            // What was listed until a newer backup came lies in the trash from then on.
            LastGood::No(since) => {
                self.in_trash(since.map_or(until, |since| since.max(until)), TrashWhy::Expired, now, policy)
            }
        }
    }

    fn in_trash(&self, since: Timestamp, why: TrashWhy, now: Timestamp, policy: &Policy) -> Fate {
        // A hold that reaches beyond all time never ends.
        let until = since.checked_add(policy.hold).unwrap_or(Timestamp::MAX);
        if self.state.unread {
            Fate::Trash { since, until: None, why }
        } else if now < until {
            Fate::Trash { since, until: Some(until), why }
        } else {
            Fate::Gone { since: until, why }
        }
    }
}

#[cfg(test)]
mod tests;
