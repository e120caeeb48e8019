//! The progress of a job, element by element.

use std::collections::BTreeMap;
use std::time::Duration;

use undercroft_model::Element;

use undercroft_model::api::ElementProgress;

use super::mode::Mode;
use super::view::{Thing, View};

/// Shows on stderr how far a job's elements are.
///
/// Bars stay where they are when it is dropped, so that an error below them shows how far the job came.
pub struct Progress {
    view: View,
    things: BTreeMap<Element, Thing>,
}

impl Progress {
    /// Progress that is shown in one of the three ways.
    pub fn new(mode: Mode) -> Self {
        Progress { view: View::new(mode), things: BTreeMap::new() }
    }

    /// Shows that the job waits, and what for: `waits for a backup of shop.live`. `None`: it waits no longer.
    pub fn waiting(&mut self, text: Option<&str>) {
        self.view.wait(text);
    }

    /// Shows how far an element is. Elements stand in the order in which they were first heard of.
    pub fn update(&mut self, element: Element, at: &ElementProgress) {
        self.update_at(self.view.now(), element, at);
    }

    fn update_at(&mut self, now: Duration, element: Element, at: &ElementProgress) {
        let thing = self.things.entry(element).or_insert_with(|| self.view.add(element.as_str()));
        self.view.show(now, thing, at);
    }

    /// Writes a message to the terminal above the bars.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.view.suspend(write)
    }

    /// Ends it: what is printed next stands below.
    pub fn finish(mut self) {
        self.view.wait(None);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use undercroft_model::ElementState;

    use super::*;

    fn element(doing: &str, done: u64, state: Option<ElementState>) -> ElementProgress {
        ElementProgress { doing: doing.to_owned(), expected: 1000, done, reused: done / 2, state }
    }

    #[test]
    fn a_log_tells_the_whole_story_once() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut progress = Progress { view: View::lines(Box::new(writer)), things: BTreeMap::new() };
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            progress.waiting(Some("waits for a backup of shop.live"));
        }
        progress.waiting(None);
        progress.update_at(second, Element::Code, &element("walking", 0, None));
        progress.update_at(second, Element::Database, &ElementProgress::default());
        progress.update_at(second * 11, Element::Code, &element("reading", 400, None));
        progress.update_at(second * 13, Element::Code, &element("", 1000, Some(ElementState::Good)));
        progress.update_at(second * 13, Element::Database, &element("", 0, Some(ElementState::Failed)));
        assert_eq!(progress.suspend(|| 7), 7);
        progress.finish();
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        assert_eq!(
            log,
            concat!(
                " [notice] waits for a backup of shop.live\n",
                " [notice] code: 40 %, 400 of 1000 B, 50 % reused, 40 B/s, reading\n",
                " [notice] code: done, 1000 B, 50 % reused, in 12 s\n",
                " [notice] database: failed, in 0.0 s\n",
            )
        );
    }

    #[test]
    fn quiet_says_nothing_and_takes_everything() {
        let mut progress = Progress::new(Mode::Quiet);
        progress.waiting(Some("waits"));
        progress.update(Element::Files, &element("reading", 5, None));
        progress.finish();
    }
}
