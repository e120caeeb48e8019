//! A section's text on its way to the sink.

use std::io;

use crate::database::error::DatabaseError;
use crate::database::quote;
use undercroft_model::Observer;
use undercroft_vault::stream::{Section, SectionKind, SectionLabel, TextSink};

/// Text is handed on in pieces of about this many bytes.
const PIECE: usize = 128 * 1024;
/// Long values are escaped so many bytes at a time, so that they are never in memory twice.
const STRETCH: usize = 32 * 1024;

/// A section that is being written.
pub(super) struct Output<'s> {
    section: Box<dyn Section + 's>,
    doing: String,
    buffer: Vec<u8>,
    handed_on: u64,
}

impl<'s> Output<'s> {
    /// Opens a section.
    pub(super) fn open(
        sink: &'s dyn TextSink,
        ordinal: u32,
        kind: SectionKind,
        name: &str,
        doing: &str,
    ) -> Result<Self, DatabaseError> {
        let label = SectionLabel { kind, name: name.to_owned() };
        let section = sink.section(ordinal, label).map_err(|source| failed(doing, source))?;
        Ok(Output { section, doing: doing.to_owned(), buffer: Vec::with_capacity(2 * PIECE), handed_on: 0 })
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> u64 {
        self.handed_on + self.buffer.len() as u64
    }

    /// Appends short text.
    pub(super) fn push(&mut self, text: impl AsRef<[u8]>) {
        self.buffer.extend_from_slice(text.as_ref());
    }

    /// The buffer itself, to append a little to it.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends a text with its special bytes escaped, without quotes.
    #[inline]
    pub(super) fn push_escaped(&mut self, text: &[u8]) -> Result<(), DatabaseError> {
        for stretch in text.chunks(STRETCH) {
            quote::escape(&mut self.buffer, stretch);
            self.hand_on_if_full()?;
        }
        Ok(())
    }

    /// Appends bytes as hexadecimal digits.
    pub(super) fn push_hex(&mut self, bytes: &[u8]) -> Result<(), DatabaseError> {
        for stretch in bytes.chunks(STRETCH) {
            quote::hex(&mut self.buffer, stretch);
            self.hand_on_if_full()?;
        }
        Ok(())
    }

    /// Hands a piece on, if there is one.
    #[inline]
    pub(super) fn hand_on_if_full(&mut self) -> Result<(), DatabaseError> {
        if self.buffer.len() < PIECE { Ok(()) } else { self.hand_on() }
    }

    fn hand_on(&mut self) -> Result<(), DatabaseError> {
        self.section.write(&self.buffer).map_err(|source| failed(&self.doing, source))?;
        self.handed_on += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Closes the section.
    pub(super) fn finish(mut self, rows: Option<u64>) -> Result<(), DatabaseError> {
        self.hand_on()?;
        self.section.finish(rows).map_err(|source| failed(&self.doing, source))
    }
}

fn failed(doing: &str, source: io::Error) -> DatabaseError {
    DatabaseError::Sink { doing: doing.to_owned(), source }
}

/// Whether the job is still wanted.
pub(super) fn check(watch: &dyn Observer) -> Result<(), DatabaseError> {
    if watch.cancelled() { Err(undercroft_model::Cancelled.into()) } else { Ok(()) }
}
