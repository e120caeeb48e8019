//! Finding statements in a dump's text, as it comes.
//!
//! As `mysql` does it: a statement ends at the delimiter, unless that stands in a text, a quoted name or a
//! comment, and a line `DELIMITER x` between statements sets another one. That line is the only word to the
//! client that is understood. What stands in `/*! … */` or `/*M! … */` is SQL like any other; whether it is meant
//! for this server, the server decides.

use std::io::{self, Read};
use std::ops::Range;

use super::scan::{Manner, SPECIAL, Step, Within, is_comment, is_line_comment, step};

/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;
/// No server takes a statement longer than this.
const STATEMENT_MAX: usize = 1 << 30;

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub(super) enum SplitError {
    /// The text can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The text ends within a statement.
    #[error("it ends within a statement")]
    Unfinished,
    /// A statement is longer than any server takes.
    #[error("a statement is longer than a gigabyte")]
    TooLong,
}

/// Gives out the statements of a text.
pub(super) struct Splitter<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Where in the buffer the text begins that was not given out.
    start: usize,
    delimiter: Vec<u8>,
    ended: bool,
    taken: u64,
}

impl<R: Read> Splitter<R> {
    pub(super) fn new(reader: R) -> Self {
        let delimiter = b";".to_vec();
        Splitter { reader, buffer: Vec::new(), start: 0, delimiter, ended: false, taken: 0 }
    }

