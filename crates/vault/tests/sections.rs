//! A text archive by its sections: each can be had alone, and all of them are the whole.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::text;
use undercroft_model::{Element, Silent};
use undercroft_vault::record::{ArchiveRecord, StreamKind};
use undercroft_vault::sections::{SectionSource, Sections};
use undercroft_vault::session::Session;
use undercroft_vault::stream::{SectionKind, SectionLabel, TextSink};
use undercroft_vault::text::TextWriter;
use undercroft_vault::{Vault, VaultError};

/// One section is longer than what is read together, one is empty.
const LENGTHS: [usize; 4] = [300, 5_000_000, 0, 70_000];

fn written(vault: &Vault) -> ArchiveRecord {
    let session = Session::begin(vault).unwrap();
    let writer = TextWriter::new(&session, Element::Database, &Silent);
    for (ordinal, len) in (0..).zip(LENGTHS) {
        let label = SectionLabel { kind: SectionKind::Table, name: format!("t{ordinal}") };
        let mut section = writer.section(ordinal, label).unwrap();
        section.write(&text(u64::from(ordinal) + 1, len)).unwrap();
        section.finish((ordinal > 0).then_some(u64::from(ordinal))).unwrap();
    }
    let archive = writer.finish("a_database.sql.gz").unwrap();
    session.finish().unwrap();
    archive
}

#[test]
fn every_section_comes_back_alone() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let archive = written(&vault);
    let index = Arc::new(vault.read_index().unwrap());
    let sections = Sections::read(&vault, &index, &archive).unwrap();
    let lengths: Vec<u64> = sections.sections().iter().map(|section| section.raw_len).collect();
    assert_eq!(lengths, LENGTHS.map(|len| len as u64));
    let rows: Vec<Option<u64>> = sections.sections().iter().map(|section| section.rows).collect();
    assert_eq!(rows, [None, Some(1), Some(2), Some(3)]);
    // Several at once, each by a thread of its own.
    std::thread::scope(|scope| {
        for (place, len) in LENGTHS.into_iter().enumerate() {
            let sections = &sections;
            scope.spawn(move || {
                let mut found = Vec::new();
                sections.open(place).unwrap().read_to_end(&mut found).unwrap();
                assert!(found == text(place as u64 + 1, len), "section {place}");
            });
        }
    });
    assert!(sections.open(LENGTHS.len()).is_err());
}

#[test]
fn what_is_no_text_or_contradicts_its_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let archive = written(&vault);
    let index = Arc::new(vault.read_index().unwrap());
    let other = ArchiveRecord { crc: archive.crc ^ 1, ..archive.clone() };
    assert!(matches!(Sections::read(&vault, &index, &other), Err(VaultError::Object { .. })));
    let shorter = ArchiveRecord { raw_len: 1, stream: StreamKind::Text, ..archive };
    assert!(matches!(Sections::read(&vault, &index, &shorter), Err(VaultError::Object { .. })));
}
