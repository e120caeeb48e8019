//! The progress of a download.

use std::time::Duration;

use undercroft_model::ElementState;

use undercroft_model::api::ElementProgress;

use super::mode::Mode;
use super::view::{Thing, View};

/// Shows on stderr how far a download is.
pub struct Download {
    view: View,
    thing: Thing,
    at: ElementProgress,
}

impl Download {
    /// A download of `expected` bytes (`None` if that is not known), of which `there` were there already. It is
    /// shown under `label`, such as `files`.
    pub fn new(mode: Mode, label: &str, expected: Option<u64>, there: u64) -> Self {
        Download::begin(View::new(mode), label, expected, there)
    }

    fn begin(view: View, label: &str, expected: Option<u64>, there: u64) -> Self {
        let at = ElementProgress {
            doing: "downloading".to_owned(),
            expected: expected.unwrap_or_default(),
            done: there,
            ..ElementProgress::default()
        };
        let thing = view.add(label);
        let mut download = Download { view, thing, at };
        download.show(download.view.now());
        download
    }

    /// So many bytes are to come in all, as is known now; and what is done is called so.
    pub fn expect(&mut self, bytes: u64, doing: &str) {
        self.at.expected = bytes;
        doing.clone_into(&mut self.at.doing);
    }

    /// So many more bytes have come.
    pub fn advance(&mut self, bytes: u64) {
        self.advance_at(self.view.now(), bytes);
    }

    fn advance_at(&mut self, now: Duration, bytes: u64) {
        self.at.done = self.at.done.saturating_add(bytes);
        self.show(now);
    }

    /// Everything has come.
    pub fn finish(mut self) {
        self.at.state = Some(ElementState::Good);
        self.show(self.view.now());
    }

    fn show(&mut self, now: Duration) {
        self.view.show(now, &mut self.thing, &self.at);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_log_tells_every_tenth_of_a_download() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let view = View::lines(Box::new(writer));
        let mut download = Download::begin(view, "files", Some(1000), 300);
        // Times far beyond what a test takes, so that the real clock decides nothing.
        let hour = Duration::from_secs(3600);
        download.advance_at(hour, 20);
        download.advance_at(hour + Duration::from_secs(10), 180);
        drop(download);
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines.first().unwrap().starts_with(" [notice] files: 32 %, 320 of 1000 B, "));
        assert!(lines.get(1).unwrap().starts_with(" [notice] files: 50 %, 500 of 1000 B, "));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn the_end_is_told() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut download = Download::begin(View::lines(Box::new(writer)), "code", None, 0);
        download.advance(700);
        download.finish();
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        assert!(log.contains(" [notice] code: done, 700 B, in "), "{log}");
    }
}
