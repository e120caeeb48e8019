//! Text in sections: a database's dump, cut at every section's start and by content within.

use std::io;
use std::sync::{Mutex, PoisonError};

use undercroft_model::{Cancelled, Element, Observer};

use crate::cut::{Cutter, TEXT};
use crate::error::VaultError;
use crate::manifest::Item;
use crate::manifest_io::ManifestWriter;
use crate::record::{ArchiveRecord, StreamKind};
use crate::session::{Session, Ticket};
use crate::stream::{Section, SectionLabel, TextSink};

/// An archive of text that is being written.
pub struct TextWriter<'s> {
    session: &'s Session,
    observer: &'s dyn Observer,
    element: Element,
    done: Mutex<Vec<Option<DoneSection>>>,
}

struct DoneSection {
    label: SectionLabel,
    rows: Option<u64>,
    tickets: Vec<Ticket>,
}

impl<'s> TextWriter<'s> {
    /// An empty archive.
    pub fn new(session: &'s Session, element: Element, observer: &'s dyn Observer) -> Self {
        TextWriter { session, observer, element, done: Mutex::default() }
    }

    /// Closes the archive.
    ///
    /// # Errors
    /// [`VaultError`] if a section was left open or out, or the session fails.
    pub fn finish(self, name: &str) -> Result<ArchiveRecord, VaultError> {
        let mut manifest = ManifestWriter::begin(self.session)?;
        for section in self.done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let open = || VaultError::Source(io::Error::other("a section of the text was not finished"));
            let section = section.ok_or_else(open)?;
            let fragments = section.tickets.into_iter().map(Ticket::wait).collect::<Result<Vec<_>, _>>()?;
            manifest.add(&Item::Section { label: section.label, rows: section.rows, fragments })?;
        }
        let (manifest, totals) = manifest.finish()?;
        Ok(ArchiveRecord {
            name: name.to_owned(),
            stream: StreamKind::Text,
            raw_len: totals.raw_len,
            crc: totals.crc.finalize(),
            deflated_len: totals.deflated_len,
            manifest,
        })
    }
}

impl TextSink for TextWriter<'_> {
    fn section(&self, ordinal: u32, label: SectionLabel) -> io::Result<Box<dyn Section + '_>> {
        let ordinal = ordinal as usize;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.len() <= ordinal {
            done.resize_with(ordinal + 1, || None);
        }
        Ok(Box::new(OpenSection {
            text: self,
            ordinal,
            label,
            cutter: Cutter::new(TEXT),
            tickets: Vec::new(),
        }))
    }
}

struct OpenSection<'w, 's> {
    text: &'w TextWriter<'s>,
    ordinal: usize,
    label: SectionLabel,
    cutter: Cutter,
    tickets: Vec<Ticket>,
}

impl Section for OpenSection<'_, '_> {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.text.observer.cancelled() {
            return Err(VaultError::from(Cancelled).into());
        }
        let (session, tickets) = (self.text.session, &mut self.tickets);
        self.cutter.write(text, |piece| session.add(piece).map(|ticket| tickets.push(ticket)))?;
        self.text.observer.advance(self.text.element, text.len() as u64, 0);
        Ok(())
    }

    fn finish(mut self: Box<Self>, rows: Option<u64>) -> io::Result<()> {
        let (session, tickets) = (self.text.session, &mut self.tickets);
        self.cutter.end(|piece| session.add(piece).map(|ticket| tickets.push(ticket)))?;
        let done = DoneSection { label: self.label, rows, tickets: self.tickets };
        let mut all = self.text.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = all.get_mut(self.ordinal) {
            *place = Some(done);
        }
        Ok(())
    }
}
