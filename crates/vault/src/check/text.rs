//! Texts: sections one after the other, each looked at by one who knows what it should say.

use super::problem::{At, Findings, Wrong};
use crate::stream::SectionLabel;

/// Knows what a text should say; the vault does not.
pub trait TextCheck: Sync {
    /// Begins to look at a section, which has `rows` rows if it has rows.
    fn section(&self, label: &SectionLabel, rows: Option<u64>) -> Box<dyn SectionCheck + '_>;

    /// What is wrong with the sections as they follow one another, as sentences.
    fn order(&self, labels: &[SectionLabel]) -> Vec<String>;
}

/// Looks at one section's text.
pub trait SectionCheck {
    /// More of the text.
    fn text(&mut self, text: &[u8]);

    /// The section ends here: what is wrong with it, as sentences; not more than a few.
    fn end(self: Box<Self>) -> Vec<String>;
}

/// Looks at a text's sections one after the other.
pub(super) struct TextLook<'a> {
    at: At<'a>,
    check: Option<&'a dyn TextCheck>,
    labels: Vec<SectionLabel>,
    /// A section is open; its check is gone once a piece of it is damaged.
    open: bool,
    section: Option<Box<dyn SectionCheck + 'a>>,
}

impl<'a> TextLook<'a> {
    pub(super) fn new(at: At<'a>, check: Option<&'a dyn TextCheck>) -> Self {
        TextLook { at, check, labels: Vec::new(), open: false, section: None }
    }

    /// Whether more of a section may follow.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn begin(
        &mut self,
        label: SectionLabel,
        rows: Option<u64>,
        shared: bool,
        findings: &mut Findings,
    ) {
        self.end(findings);
        self.open = true;
        self.section = self.check.filter(|_| !shared).map(|check| check.section(&label, rows));
        self.labels.push(label);
    }

    pub(super) fn piece(&mut self, piece: Result<&[u8], (&Wrong, Option<&str>)>, findings: &mut Findings) {
        match piece {
            Ok(bytes) => {
                if let Some(section) = &mut self.section {
                    section.text(bytes);
                }
            }
            Err((wrong, object)) => {
                // What is left of it says nothing any more.
                self.section = None;
                let name = self.labels.last().map(subject_of);
                findings.hit(object, wrong, self.at, name.iter().map(|name| name.as_bytes()));
            }
        }
    }

    /// The section at hand has ended.
    pub(super) fn end(&mut self, findings: &mut Findings) {
        let (Some(section), Some(label)) = (self.section.take(), self.labels.last()) else { return };
        let name = subject_of(label);
        for text in section.end() {
            findings.hit(None, &Wrong::Flaw(text), self.at, std::iter::once(name.as_bytes()));
        }
    }

    pub(super) fn finish(&mut self, findings: &mut Findings) {
        self.end(findings);
        let Some(check) = self.check else { return };
        for text in check.order(&self.labels) {
            findings.hit(None, &Wrong::Flaw(text), self.at, std::iter::empty());
        }
    }
}

/// What a section is called when it is hit.
pub(super) fn subject_of(label: &SectionLabel) -> String {
    use crate::stream::SectionKind;
    if !label.name.is_empty() {
        return label.name.clone();
    }
    let what = match label.kind {
        SectionKind::Preamble => "the dump's settings",
        SectionKind::Table => "a table",
        SectionKind::Sequence => "a sequence",
        SectionKind::View => "the views",
        SectionKind::Routines => "the routines",
        SectionKind::Events => "the events",
        SectionKind::End => "the dump's end",
    };
    what.to_owned()
}
