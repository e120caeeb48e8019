//! How fast this machine loads a dump: `load SOCKET SCHEMA` dumps a schema into memory, as root through the socket,
//! loads it beside itself as a restore does, removes that again, and says what each took.
//! `cargo run --release --example load`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use undercroft_model::{DatabaseAddress, DatabaseTarget, Secret, Silent, TlsMode};
use undercroft_site::database::Snapshot;
use undercroft_site::database::restore::{Order, Way, clean_up, prepare, stage};
use undercroft_vault::sections::{SectionSource, TextSection};
use undercroft_vault::stream::{Section, SectionLabel, TextSink};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(socket), Some(schema)) = (arguments.next(), arguments.next()) else {
        return Err("give a server's socket and a schema".into());
    };
    let target = DatabaseTarget {
        address: DatabaseAddress::Socket(PathBuf::from(socket)),
        user: "root".to_owned(),
        password: Secret::default(),
        schema: schema.to_string_lossy().into_owned(),
        tls: TlsMode::Off,
        tls_ca: None,
        table_prefix: None,
        structure_only: Vec::new(),
    };
    let began = Instant::now();
    let kept = Kept::default();
    let facts = Snapshot::open(&target, &Silent)?.dump(&kept, &Silent)?;
    let dump = kept.dump();
    println!("dumped {} rows in {:.2} s", facts.rows, began.elapsed().as_secs_f64());
    let order = Order {
        target: &target,
        dump: &dump,
        facts: Some(&facts),
        rewrite: None,
        absent_is_removed: false,
        may_lose: false,
        foreign: false,
        observer: &Silent,
    };
    let staged = stage(&order, Uuid::from_u128(0xABCD_1234 << 96), None, Way::Switch)?;
    let began = Instant::now();
    prepare(&staged, &order)?;
    println!("loaded in {:.2} s", began.elapsed().as_secs_f64());
    clean_up(&staged, &order)?;
    Ok(())
}

/// The sections of a dump, by their places, while they are written.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<u32, (TextSection, Vec<u8>)>>);

impl Kept {
    fn dump(self) -> Dump {
        let kept = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (sections, texts) = kept.into_values().unzip();
        Dump { sections, texts }
    }
}

impl TextSink for Kept {
    fn section(&self, ordinal: u32, label: SectionLabel) -> io::Result<Box<dyn Section + '_>> {
        Ok(Box::new(Keeping { kept: self, ordinal, label, text: Vec::new() }))
    }
}

/// A section that is being written.
struct Keeping<'k> {
    kept: &'k Kept,
    ordinal: u32,
    label: SectionLabel,
    text: Vec<u8>,
}

impl Section for Keeping<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.text.extend_from_slice(text);
        Ok(())
    }

    fn finish(self: Box<Self>, rows: Option<u64>) -> io::Result<()> {
        let section = TextSection { label: self.label, rows, raw_len: self.text.len() as u64 };
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(self.ordinal, (section, self.text));
        Ok(())
    }
}

/// A dump in memory.
struct Dump {
    sections: Vec<TextSection>,
    texts: Vec<Vec<u8>>,
}

impl SectionSource for Dump {
    fn sections(&self) -> &[TextSection] {
        &self.sections
    }

    fn open(&self, place: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let text = self.texts.get(place).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(text.as_slice()))
    }
}
