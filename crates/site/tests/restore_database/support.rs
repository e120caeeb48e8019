//! What the tests of restores share: a dump in memory, and a restore from end to end.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use undercroft_model::{
    DatabaseAddress, DatabaseFacts, DatabaseTarget, Element, Observer, Remark, Secret, TlsMode,
};
use undercroft_site::database::Snapshot;
use undercroft_site::database::restore::{
    Order, RestoreError, Staged, Way, clean_up, prepare, stage, switch,
};
use undercroft_testkit::mariadb::{Options, Server, TRAPS};
use undercroft_vault::sections::{SectionSource, TextSection};
use undercroft_vault::stream::{Section, SectionKind, SectionLabel, TextSink};
use uuid::Uuid;

/// The restore of most tests.
pub const ID: Uuid = Uuid::from_u128(0xABCD_1234_0000_4000_8000_0000_0000_0001);
pub const SCRATCH: &str = "undercroft_abcd1234";
pub const OLD: &str = "undercroft_abcd1234_old";

/// A schema of a test's server, as root through the socket.
pub fn target(server: &Server, schema: &str) -> DatabaseTarget {
    DatabaseTarget {
        address: DatabaseAddress::Socket(server.socket().to_owned()),
        user: "root".to_owned(),
        password: Secret::default(),
        schema: schema.to_owned(),
        tls: TlsMode::Off,
        tls_ca: None,
        table_prefix: None,
        structure_only: Vec::new(),
    }
}

/// The same for an account of one's own.
pub fn target_of(server: &Server, schema: &str, user: &str) -> DatabaseTarget {
    DatabaseTarget {
        address: DatabaseAddress::Tcp("127.0.0.1".to_owned(), server.port()),
        user: user.to_owned(),
        password: Secret::new("secret"),
        ..target(server, schema)
    }
}

/// A dump in memory.
#[derive(Default)]
pub struct Dump {
    sections: Vec<TextSection>,
    pub texts: Vec<Vec<u8>>,
    pub facts: DatabaseFacts,
}

impl Dump {
    /// Dumps a schema.
    pub fn of(target: &DatabaseTarget) -> Dump {
        let kept = Kept::default();
        let told = Told::default();
        let facts = Snapshot::open(target, &told).unwrap().dump(&kept, &told).unwrap();
        let mut dump = Dump { facts, ..Dump::default() };
        for (label, text, rows) in kept.0.into_inner().unwrap().into_values() {
            dump.sections.push(TextSection { label, rows, raw_len: text.len() as u64 });
            dump.texts.push(text);
        }
        dump
    }

    /// A dump that another program wrote.
    pub fn foreign(text: Vec<u8>) -> Dump {
        let label = SectionLabel { kind: SectionKind::Preamble, name: String::new() };
        let section = TextSection { label, rows: None, raw_len: text.len() as u64 };
        Dump { sections: vec![section], texts: vec![text], facts: DatabaseFacts::default() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.texts.concat()).into_owned()
    }

    /// The text of a table's section, to be spoilt.
    pub fn table(&mut self, name: &str) -> &mut Vec<u8> {
        let place = self.sections.iter().position(|section| section.label.name == name).unwrap();
        &mut self.texts[place]
    }
}

impl SectionSource for Dump {
    fn sections(&self) -> &[TextSection] {
        &self.sections
    }

    fn open(&self, place: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(&self.texts[place][..]))
    }
}

type Text = (SectionLabel, Vec<u8>, Option<u64>);

#[derive(Default)]
struct Kept(Mutex<BTreeMap<u32, Text>>);

struct Keeping<'k>(&'k Kept, u32, SectionLabel, Vec<u8>);

impl TextSink for Kept {
    fn section(&self, ordinal: u32, label: SectionLabel) -> io::Result<Box<dyn Section + '_>> {
        Ok(Box::new(Keeping(self, ordinal, label, Vec::new())))
    }
}

impl Section for Keeping<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.3.extend_from_slice(text);
        Ok(())
    }

    fn finish(self: Box<Self>, rows: Option<u64>) -> io::Result<()> {
        self.0.0.lock().unwrap().insert(self.1, (self.2, self.3, rows));
        Ok(())
    }
}

/// Called with what is being done.
type Hook<'h> = Box<dyn Fn(&str) + Send + Sync + 'h>;

/// Remembers what it is told, and can call a job off.
#[derive(Default)]
pub struct Told<'h> {
    pub remarks: Mutex<Vec<String>>,
    pub cancelled: AtomicBool,
    pub hook: Option<Hook<'h>>,
}

impl Told<'_> {
    pub fn all(&self) -> String {
        self.remarks.lock().unwrap().join("\n")
    }
}

impl Observer for Told<'_> {
    fn doing(&self, element: Element, what: &str) {
        assert_eq!(element, Element::Database);
        if let Some(hook) = &self.hook {
            hook(what);
        }
    }
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, remark: Remark) {
        self.remarks.lock().unwrap().push(format!("{}: {}", remark.subject, remark.text));
    }
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// A restore's order.
pub fn order<'a>(target: &'a DatabaseTarget, dump: &'a Dump, told: &'a dyn Observer) -> Order<'a> {
    Order {
        target,
        dump,
        facts: Some(&dump.facts),
        rewrite: None,
        absent_is_removed: false,
        may_lose: false,
        foreign: false,
        observer: told,
    }
}

/// Restores from end to end.
pub fn restore(order: &Order<'_>, only: Option<&[String]>, way: Way) -> Result<Staged, RestoreError> {
    let staged = stage(order, ID, only, way)?;
    prepare(&staged, order)?;
    switch(&staged, order)?;
    clean_up(&staged, order)?;
    Ok(staged)
}

/// A server with a schema that holds every trap, and its dump.
pub fn with_traps(server: Server) -> (Server, Dump) {
    server.run_sql("CREATE DATABASE shop COLLATE utf8mb4_unicode_ci");
    server.run_sql_in("shop", TRAPS);
    let dump = Dump::of(&target(&server, "shop"));
    (server, dump)
}

pub fn server() -> Server {
    Server::start(Options::default())
}

/// Asserts that the schema is what was dumped, and nothing of a restore is left.
pub fn assert_is(server: &Server, schema: &str, dump: &Dump) {
    let now = Dump::of(&target(server, schema));
    for (one, other) in now.text().lines().zip(dump.text().lines()) {
        assert_eq!(one, other);
    }
    assert_eq!(now.text().len(), dump.text().len());
    assert_eq!(now.facts.contents, dump.facts.contents);
    assert_nothing_left(server);
}

pub fn assert_nothing_left(server: &Server) {
    assert_eq!(server.query("SHOW DATABASES LIKE 'undercroft%'"), "");
}
