//! Progress as lines of a log.

use std::time::Duration;

use undercroft_model::api::ElementProgress;

use super::figures::Figures;
use super::rate::Rate;

/// A line is due at every tenth.
const STEP: u64 = 10;
/// But never so soon after the last one, nor after the beginning: what is quick has one line, at its end.
const BREATH: Duration = Duration::from_secs(3);
/// And after this long, if no tenth was passed.
const PATIENCE: Duration = Duration::from_secs(15);

/// Decides when one thing under way is worth a line, and what the line says.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    label: String,
    rate: Rate,
    /// When it began; `None` until then, and again once it is over.
    begun: Option<Duration>,
    over: bool,
    /// When the last line was told, and how many tenths were done by then.
    told: Duration,
    tenths: u64,
    done: u64,
}

impl Teller {
    pub(super) fn new(label: String) -> Self {
        let none = Duration::ZERO;
        Teller { label, rate: Rate::default(), begun: None, over: false, told: none, tenths: 0, done: 0 }
    }

    /// The line to print at `now`, if one is due.
    pub(super) fn tell(&mut self, now: Duration, at: &ElementProgress) -> Option<String> {
        if self.over || !at.has_begun() {
            return None;
        }
        self.rate.read(now, at.done);
        if at.state.is_some() {
            self.over = true;
            let begun = self.begun.unwrap_or(now);
            return Some(format!("{}: {}", self.label, at.over(now.saturating_sub(begun))));
        }
        if std::mem::replace(&mut self.done, at.done) > at.done {
            // It is done again from the beginning.
            self.tenths = 0;
        }
        if self.begun.is_none() {
            (self.begun, self.told) = (Some(now), now);
        }
        let tenths = at.percent().map_or(0, |percent| percent / STEP);
        let silent = now.saturating_sub(self.told);
        if silent < BREATH || (tenths <= self.tenths && silent < PATIENCE) {
            return None;
        }
        (self.told, self.tenths) = (now, tenths);
        let percent = at.percent().map(|percent| format!("{percent} %, ")).unwrap_or_default();
        Some(format!("{}: {percent}{}", self.label, at.under_way(self.rate.recent())))
    }
}

#[cfg(test)]
mod tests {
    use undercroft_model::ElementState;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(done: u64, expected: u64) -> ElementProgress {
        ElementProgress {
            doing: "reading".to_owned(),
            expected: expected * MIB,
            done: done * MIB,
            ..ElementProgress::default()
        }
    }

    fn teller() -> Teller {
        Teller::new("files".to_owned())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_line_every_tenth_and_at_the_end() {
        let mut teller = teller();
        assert_eq!(teller.tell(seconds(0), &ElementProgress::default()), None);
        assert_eq!(teller.tell(seconds(1), &at(0, 100)), None);
        let lines: Vec<String> =
            (1..100).filter_map(|n| teller.tell(seconds(1 + n / 2), &at(n, 100))).collect();
        assert_eq!(lines.len(), 9);
        assert!(lines.first().unwrap().starts_with("files: 10 %, 10.0 of 100 MiB"));
        assert!(lines.last().unwrap().starts_with("files: 90 %, 90.0 of 100 MiB"));
        let end = ElementProgress { state: Some(ElementState::Good), ..at(100, 100) };
        assert_eq!(teller.tell(seconds(61), &end).unwrap(), "files: done, 100 MiB, in 1 min 00 s");
        assert_eq!(teller.tell(seconds(62), &end), None);
    }

    #[test]
    fn what_is_quick_has_one_line() {
        let mut teller = teller();
        let lines: Vec<String> =
            (0..100).filter_map(|n| teller.tell(Duration::from_millis(n * 10), &at(n, 100))).collect();
        assert_eq!(lines, Vec::<String>::new());
        let end = ElementProgress { state: Some(ElementState::Good), ..at(100, 100) };
        assert_eq!(teller.tell(seconds(1), &end).unwrap(), "files: done, 100 MiB, in 1.0 s");
    }

    #[test]
    fn a_line_after_fifteen_seconds_of_silence() {
        let mut teller = teller();
        assert_eq!(teller.tell(seconds(0), &at(0, 0)), None);
        assert_eq!(teller.tell(seconds(14), &at(500, 0)), None);
        assert_eq!(teller.tell(seconds(15), &at(510, 0)).unwrap(), "files: 510 MiB, 34.0 MiB/s, reading");
        assert_eq!(teller.tell(seconds(29), &at(510, 0)), None);
        assert!(teller.tell(seconds(30), &at(510, 0)).is_some());
    }

    #[test]
    fn what_is_done_over_is_told_anew() {
        let mut teller = teller();
        assert_eq!(teller.tell(seconds(0), &at(0, 100)), None);
        teller.tell(seconds(10), &at(80, 100)).unwrap();
        assert_eq!(teller.tell(seconds(11), &at(5, 100)), None);
        assert!(teller.tell(seconds(14), &at(10, 100)).unwrap().contains("10 %"));
    }

    #[test]
    fn what_was_over_before_it_was_seen_has_one_line() {
        let mut teller = teller();
        let end = ElementProgress { state: Some(ElementState::Failed), ..ElementProgress::default() };
        assert_eq!(teller.tell(seconds(3), &end).unwrap(), "files: failed, in 0.0 s");
    }
}
