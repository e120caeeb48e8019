//! Text in sections: a database's dump, cut at every section's start and by content within.

use std::io;
use std::sync::{Mutex, PoisonError};

use undercroft_model::{Cancelled, Element, Observer};

use crate::cut::{Cutter, TEXT};
use crate::error::VaultError;
use crate::manifest_io::ManifestWriter;
use crate::record::{ArchiveRecord, StreamKind};
use crate::session::{Fragments, Session};
use crate::stream::{Section, SectionLabel, TextSink};

/// An archive of text that is being written.
pub struct TextWriter<'s> {
    session: &'s Session,
    observer: &'s dyn Observer,
    element: Element,
    sections: Mutex<Vec<State>>,
}

/// How far a section is.
enum State {
    Awaited,
    Open,
    Done(DoneSection),
}

struct DoneSection {
    label: SectionLabel,
    rows: Option<u64>,
    fragments: Fragments,
}

impl<'s> TextWriter<'s> {
    /// An empty archive.
    pub fn new(session: &'s Session, element: Element, observer: &'s dyn Observer) -> Self {
        TextWriter { session, observer, element, sections: Mutex::default() }
    }

    /// Closes the archive.
    ///
    /// # Errors
    /// [`VaultError`] if a section was left open or out, or the session fails.
    pub fn finish(self, name: &str) -> Result<ArchiveRecord, VaultError> {
        let mut manifest = ManifestWriter::begin(self.session)?;
        for (section, ordinal) in
            self.sections.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().zip(0..)
        {
            let State::Done(DoneSection { label, rows, fragments }) = section else {
                return Err(VaultError::SectionOpen { ordinal });
            };
            manifest.add_section(label, rows, fragments.wait()?)?;
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
        let place = ordinal as usize;
        let mut sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        if sections.len() <= place {
            sections.resize_with(place + 1, || State::Awaited);
        }
        if !matches!(sections[place], State::Awaited) {
            return Err(VaultError::SectionTwice { ordinal, name: label.name }.into());
        }
        sections[place] = State::Open;
        let (cutter, fragments) = (Cutter::new(TEXT), Fragments::default());
        Ok(Box::new(OpenSection { text: self, place, label, cutter, fragments }))
    }
}

struct OpenSection<'w, 's> {
    text: &'w TextWriter<'s>,
    place: usize,
    label: SectionLabel,
    cutter: Cutter,
    fragments: Fragments,
}

impl Section for OpenSection<'_, '_> {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.text.observer.cancelled() {
            return Err(VaultError::from(Cancelled).into());
        }
        let (session, fragments) = (self.text.session, &mut self.fragments);
        self.cutter.write(text, |piece| fragments.push(session.add(piece)?))?;
        self.text.observer.advance(self.text.element, text.len() as u64, 0);
        Ok(())
    }

    fn finish(mut self: Box<Self>, rows: Option<u64>) -> io::Result<()> {
        let (session, fragments) = (self.text.session, &mut self.fragments);
        self.cutter.end(|piece| fragments.push(session.add(piece)?))?;
        let done = DoneSection { label: self.label, rows, fragments: self.fragments };
        let mut sections = self.text.sections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(section) = sections.get_mut(self.place) {
            *section = State::Done(done);
        }
        Ok(())
    }
}
