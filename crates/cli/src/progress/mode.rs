//! How progress is shown.

use std::env;
use std::io::{self, IsTerminal};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A bar for each element, drawn over and over in its place.
    Bars,
    /// A line now and then, for logs.
    Lines,
    /// Not at all.
    Quiet,
}

impl Mode {
    /// What suits this process's stderr: bars on a terminal that can move its cursor, lines elsewhere, nothing
    /// where `quiet` is wanted. (Terminus is silent with `--no-interaction`, too.)
    pub fn detect(quiet: bool) -> Self {
        Mode::choose(quiet, io::stderr().is_terminal(), env::var("TERM").ok().as_deref())
    }

    fn choose(quiet: bool, terminal: bool, term: Option<&str>) -> Self {
        match (quiet, terminal, term) {
            (true, ..) => Mode::Quiet,
            (false, true, Some(term)) if term != "dumb" => Mode::Bars,
            _ => Mode::Lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_need_a_terminal_that_can_draw() {
        assert_eq!(Mode::choose(false, true, Some("xterm")), Mode::Bars);
        for (terminal, term) in [(true, Some("dumb")), (true, None), (false, Some("xterm")), (false, None)] {
            assert_eq!(Mode::choose(false, terminal, term), Mode::Lines);
        }
        assert_eq!(Mode::choose(true, true, Some("xterm")), Mode::Quiet);
    }
}
