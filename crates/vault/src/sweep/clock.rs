//! A clock that was set ahead for a while: everything looks too old, and one backup by that clock makes it look right.
//!
//! What stays is the gap in the times that records and marks tell of. While it is recent, nothing goes for an age that
//! may be this gap's alone. It is forgotten once things went on for longer than it takes to be one: then a vault that
//! rested for a season is swept as before, and somebody had the time to notice a wrong clock. Until then a sweep can be
//! told that the clock is right.

use jiff::{SignedDuration, Timestamp};
use undercroft_model::MarkState;

use super::Candidate;
use super::error::{Brake, SweepError};
use super::plan::SweepPlan;

/// A time in which nothing happened in a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    from: Timestamp,
    to: Timestamp,
}

impl Gap {
    /// The recent one among these times that is longer than a vault is quiet, if there is one. There can't be two, as
    /// both would end in a time that is no longer than one of them.
    pub fn recent(mut times: Vec<Timestamp>, quiet: SignedDuration, now: Timestamp) -> Option<Gap> {
        times.sort();
        let mut gaps = times.iter().zip(times.iter().skip(1)).map(|(from, to)| Gap { from: *from, to: *to });
        let is_recent =
            |gap: &Gap| gap.to.duration_since(gap.from) > quiet && now.duration_since(gap.to) <= quiet;
        gaps.rfind(is_recent)
    }

    /// Whether a backup that may go since then may go because of the gap. `made` is when it was made.
    fn ages(&self, candidate: &Candidate, made: Timestamp, since: Timestamp) -> bool {
        let marks = MarkState::of(&candidate.marks, Timestamp::MIN);
        let was_gone = since <= self.from || marks.condemned.is_some();
        let is_newer = made >= self.to || marks.trashed.is_some_and(|trashed| trashed >= self.to);
        !was_gone && !is_newer
    }
}

/// Stops a sweep that would remove a backup for an age that it may not have. `candidates` come with the time at which
/// each was made, if that is known.
pub(super) fn check_jump<'a>(
    plan: &SweepPlan,
    gap: Option<Gap>,
    mut candidates: impl Iterator<Item = (&'a Candidate, Option<Timestamp>)>,
) -> Result<(), SweepError> {
    let Some(gap) = gap.filter(|_| !plan.policy.clock_is_right) else { return Ok(()) };
    let ages = |(candidate, made): (&Candidate, Option<Timestamp>)| {
        let purge = plan.purge.iter().find(|purge| purge.backup == candidate.id);
        purge.is_some_and(|purge| gap.ages(candidate, made.unwrap_or(Timestamp::MIN), purge.since))
    };
    if candidates.any(ages) {
        let Gap { from, to } = gap;
        return Err(SweepError::Braked(Brake::ClockJumped { now: plan.made, from, to }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap()
    }

    #[test]
    fn a_gap_is_recent_until_things_went_on_for_as_long() {
        let quiet = SignedDuration::from_hours(100 * 24);
        let at = |times: &[i64], now| {
            let gap = Gap::recent(times.iter().map(|at| day(*at)).collect(), quiet, day(now));
            gap.map(|gap| (gap.from, gap.to))
        };
        assert_eq!(at(&[], 5), None);
        assert_eq!(at(&[1], 500), None, "that is another brake's");
        assert_eq!(at(&[1, 101], 101), None);
        let gap = Some((day(1), day(500)));
        assert_eq!(at(&[500, 0, 1], 500), gap, "in any order");
        assert_eq!(at(&[0, 1, 500, 580], 600), gap);
        assert_eq!(at(&[0, 1, 500, 580], 601), None);
        assert_eq!(at(&[0, 1, 500, 601], 601), Some((day(500), day(601))), "the next one");
    }
}
