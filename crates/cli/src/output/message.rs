//! Messages for the person at the terminal. They go to stderr, so that stdout holds results only.

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal, Write};

use super::text::{LongWord, printable, wrap};
use super::width::stderr_width;

/// Writes messages to stderr in the form that Terminus has: ` [notice] …`, ` [warning] …`, ` [error]  … `.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    quiet: bool,
    style: Style,
}

/// How messages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    colour: bool,
    /// Columns to keep to; `None` where no terminal shows them, so that a message stays one line.
    width: Option<usize>,
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Notice,
    Warning,
    Error,
}

impl Messages {
    /// Messages for this process's stderr: coloured and broken into lines only on a terminal, and coloured only
    /// where neither `NO_COLOR` nor `TERM=dumb` speaks against it. `quiet` hides notices.
    pub fn new(quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let variable = |name| env::var(name).ok();
        let colour = terminal && wants_colour(variable("NO_COLOR").as_deref(), variable("TERM").as_deref());
        Messages { quiet, style: Style { colour, width: terminal.then(stderr_width) } }
    }

    /// Says what was done.
    pub fn notice(&self, text: &str) {
        if !self.quiet {
            say(&render(Kind::Notice, text, self.style));
        }
    }

    /// Says what needs attention though the command goes on.
    pub fn warning(&self, text: &str) {
        say(&render(Kind::Warning, text, self.style));
    }

    /// Says why the command failed: the error on a line in the exact form, and each cause below it, indented.
    pub fn error(&self, error: &dyn Error) {
        say(&render_error(&chain(error), self.style));
    }

    /// Says why the command failed where the reason is a text and no error.
    pub fn error_text(&self, text: &str) {
        say(&render(Kind::Error, text, self.style));
    }
}

fn wants_colour(no_color: Option<&str>, term: Option<&str>) -> bool {
    no_color.is_none_or(str::is_empty) && term != Some("dumb")
}

/// A message that can't be written is lost: there is nowhere left to say so.
fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

impl Kind {
    /// What stands before the text, and its colour. Errors have two spaces behind.
    fn label(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Notice => ("[notice]", " ", "\u{1b}[32m"),
            Kind::Warning => ("[warning]", " ", "\u{1b}[33m"),
            Kind::Error => ("[error]", "  ", "\u{1b}[1;31m"),
        }
    }
}

/// A message as lines; further lines stand below the beginning of the text.
fn render(kind: Kind, text: &str, style: Style) -> String {
    let (label, gap, colour) = kind.label();
    let indent = 1 + label.len() + gap.len();
    let label = if style.colour { format!("{colour}{label}\u{1b}[0m") } else { label.to_owned() };
    let end = if kind == Kind::Error { " " } else { "" };
    let lines = broken(text, indent + end.len(), style);
    format!(" {label}{gap}{}{end}\n", lines.join(&format!("\n{}", " ".repeat(indent))))
}

/// An error with its causes, the first text being the error itself.
fn render_error(texts: &[String], style: Style) -> String {
    const INDENT: &str = "          ";
    const CAUSE: &str = "caused by: ";
    let mut texts = texts.iter();
    let mut out = render(Kind::Error, texts.next().map_or("", String::as_str), style);
    for text in texts {
        let lines = broken(text, INDENT.len() + CAUSE.len(), style);
        out.push_str(&format!(
            "{INDENT}{CAUSE}{}\n",
            lines.join(&format!("\n{INDENT}{}", " ".repeat(CAUSE.len())))
        ));
    }
    out
}

/// The text in lines that leave room for what stands before them.
fn broken(text: &str, before: usize, style: Style) -> Vec<String> {
    let text = printable(text.trim_end());
    match style.width {
        // Where hardly anything fits, breaking helps nobody.
        Some(width) if width >= before + 10 => wrap(&text, width - before, LongWord::Keep),
        _ => text.split('\n').map(str::to_owned).collect(),
    }
}

/// The texts of an error and its causes. A cause that the text before it already tells is left out.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.last().is_some_and(|before| before.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { colour: false, width: None };

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    fn failure(texts: &[&'static str]) -> Failure {
        let (text, causes) = texts.split_first().unwrap();
        Failure { text, source: (!causes.is_empty()).then(|| Box::new(failure(causes))) }
    }

    #[test]
    fn messages_have_the_exact_form() {
        assert_eq!(
            render(Kind::Notice, "Created a backup of the dev environment.", PLAIN),
            " [notice] Created a backup of the dev environment.\n"
        );
        assert_eq!(render(Kind::Warning, "You have no backups.", PLAIN), " [warning] You have no backups.\n");
        assert_eq!(
            render(Kind::Error, "The requested field, 'bogus', is not defined.", PLAIN),
            " [error]  The requested field, 'bogus', is not defined. \n"
        );
    }

    #[test]
    fn an_error_tells_its_causes_below() {
        let error = failure(&[
            "Could not back up shop.live",
            "the database at db:3306 can't be read",
            "connection refused (os error 111)",
        ]);
        assert_eq!(
            render_error(&chain(&error), PLAIN),
            concat!(
                " [error]  Could not back up shop.live \n",
                "          caused by: the database at db:3306 can't be read\n",
                "          caused by: connection refused (os error 111)\n",
            )
        );
    }

    #[test]
    fn a_cause_is_not_told_twice() {
        let error =
            failure(&["no store: permission denied", "permission denied", "permission denied", "why"]);
        assert_eq!(chain(&error), ["no store: permission denied", "why"]);
    }

    #[test]
    fn on_a_terminal_lines_are_broken_and_indented() {
        let style = Style { colour: false, width: Some(40) };
        assert_eq!(
            render(Kind::Notice, "Downloading a_code.tar.gz to /srv/backups/a_code.tar.gz", style),
            concat!(" [notice] Downloading a_code.tar.gz to\n", "          /srv/backups/a_code.tar.gz\n",)
        );
        let texts = ["one two three four five six seven", "eight nine ten eleven twelve"].map(str::to_owned);
        let lines = render_error(&texts, style);
        assert_eq!(
            lines,
            concat!(
                " [error]  one two three four five six\n",
                "          seven \n",
                "          caused by: eight nine ten\n",
                "                     eleven twelve\n",
            )
        );
        assert!(lines.lines().all(|line| line.len() <= 40));
    }

    #[test]
    fn a_narrow_terminal_and_a_pipe_break_nothing() {
        let text = "a text that is much longer than any terminal of eighty columns would show on one line of its own";
        for width in [None, Some(15)] {
            assert_eq!(render(Kind::Notice, text, Style { colour: false, width }).lines().count(), 1);
        }
        assert_eq!(render(Kind::Warning, "one\ntwo\n", PLAIN), " [warning] one\n           two\n");
    }

    #[test]
    fn only_the_label_is_coloured() {
        let style = Style { colour: true, width: None };
        assert_eq!(render(Kind::Error, "no", style), " \u{1b}[1;31m[error]\u{1b}[0m  no \n");
        assert!(wants_colour(None, Some("xterm")) && wants_colour(Some(""), None));
        assert!(!wants_colour(Some("1"), Some("xterm")) && !wants_colour(None, Some("dumb")));
    }

    #[test]
    fn a_message_from_outside_cannot_colour_itself() {
        assert!(!render(Kind::Error, "\u{1b}]0;title\u{7}", PLAIN).contains(['\u{1b}', '\u{7}']));
    }
}
