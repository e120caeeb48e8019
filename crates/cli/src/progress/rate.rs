//! How fast something goes now.

use std::collections::VecDeque;
use std::time::Duration;

/// What happened longer ago says nothing about now.
const WINDOW: Duration = Duration::from_secs(10);
/// Readings closer together than this count as one: a download has thousands a second.
const APART: Duration = Duration::from_millis(100);

/// The rate over the last ten seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    /// When, since the beginning, and how many bytes were done.
    readings: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Takes in that `done` bytes are done at `now`. If that is fewer than before, all begins anew.
    pub(super) fn read(&mut self, now: Duration, done: u64) {
        if self.readings.back().is_some_and(|(_, before)| done < *before) {
            self.readings.clear();
        }
        let last_but_one = self.readings.iter().rev().nth(1);
        if last_but_one.is_some_and(|(then, _)| now.saturating_sub(*then) < APART) {
            self.readings.pop_back();
        }
        self.readings.push_back((now, done));
        // Two readings are needed for a rate, however old the first is.
        let old = |(then, _): &(Duration, u64)| now.saturating_sub(*then) >= WINDOW;
        while self.readings.len() > 2 && self.readings.get(1).is_some_and(old) {
            self.readings.pop_front();
        }
    }

    /// Bytes, and the time in which they were done; `None` while that can't be told.
    pub(super) fn recent(&self) -> Option<(u64, Duration)> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        let time = last.0.saturating_sub(first.0);
        (!time.is_zero()).then(|| (last.1.saturating_sub(first.1), time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_the_last_ten_seconds_count() {
        let mut rate = Rate::default();
        assert_eq!(rate.recent(), None);
        for second in 0..=30 {
            let done =
                if second <= 15 { u64::from(second) * 1000 } else { 15_000 + u64::from(second - 15) * 10 };
            rate.read(SECOND * second, done);
        }
        assert_eq!(rate.recent(), Some((100, SECOND * 10)));
    }

    #[test]
    fn one_reading_is_no_rate() {
        let mut rate = Rate::default();
        rate.read(SECOND, 500);
        assert_eq!(rate.recent(), None);
        rate.read(SECOND, 600);
        assert_eq!(rate.recent(), None);
        rate.read(SECOND * 60, 700);
        assert_eq!(rate.recent(), Some((100, SECOND * 59)));
    }

    #[test]
    fn what_begins_anew_forgets_what_was() {
        let mut rate = Rate::default();
        rate.read(SECOND, 500);
        rate.read(SECOND * 2, 1000);
        rate.read(SECOND * 3, 10);
        assert_eq!(rate.recent(), None);
        rate.read(SECOND * 4, 30);
        assert_eq!(rate.recent(), Some((20, SECOND)));
    }

    #[test]
    fn readings_in_a_hurry_are_not_hoarded() {
        let mut rate = Rate::default();
        for step in 0..100_000_u32 {
            rate.read(Duration::from_millis(1) * step, u64::from(step));
        }
        assert!(rate.readings.len() < 110);
        let (bytes, time) = rate.recent().unwrap();
        assert!(bytes >= 10_000 && time >= WINDOW && u128::from(bytes) == time.as_millis());
    }
}
