//! Where progress goes: bars, lines, or nowhere.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;

use super::bars::{Bar, Bars};
use undercroft_model::api::ElementProgress;

use super::lines::Teller;
use super::mode::Mode;
use crate::output::{printable, stderr_width};

/// One of the three ways, and the moment from which times are counted.
pub(super) struct View {
    begun: Instant,
    way: Way,
}

enum Way {
    Bars(Bars),
    Lines { out: Box<dyn Write + Send>, waiting: Option<String> },
    Quiet,
}

/// One thing that is shown.
pub(super) enum Thing {
    Bar(Bar),
    Teller(Teller),
    Hidden,
}

impl View {
    pub(super) fn new(mode: Mode) -> Self {
        match mode {
            Mode::Bars => View::with(Way::Bars(Bars::new(ProgressDrawTarget::stderr(), stderr_width()))),
            Mode::Lines => View::lines(Box::new(io::stderr())),
            Mode::Quiet => View::with(Way::Quiet),
        }
    }

    /// Lines that go elsewhere than to stderr.
    pub(super) fn lines(out: Box<dyn Write + Send>) -> Self {
        View::with(Way::Lines { out, waiting: None })
    }

    fn with(way: Way) -> Self {
        View { begun: Instant::now(), way }
    }

    /// How long it has been shown.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A further thing, below the others.
    pub(super) fn add(&self, label: &str) -> Thing {
        let label = printable(label).replace('\n', " ");
        match &self.way {
            Way::Bars(bars) => Thing::Bar(bars.add(label)),
            Way::Lines { .. } => Thing::Teller(Teller::new(label)),
            Way::Quiet => Thing::Hidden,
        }
    }

    /// Shows how far a thing is at `now`.
    pub(super) fn show(&mut self, now: Duration, thing: &mut Thing, at: &ElementProgress) {
        match (&mut self.way, thing) {
            (_, Thing::Bar(bar)) => bar.draw(now, at),
            (Way::Lines { out, .. }, Thing::Teller(teller)) => {
                if let Some(line) = teller.tell(now, at) {
                    notice(out, &line);
                }
            }
            _ => {}
        }
    }

    /// Says what is waited for, once; nothing ends the waiting.
    pub(super) fn wait(&mut self, text: Option<&str>) {
        let text = text.map(|text| printable(text).replace('\n', " "));
        match &mut self.way {
            Way::Bars(bars) => bars.wait(text.as_deref()),
            Way::Lines { out, waiting } if *waiting != text => {
                if let Some(text) = &text {
                    notice(out, text);
                }
                *waiting = text;
            }
            Way::Lines { .. } | Way::Quiet => {}
        }
    }

    /// Writes something else to the terminal without a mess.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.way {
            Way::Bars(bars) => bars.suspend(write),
            Way::Lines { .. } | Way::Quiet => write(),
        }
    }
}

/// A line in the form of a notice. One that can't be written is lost: there is nowhere left to say so.
fn notice(out: &mut Box<dyn Write + Send>, text: &str) {
    let _ = out.write_all(format!(" [notice] {text}\n").as_bytes()).and_then(|()| out.flush());
}
