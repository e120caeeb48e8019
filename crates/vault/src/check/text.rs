//! Texts: sections one after the other, each looked at by one who knows what it should say.

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
