//! Questions before something that can't be taken back.

use std::io::{self, BufRead, Write};

use super::text::printable;

/// Where the answer to a question comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `--yes` was given: yes, and nothing is asked.
    Yes,
    /// `--no-interaction` was given: no, and nothing is asked.
    No,
    /// The person is asked.
    Ask,
}

impl Answer {
    /// What the two options say; `--yes` wins.
    pub fn from_options(yes: bool, no_interaction: bool) -> Self {
        match (yes, no_interaction) {
            (true, _) => Answer::Yes,
            (false, true) => Answer::No,
            (false, false) => Answer::Ask,
        }
    }
}

/// Asks a question on stdout and reads the answer from stdin. Only an answer that begins with `y` is yes; no
/// answer, any other one and the end of the input are no.
pub fn confirm(question: &str, answer: Answer) -> io::Result<bool> {
    ask(question, answer, &mut io::stdin().lock(), &mut io::stdout().lock())
}

fn ask(
    question: &str,
    answer: Answer,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<bool> {
    match answer {
        Answer::Yes => return Ok(true),
        Answer::No => return Ok(false),
        Answer::Ask => {}
    }
    write!(output, " {} (yes/no) [no]:\n > ", printable(question))?;
    output.flush()?;
    let mut line = Vec::new();
    let read = input.read_until(b'\n', &mut line)?;
    if read == 0 {
        // Whatever is printed next begins on a line of its own.
        writeln!(output)?;
    }
    Ok(line.trim_ascii_start().first().is_some_and(|first| first.eq_ignore_ascii_case(&b'y')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &[u8]) -> (bool, String) {
        let mut output = Vec::new();
        let yes = ask("Are you sure?", Answer::Ask, &mut &*text, &mut output).unwrap();
        (yes, String::from_utf8(output).unwrap())
    }

    #[test]
    fn only_a_yes_is_yes() {
        for text in ["y\n", "YES\n", "  yes", "Yep\n"] {
            assert!(answered(text.as_bytes()).0, "{text}");
        }
        for text in ["\n", "n\n", "no\nyes\n", "sure\n", "\u{ff59}\n", ""] {
            assert!(!answered(text.as_bytes()).0, "{text}");
        }
        assert!(!answered(b"\xff\xfe\n").0);
    }

    #[test]
    fn the_question_is_put_as_terminus_puts_it() {
        assert_eq!(answered(b"yes\n").1, " Are you sure? (yes/no) [no]:\n > ");
        assert_eq!(answered(b"").1, " Are you sure? (yes/no) [no]:\n > \n");
    }

    #[test]
    fn options_answer_without_asking() {
        for (yes, no, expected) in [(true, false, true), (true, true, true), (false, true, false)] {
            let mut output = Vec::new();
            let answer = Answer::from_options(yes, no);
            assert_eq!(ask("Sure?", answer, &mut &b"yes\n"[..], &mut output).unwrap(), expected);
            assert!(output.is_empty());
        }
        assert_eq!(Answer::from_options(false, false), Answer::Ask);
    }
}
