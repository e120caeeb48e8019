//! How a running job is watched and stopped, and what it has to say about what it captured.

use serde::{Deserialize, Serialize};

use crate::Element;

/// Watches a job at work. Terminal, API and tests implement it.
///
/// Calls come from several threads and must return quickly.
pub trait Observer: Send + Sync {
    /// What the element is doing now, as a person would say it: `reading the table wp_posts`.
    fn doing(&self, element: Element, what: &str);
    /// How many bytes the element's stream is expected to have; may be corrected later.
    fn expect(&self, element: Element, bytes: u64);
    /// So many more bytes of the element's stream are done: `read` of them from the site itself, the
    /// others reused from an earlier backup without a look at them.
    fn advance(&self, element: Element, read: u64, reused: u64);
    /// Something worth telling was met.
    fn remark(&self, element: Element, remark: Remark);
    /// Whether the person who asked for the job wants it stopped. Asked often; captures stop soon after
    /// the first `true` and leave nothing behind.
    fn cancelled(&self) -> bool;
}

/// The job was stopped by the one who asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was cancelled")]
pub struct Cancelled;

/// How much a remark weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Worth knowing; the element is whole. (Uncommitted changes; a pattern that left files out.)
    Note,
    /// Something that should be in the archive is not, or not as it was: the element is incomplete.
    Lost,
}

/// Something that a capture has to say about what it captured, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// How much it weighs.
    pub weight: Weight,
    /// What it is about: a path below the element's top folder (escaped where it isn't UTF-8), a table, a
    /// view, a pattern. Empty if it is about the element as a whole.
    pub subject: String,
    /// What is to be said, as a sentence without its subject: `changed while it was read`.
    pub text: String,
}

impl Remark {
    /// A remark that leaves the element whole.
    pub fn note(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Remark { weight: Weight::Note, subject: subject.into(), text: text.into() }
    }

    /// A remark that makes the element incomplete.
    pub fn lost(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Remark { weight: Weight::Lost, subject: subject.into(), text: text.into() }
    }
}

/// An observer that hears nothing, but knows whether the job is still wanted: what is looked at on the way is no part of
/// what is told.
#[derive(Clone, Copy)]
pub struct Muted<'o>(pub &'o dyn Observer);

impl Observer for Muted<'_> {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, _: Remark) {}
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// An observer that hears nothing and never stops a job.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, _: Remark) {}
    fn cancelled(&self) -> bool {
        false
    }
}
