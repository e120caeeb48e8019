//! Progress as bars of a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use undercroft_model::api::ElementProgress;

use super::figures::Figures;
use super::rate::Rate;

/// Columns of a bar, without its brackets, on a terminal of more than [`ROOMY`] columns and on a narrower one.
const WIDTHS: (usize, usize) = (20, 10);
/// Up to here the figures need the room more than the bar does.
const ROOMY: usize = 100;

/// Lines at the bottom of a terminal, each drawn again in its place.
pub(super) struct Bars {
    all: MultiProgress,
    /// Columns of each bar.
    width: usize,
    /// What the job waits for, while it waits.
    waiting: Option<ProgressBar>,
}

impl Bars {
    /// Bars on a terminal of so many columns.
    pub(super) fn new(target: ProgressDrawTarget, columns: usize) -> Self {
        let width = if columns > ROOMY { WIDTHS.0 } else { WIDTHS.1 };
        Bars { all: MultiProgress::with_draw_target(target), width, waiting: None }
    }

    /// A further bar, below the others.
    pub(super) fn add(&self, label: String) -> Bar {
        let line = self.all.add(line());
        Bar { label, line, width: self.width, rate: Rate::default(), begun: None }
    }

    /// Says what is waited for above the bars, or, with nothing, takes that away.
    pub(super) fn wait(&mut self, text: Option<&str>) {
        match (text, self.waiting.take()) {
            (Some(text), shown) => {
                let shown = shown.unwrap_or_else(|| self.all.insert(0, line()));
                shown.set_message(text.to_owned());
                self.waiting = Some(shown);
            }
            (None, Some(shown)) => {
                shown.finish_and_clear();
                self.all.remove(&shown);
            }
            (None, None) => {}
        }
    }

    /// Takes the bars away while something else is written to the terminal.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }
}

/// A line that is cut at the terminal's edge, and stays when its owner goes.
fn line() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::no_length().with_style(style).with_finish(ProgressFinish::Abandon)
}

/// The bar of one thing.
pub(super) struct Bar {
    label: String,
    line: ProgressBar,
    width: usize,
    rate: Rate,
    begun: Option<Duration>,
}

impl Bar {
    /// Draws how far it is at `now`.
    pub(super) fn draw(&mut self, now: Duration, at: &ElementProgress) {
        if self.line.is_finished() {
            return;
        }
        self.rate.read(now, at.done);
        let begun = if at.has_begun() { *self.begun.get_or_insert(now) } else { now };
        let text = match at.state {
            Some(_) => at.over(now.saturating_sub(begun)),
            None if at.has_begun() => at.under_way(self.rate.recent()),
            None => "waits".to_owned(),
        };
        let message = format!("{:<9}{}  {text}", self.label, bar(at.percent(), self.width));
        match at.state {
            Some(_) => self.line.abandon_with_message(message),
            None => self.line.set_message(message),
        }
    }
}

/// `[=========>          ]  45 %`; empty while nothing can be told.
fn bar(percent: Option<u64>, width: usize) -> String {
    let Some(percent) = percent else { return format!("[{}]      ", " ".repeat(width)) };
    let filled = usize::try_from(percent.min(100)).unwrap_or_default() * width / 100;
    let tip = if filled < width { ">" } else { "" };
    format!("[{}{tip:<rest$}] {percent:>3} %", "=".repeat(filled), rest = width - filled)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;
    use undercroft_model::ElementState;

    use super::*;

    /// A terminal that keeps what is written to it.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        /// What was written last, since this was asked.
        fn seen(&self) -> String {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    fn screen() -> (Screen, Bars) {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        (screen, Bars::new(target, 120))
    }

    #[test]
    fn a_bar_fills_and_stays() {
        let (screen, bars) = screen();
        let mut bar = bars.add("database".to_owned());
        let mut at = ElementProgress { expected: 100, done: 45, ..ElementProgress::default() };
        at.doing = "reading wp_posts".to_owned();
        bar.draw(Duration::ZERO, &at);
        bar.line.force_draw();
        let seen = screen.seen();
        assert!(
            seen.contains("database [=========>          ]  45 %  45 of 100 B, reading wp_posts"),
            "{seen:?}"
        );
        at.state = Some(ElementState::Good);
        at.done = 100;
        bar.draw(Duration::from_secs(3), &at);
        let seen = screen.seen();
        assert!(seen.contains("database [====================] 100 %  done, 100 B, in 3.0 s"), "{seen:?}");
        drop((bar, bars));
        assert!(!screen.seen().contains("done, 100 B, in 0"));
    }

    #[test]
    fn bars_show_every_share() {
        assert_eq!(bar(Some(0), 20), "[>                   ]   0 %");
        assert_eq!(bar(Some(99), 20), "[===================>]  99 %");
        assert_eq!(bar(Some(100), 20), "[====================] 100 %");
        assert_eq!(bar(Some(50), 10), "[=====>    ]  50 %");
        assert_eq!(bar(None, 20).len(), bar(Some(0), 20).len());
    }

    #[test]
    fn what_is_waited_for_goes_when_it_comes() {
        let (screen, mut bars) = screen();
        bars.wait(Some("waits for another job on this host"));
        bars.waiting.as_ref().unwrap().force_draw();
        assert!(screen.seen().contains("waits for another job"));
        bars.wait(None);
        assert!(bars.waiting.is_none());
        screen.seen();
        let mut bar = bars.add("files".to_owned());
        bar.draw(Duration::ZERO, &ElementProgress::default());
        bar.line.force_draw();
        let seen = screen.seen();
        assert!(seen.contains("files") && !seen.contains("another job"), "{seen:?}");
    }
}
