//! Rows as INSERT statements.
//!
//! A statement ends where a hash of a row's key says so, not after so many bytes: then a row that comes or
//! goes early in a table leaves the statements after it as they were, and the vault has them already.

use super::output::Output;
use super::value::{Manner, Validity, write};
use crate::database::error::DatabaseError;
use crate::database::wire::{Malformed, next_value};

/// A statement is closed before it gets longer than this, so that every server takes it.
const STATEMENT_MAX: u64 = 900_000;
/// A transaction is closed once it is longer than this, so that no server has to undo more.
const TRANSACTION_MAX: u64 = 64 << 20;

/// Why a row could not be written.
#[derive(Debug)]
pub(super) enum RowError {
    /// What the server sent is no row of the table.
    Malformed,
    /// It could not be handed on.
    Output(DatabaseError),
}

impl From<Malformed> for RowError {
    fn from(Malformed: Malformed) -> Self {
        RowError::Malformed
    }
}

impl From<DatabaseError> for RowError {
    fn from(error: DatabaseError) -> Self {
        RowError::Output(error)
    }
}

/// What was written of a table's rows.
#[derive(Debug, Default, Clone)]
pub(super) struct Written {
    pub(super) rows: u64,
    /// Bytes of the longest row as text.
    pub(super) longest: u64,
    /// The sum of the rows' hashes.
    pub(super) sum: u64,
    /// For each column, how many values are not valid in its character set.
    pub(super) invalid: Vec<u64>,
}

/// Writes the rows of one table.
pub(super) struct RowWriter {
    columns: Vec<(Manner, bool)>,
    has_key: bool,
    /// What every statement begins with, up to its first row.
    head: String,
    /// Where in the section the open statement began.
    statement: Option<u64>,
    /// Where in the section the open transaction began.
    transaction: u64,
    written: Written,
}

impl RowWriter {
    /// For columns of which it is known how they are written and whether they are in the key.
    pub(super) fn new(head: String, columns: Vec<(Manner, bool)>) -> Self {
        let has_key = columns.iter().any(|(_, is_key)| *is_key);
        let written = Written { invalid: vec![0; columns.len()], ..Written::default() };
        RowWriter { columns, has_key, head, statement: None, transaction: 0, written }
    }

    /// Writes a row, given as the server sent it.
    pub(super) fn row(&mut self, out: &mut Output<'_>, packet: &[u8]) -> Result<(), RowError> {
        let begun = out.len();
        let full = |start| begun - start + packet.len() as u64 > STATEMENT_MAX;
        if self.statement.is_some_and(full) {
            self.close(out)?;
        }
        match self.statement {
            None => {
                self.statement = Some(begun);
                out.push(&self.head);
            }
            Some(_) => out.push(b",\n"),
        }
        let start = out.len();
        let hash = self.values(out, packet)?;
        self.written.rows += 1;
        self.written.sum = self.written.sum.wrapping_add(evidence(packet));
        self.written.longest = self.written.longest.max(out.len() - start);
        if is_cut(hash, 8) {
            self.close(out)?;
        }
        if self.statement.is_none() && is_cut(hash, 16) || out.len() - self.transaction > TRANSACTION_MAX {
            self.close(out)?;
            out.push(b"COMMIT;\n");
            self.transaction = out.len();
        }
        Ok(out.hand_on_if_full()?)
    }

    /// Writes the values; gives the hash of the key, or of the whole row where there is none.
    fn values(&mut self, out: &mut Output<'_>, packet: &[u8]) -> Result<u64, RowError> {
        let mut rest = packet;
        let mut hash = 0;
        let mut before = b'(';
        for ((manner, is_key), invalid) in self.columns.iter().zip(&mut self.written.invalid) {
            out.buffer().push(before);
            before = b',';
            let value = next_value(&mut rest)?;
            if *is_key {
                hash = mix(hash, value.unwrap_or_default());
            }
            if write(out, manner, value)? == Validity::Invalid {
                *invalid += 1;
            }
        }
        out.buffer().push(b')');
        if !rest.is_empty() {
            return Err(RowError::Malformed);
        }
        Ok(if self.has_key { hash } else { mix(hash, packet) })
    }

    fn close(&mut self, out: &mut Output<'_>) -> Result<(), DatabaseError> {
        if self.statement.take().is_some() {
            out.push(b";\n");
        }
        Ok(())
    }

    /// Whether no row was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.written.rows == 0
    }

    /// Tells that the transaction begins here.
    pub(super) fn begin(&mut self, out: &Output<'_>) {
        self.transaction = out.len();
    }

    /// Closes the last statement.
    pub(super) fn end(mut self, out: &mut Output<'_>) -> Result<Written, DatabaseError> {
        self.close(out)?;
        Ok(self.written)
    }
}