    /// Bytes of text that were read since this was asked last.
    pub(super) fn taken(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// The next statement, without its delimiter and what stands before it; `None` at the end. A backslash in a
    /// text is an ordinary character if `plain_backslash`.
    pub(super) fn next(&mut self, plain_backslash: bool) -> Result<Option<&[u8]>, SplitError> {
        loop {
            if !self.skip()? {
                return Ok(None);
            }
            let statement = self.scan(plain_backslash)?;
            if !statement.is_empty() {
                return Ok(self.buffer.get(statement));
            }
        }
    }

    /// Skips white space, comments and delimiter lines before a statement. `false` at the end.
    fn skip(&mut self) -> Result<bool, SplitError> {
        loop {
            let rest = self.rest();
            let Some(&first) = rest.first() else {
                if self.fill()? {
                    continue;
                }
                return Ok(false);
            };
            if first.is_ascii_whitespace() {
                let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                self.start += blank;
                continue;
            }
            // Long enough for the longest of the marks that follow.
            if rest.len() < 16 && !self.ended {
                self.fill()?;
                continue;
            }
            if is_line_comment(rest) {
                self.skip_past(b"\n", 0)?;
            } else if is_comment(rest) {
                self.skip_past(b"*/", 2)?;
            } else if let Some(word) = rest.get(..9)
                && word.eq_ignore_ascii_case(b"delimiter")
                && rest.get(9).is_some_and(|byte| matches!(byte, b' ' | b'\t'))
            {
                self.set_delimiter()?;
            } else {
                return Ok(true);
            }
        }
    }

    /// Skips to behind a mark that stands `from` bytes ahead or later, or to the end.
    fn skip_past(&mut self, mark: &[u8], from: usize) -> Result<(), SplitError> {
        let mut from = from;
        loop {
            let rest = self.rest();
            if let Some(place) = rest.get(from..).and_then(|rest| memchr::memmem::find(rest, mark)) {
                self.start += from + place + mark.len();
                return Ok(());
            }
            // All of it but what may be the mark's beginning is done with.
            self.start += rest.len().saturating_sub(mark.len() - 1);
            from = 0;
            if !self.fill()? {
                self.start = self.buffer.len();
                return if mark == b"\n" { Ok(()) } else { Err(SplitError::Unfinished) };
            }
        }
    }

    fn set_delimiter(&mut self) -> Result<(), SplitError> {
        let len = loop {
            let rest = self.rest();
            match memchr::memchr(b'\n', rest) {
                Some(len) => break len,
                None if rest.len() > PIECE => return Err(SplitError::Unfinished),
                None if !self.fill()? => break self.rest().len(),
                None => {}
            }
        };
        let line = self.rest().get(9..len).unwrap_or_default();
        let delimiter = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        let delimiter = delimiter.ok_or(SplitError::Unfinished)?.to_vec();
        self.start += len;
        self.delimiter = delimiter;
        Ok(())
    }

    /// Finds the end of the statement that begins here.
    fn scan(&mut self, plain_backslash: bool) -> Result<Range<usize>, SplitError> {
        let (mut at, mut within) = (self.start, Within::Plain);
        let mut special = SPECIAL;
        if let Some(first) = self.delimiter.first() {
            special[usize::from(*first)] = true;
        }
        loop {
            let manner = Manner {
                delimiter: &self.delimiter,
                special: &special,
                plain_backslash,
                is_last: self.ended,
            };
            let found = step(&self.buffer, at, &mut within, &manner);
            match found {
                Step::End(end) => {
                    let statement = self.start..end;
                    self.start = end + self.delimiter.len();
                    return Ok(trimmed(&self.buffer, statement));
                }
                Step::More(from) => {
                    let done = from - self.start;
                    if done > STATEMENT_MAX {
                        return Err(SplitError::TooLong);
                    }
                    if self.ended {
                        return Err(SplitError::Unfinished);
                    }
                    self.fill()?;
                    at = self.start + done;
                }
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Reads more, after what was not given out. `false` at the end of the text.
    fn fill(&mut self) -> Result<bool, SplitError> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let len = self.buffer.len();
        // A long statement is read in longer pieces, so that it is not moved too often.
        self.buffer.resize(len + PIECE.max(len), 0);
        let read = loop {
            match self.reader.read(self.buffer.get_mut(len..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(len + count);
        self.taken += count as u64;
        self.ended = read? == 0;
        Ok(!self.ended)
    }
}

fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let statement = text.get(range.clone()).unwrap_or_default();
    range.start..range.start + statement.trim_ascii_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time.
    struct Drip<'t>(&'t [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let (now, rest) = self.0.split_at(self.1.min(self.0.len()));
            self.0 = rest;
            (&now[..]).read(out)
        }
    }

    fn split(text: &str) -> Result<Vec<String>, SplitError> {
        let mut all = Vec::new();
        for step in [1, 3, 1 << 20] {
            let mut splitter = Splitter::new(Drip(text.as_bytes(), step));
            let mut found = Vec::new();
            while let Some(statement) = splitter.next(false)? {
                found.push(String::from_utf8(statement.to_vec()).unwrap());
            }
            assert_eq!(splitter.taken(), text.len() as u64);
            all.push(found);
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        Ok(all.pop().unwrap())
    }

    #[test]
    fn statements_end_at_delimiters_outside_of_everything() {
        let text = "-- a comment; with 'quotes\n# another;\n/* and; one */ SELECT 'a;''b\\';' ;;\n\
                    INSERT INTO `a;``b` VALUES (\"x;\"), (1-- 2;\n), /* ; */ (2/3) # ;\n;\n/*!40101 SET a=1; */ x;\n";
        let found = split(text).unwrap();
        assert_eq!(
            found,
            [
                "SELECT 'a;''b\\';'",
                "INSERT INTO `a;``b` VALUES (\"x;\"), (1-- 2;\n), /* ; */ (2/3) # ;",
                "/*!40101 SET a=1",
                "*/ x"
            ]
        );
    }

    #[test]
    fn delimiters_change_as_dumps_change_them() {
        let text = "DELIMITER ;;\nCREATE TRIGGER a BEGIN x; /* ;; */ y; ';;' END -- ;;\n;;\nDELIMITER ;\n\
                    delimiter //\n/*!50003 CREATE*/ /*!50003 TRIGGER b BEGIN /* x // */ z; END */ //\nDELIMITER ;\nEND;";
        assert_eq!(
            split(text).unwrap(),
            [
                "CREATE TRIGGER a BEGIN x; /* ;; */ y; ';;' END -- ;;",
                "/*!50003 CREATE*/ /*!50003 TRIGGER b BEGIN /* x // */ z; END */",
                "END"
            ]
        );
    }

    #[test]
    fn the_sandbox_line_is_ignored_wherever_it_stands() {
        let text = "/*M!999999\\- enable the sandbox mode */ \nSELECT 1;\n/*!999999\\- enable the sandbox mode */\n\
                    SELECT '\n/*M!999999\\- enable the sandbox mode */ ';\n";
        let found = split(text).unwrap();
        assert_eq!(found, ["SELECT 1", "SELECT '\n/*M!999999\\- enable the sandbox mode */ '"]);
    }

    #[test]
    fn a_text_that_ends_too_early_is_refused() {
        for text in
            ["SELECT 1", "SELECT 'a;", "SELECT 1; SELECT", "/* x", "DELIMITER ;;\nSELECT 1;\n", "SELECT `a;"]
        {
            assert!(matches!(split(text), Err(SplitError::Unfinished)), "{text}");
        }
        assert_eq!(split("SELECT 1;\n-- the end").unwrap(), ["SELECT 1"]);
    }

    #[test]
    fn a_backslash_may_be_an_ordinary_character() {
        let mut splitter = Splitter::new(&b"SELECT 'a\\';SELECT 2;"[..]);
        assert_eq!(splitter.next(true).unwrap().unwrap(), b"SELECT 'a\\'");
        assert_eq!(splitter.next(true).unwrap().unwrap(), b"SELECT 2");
    }
}
