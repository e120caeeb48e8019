//! A job at work: what it does now, and whether it is to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use undercroft_catalog::JobState;
use undercroft_model::api::{ElementProgress, JobProgress};
use undercroft_model::report::REMARKS_MAX;
use undercroft_model::{Element, ElementState, Observer, Remark};

/// A job at work.
#[derive(Debug, Default)]
pub struct Running {
    stopped: AtomicBool,
    /// It is to stop for a while: others wait.
    gives_way: AtomicBool,
    /// How it ended, whether or not that could be written down.
    ended: Mutex<Option<(JobState, String)>>,
    progress: Mutex<JobProgress>,
    /// The first remarks; a backup's report has its own.
    remarks: Mutex<Vec<(Element, Remark)>>,
}

impl Running {
    /// A job that has not begun.
    pub fn new(elements: impl IntoIterator<Item = Element>) -> Self {
        let elements = elements.into_iter().map(|element| (element, ElementProgress::default())).collect();
        let progress = JobProgress { elements, ..JobProgress::default() };
        Running { progress: Mutex::new(progress), ..Running::default() }
    }

    fn lock(&self) -> MutexGuard<'_, JobProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, element: Element, change: impl FnOnce(&mut ElementProgress)) {
        change(self.lock().elements.entry(element).or_default());
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether somebody asked it to stop for good.
    pub fn was_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Asks it to stop for a while, or to go on.
    pub fn give_way(&self, gives_way: bool) {
        self.gives_way.store(gives_way, Ordering::Release);
    }

    /// Says how it ended.
    pub fn end(&self, state: JobState, reason: &str) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some((state, reason.to_owned()));
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<(JobState, String)> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far it is.
    pub fn progress(&self) -> JobProgress {
        self.lock().clone()
    }

    /// Begins anew: what is watched from here on is another piece of work.
    pub fn restart(&self, elements: impl IntoIterator<Item = Element>) {
        let mut progress = self.lock();
        progress.elements = elements.into_iter().map(|e| (e, ElementProgress::default())).collect();
    }

    /// What was remarked since this was asked last.
    pub fn take_remarks(&self) -> Vec<(Element, Remark)> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says what it waits for.
    pub fn waits_for(&self, what: Option<String>) {
        self.lock().waiting = what;
    }

    /// Says how an element came out, and how many bytes of its stream there are.
    pub fn over(&self, element: Element, state: ElementState, bytes: u64) {
        self.change(element, |progress| {
            progress.state = Some(state);
            progress.expected = bytes;
        });
    }

    /// Says what was stored.
    pub fn stored(&self, bytes: u64) {
        self.lock().stored = bytes;
    }
}

impl Observer for Running {
    fn doing(&self, element: Element, what: &str) {
        self.change(element, |progress| what.clone_into(&mut progress.doing));
    }

    fn expect(&self, element: Element, bytes: u64) {
        self.change(element, |progress| progress.expected = bytes);
    }

    fn advance(&self, element: Element, read: u64, reused: u64) {
        self.change(element, |progress| {
            progress.done += read + reused;
            progress.reused += reused;
        });
    }

    fn remark(&self, element: Element, remark: Remark) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if remarks.len() < REMARKS_MAX {
            remarks.push((element, remark));
        }
    }

    fn cancelled(&self) -> bool {
        self.was_stopped() || self.gives_way.load(Ordering::Acquire)
    }
}