/// The hash of a row as the server sent it: evidence of what the snapshot held, whatever becomes of it later. Backups
/// keep sums of it, so it may never change.
pub(super) fn evidence(packet: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(packet)
}

/// Whether a hash is one of those that close something: one in two to the power of `bits`.
fn is_cut(hash: u64, bits: u32) -> bool {
    hash.leading_zeros() >= bits
}

/// Adds bytes to a hash. It decides where statements end, so it may never change: a dump by the next
/// release would store every table anew.
fn mix(hash: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let fold = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^ hash >> 29
    };
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    });
    let hash = words.fold(fold(hash, bytes.len() as u64), fold);
    hash.wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use undercroft_vault::stream::{Section, SectionKind, SectionLabel, TextSink};

    use super::*;

    /// Keeps one section's text.
    #[derive(Default)]
    struct Kept(Mutex<Vec<u8>>);

    impl TextSink for Kept {
        fn section(&self, _: u32, _: SectionLabel) -> io::Result<Box<dyn Section + '_>> {
            Ok(Box::new(Keeping(self)))
        }
    }

    struct Keeping<'k>(&'k Kept);

    impl Section for Keeping<'_> {
        fn write(&mut self, text: &[u8]) -> io::Result<()> {
            self.0.0.lock().unwrap().extend_from_slice(text);
            Ok(())
        }
        fn finish(self: Box<Self>, _: Option<u64>) -> io::Result<()> {
            Ok(())
        }
    }

    fn row(values: &[&str]) -> Vec<u8> {
        let mut row = Vec::new();
        for value in values {
            row.push(u8::try_from(value.len()).unwrap());
            row.extend_from_slice(value.as_bytes());
        }
        row
    }

    fn dumped(rows: impl IntoIterator<Item = Vec<u8>>) -> (String, Written) {
        let kept = Kept::default();
        let mut out = Output::open(&kept, 0, SectionKind::Table, "t", "testing").unwrap();
        let columns = vec![(Manner::Number, true), (Manner::Quoted, false)];
        let mut writer = RowWriter::new("INSERT INTO `t` VALUES\n".to_owned(), columns);
        for row in rows {
            writer.row(&mut out, &row).unwrap();
        }
        let written = writer.end(&mut out).unwrap();
        out.finish(Some(written.rows)).unwrap();
        (String::from_utf8(kept.0.into_inner().unwrap()).unwrap(), written)
    }

    #[test]
    fn rows_become_statements() {
        let (text, written) = dumped([row(&["1", "it's"]), row(&["2", ""])]);
        assert_eq!(text, "INSERT INTO `t` VALUES\n(1,'it\\'s'),\n(2,'');\n");
        assert_eq!((written.rows, written.longest), (2, 11));
    }

    #[test]
    fn a_row_that_goes_early_leaves_later_statements_as_they_were() {
        let rows = |from: u64| (from..20_000).map(|id| row(&[&id.to_string(), "some text"]));
        let (all, _) = dumped(rows(0));
        let (fewer, _) = dumped(rows(1));
        let statements: Vec<&str> = all.split(";\n").collect();
        assert!((40..160).contains(&statements.len()), "{} statements", statements.len());
        assert!(fewer.ends_with(&statements[1..].join(";\n")));
    }

    #[test]
    fn where_statements_end_is_the_same_in_every_release() {
        let cuts =
            |bits| (0..1_000_000_u64).filter(|id| is_cut(mix(0, id.to_string().as_bytes()), bits)).count();
        assert_eq!((cuts(8), cuts(16)), (3989, 17));
        assert_eq!(mix(mix(0, b"one"), b"and another one"), 2_579_171_352_820_914_603);
    }

    #[test]
    fn evidence_is_the_same_in_every_release_and_in_any_order() {
        assert_eq!(evidence(b"one row"), 15_758_351_401_619_975_729);
        let (_, written) = dumped([row(&["1", "a"]), row(&["2", "b"])]);
        let (_, other) = dumped([row(&["2", "b"]), row(&["1", "a"])]);
        assert_eq!(written.sum, other.sum);
        assert_ne!(written.sum, dumped([row(&["1", "b"]), row(&["2", "a"])]).1.sum);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let kept = Kept::default();
        let mut out = Output::open(&kept, 0, SectionKind::Table, "t", "testing").unwrap();
        for bytes in [row(&["1"]), row(&["1", "2", "3"]), vec![9, 1]] {
            let mut writer =
                RowWriter::new(String::new(), vec![(Manner::Number, true), (Manner::Number, false)]);
            assert!(matches!(writer.row(&mut out, &bytes), Err(RowError::Malformed)));
        }
    }
}
