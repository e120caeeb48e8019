//! How far something is, in words and numbers.

use std::time::Duration;

use undercroft_model::ElementState;
use undercroft_model::api::ElementProgress;

use crate::output::{human_duration, human_rate, human_size, printable};

/// How far an element is, for people.
pub(super) trait Figures {
    /// Whether anything of it has been done.
    fn has_begun(&self) -> bool;
    /// How much of it is done, of 100; `None` if that can't be told. 100 only once it is over, as what is
    /// expected is a guess.
    fn percent(&self) -> Option<u64>;
    /// `12.3 of 27.1 MiB, 80 % reused, 12.1 MiB/s, reading the table wp_posts`.
    fn under_way(&self, recent: Option<(u64, Duration)>) -> String;
    /// `done, 27.1 MiB, 80 % reused, in 12 s`.
    fn over(&self, time: Duration) -> String;
}

impl Figures for ElementProgress {
    fn has_begun(&self) -> bool {
        self.done > 0 || !self.doing.is_empty() || self.state.is_some()
    }

    fn percent(&self) -> Option<u64> {
        match self.state {
            Some(ElementState::Good | ElementState::Incomplete) => Some(100),
            _ => share(self.done, self.expected).map(|percent| percent.min(99)),
        }
    }

    fn under_way(&self, recent: Option<(u64, Duration)>) -> String {
        let mut parts = Vec::new();
        if self.done > 0 {
            parts.push(so_far(self));
            parts.extend(reuse(self));
            parts.extend(recent.and_then(|(bytes, time)| human_rate(bytes, time)));
        }
        if !self.doing.is_empty() {
            parts.push(printable(&self.doing).replace('\n', " "));
        }
        parts.join(", ")
    }

    fn over(&self, time: Duration) -> String {
        let mut parts = vec![
            match self.state {
                Some(ElementState::Incomplete) => "incomplete",
                Some(ElementState::Failed) => "failed",
                Some(ElementState::Good) | None => "done",
            }
            .to_owned(),
        ];
        if self.done > 0 {
            parts.push(human_size(self.done));
            parts.extend(reuse(self));
        }
        parts.push(format!("in {}", human_duration(time)));
        parts.join(", ")
    }
}

/// `12.3 of 27.1 MiB`, or only what is done where what was expected turned out too little.
fn so_far(at: &ElementProgress) -> String {
    let done = human_size(at.done);
    if at.expected < at.done {
        return done;
    }
    let expected = human_size(at.expected);
    match (done.split_once(' '), expected.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {expected}"),
        _ => format!("{done} of {expected}"),
    }
}

/// `80 % reused`, if any is.
fn reuse(at: &ElementProgress) -> Option<String> {
    let percent = share(at.reused, at.done)?.min(100);
    (percent > 0).then(|| format!("{percent} % reused"))
}

/// A part of a whole, of 100; `None` of nothing.
fn share(part: u64, whole: u64) -> Option<u64> {
    let percent = (u128::from(part) * 100).checked_div(u128::from(whole))?;
    Some(u64::try_from(percent).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(done: u64, expected: u64) -> ElementProgress {
        ElementProgress { doing: "reading wp_posts".to_owned(), expected, done, ..ElementProgress::default() }
    }

    #[test]
    fn under_way_it_tells_how_far_and_how_fast() {
        let recent = Some((30 * MIB, Duration::from_secs(2)));
        let half = ElementProgress { reused: 40 * MIB, ..at(50 * MIB, 100 * MIB) };
        assert_eq!(half.under_way(recent), "50.0 of 100 MiB, 80 % reused, 15.0 MiB/s, reading wp_posts");
        assert_eq!(at(500, 100 * MIB).under_way(None), "500 B of 100 MiB, reading wp_posts");
        assert_eq!(at(50 * MIB, 0).under_way(None), "50.0 MiB, reading wp_posts");
        assert_eq!(at(50 * MIB, 40 * MIB).under_way(None), "50.0 MiB, reading wp_posts");
        assert_eq!(at(0, 100 * MIB).under_way(recent), "reading wp_posts");
        assert_eq!(ElementProgress::default().under_way(None), "");
    }

    #[test]
    fn once_over_it_tells_how_it_came_out() {
        let over =
            |state| ElementProgress { state: Some(state), ..at(50 * MIB, 0) }.over(Duration::from_secs(12));
        assert_eq!(over(ElementState::Good), "done, 50.0 MiB, in 12 s");
        assert_eq!(over(ElementState::Incomplete), "incomplete, 50.0 MiB, in 12 s");
        assert_eq!(over(ElementState::Failed), "failed, 50.0 MiB, in 12 s");
    }

    #[test]
    fn a_hundred_percent_is_only_what_is_over() {
        assert_eq!(at(50, 100).percent(), Some(50));
        assert_eq!(at(100, 100).percent(), Some(99));
        assert_eq!(at(u64::MAX, 1).percent(), Some(99));
        assert_eq!(at(u64::MAX, u64::MAX).percent(), Some(99));
        assert_eq!(at(5, 0).percent(), None);
        let ended = |state| ElementProgress { state: Some(state), ..at(50, 100) }.percent();
        assert_eq!((ended(ElementState::Good), ended(ElementState::Failed)), (Some(100), Some(50)));
    }

    #[test]
    fn what_is_done_cannot_break_the_line() {
        let sly = ElementProgress { doing: "a\u{1b}[2J\nb".to_owned(), ..ElementProgress::default() };
        assert_eq!(sly.under_way(None), "a\u{fffd}[2J b");
    }
}
