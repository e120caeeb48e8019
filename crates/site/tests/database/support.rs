//! What the tests of dumps share: targets, a sink in memory, an observer that remembers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use undercroft_model::{
    DatabaseAddress, DatabaseFacts, DatabaseTarget, Element, Observer, Remark, Secret, TlsMode, Weight,
};
use undercroft_site::database::{DatabaseError, Snapshot, SqlCheck};
use undercroft_testkit::mariadb::Server;
use undercroft_vault::check::TextCheck;
use undercroft_vault::stream::{Section, SectionKind, SectionLabel, TextSink};

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

/// The same for an account of one's own, through TCP.
pub fn target_of(server: &Server, schema: &str, user: &str, password: &str) -> DatabaseTarget {
    DatabaseTarget {
        address: DatabaseAddress::Tcp("127.0.0.1".to_owned(), server.port()),
        user: user.to_owned(),
        password: Secret::new(password),
        ..target(server, schema)
    }
}

/// What one section is called, its text, and how many rows it says that it has.
type Kept = (SectionLabel, Vec<u8>, Option<u64>);

/// Keeps sections in memory. What is called before each write may block or fail.
#[derive(Default)]
pub struct Sink<'h> {
    sections: Mutex<BTreeMap<u32, Kept>>,
    before_write: Option<Hook<'h>>,
}

/// Called with a section's label before text is written to it.
type Hook<'h> = Box<dyn Fn(&SectionLabel) -> io::Result<()> + Sync + Send + 'h>;

impl<'h> Sink<'h> {
    pub fn with(before_write: impl Fn(&SectionLabel) -> io::Result<()> + Sync + Send + 'h) -> Self {
        Sink { before_write: Some(Box::new(before_write)), ..Sink::default() }
    }

    /// The whole text, if ordinals leave no gap.
    pub fn text(&self) -> Vec<u8> {
        let sections = self.sections.lock().unwrap();
        assert!(sections.keys().copied().eq(0..sections.len() as u32), "ordinals leave a gap");
        sections.values().flat_map(|(_, text, _)| text.clone()).collect()
    }

    /// What a check of the stored text would find wrong.
    pub fn flaws(&self) -> Vec<String> {
        let sections = self.sections.lock().unwrap();
        let labels: Vec<_> = sections.values().map(|(label, ..)| label.clone()).collect();
        let mut flaws = SqlCheck.order(&labels);
        for (label, text, rows) in sections.values() {
            let mut look = SqlCheck.section(label, *rows);
            text.chunks(30_011).for_each(|part| look.text(part));
            flaws.extend(look.end().iter().map(|flaw| format!("{}: {flaw}", label.name)));
        }
        flaws
    }

    /// The text of one section, and its rows.
    pub fn section(&self, kind: SectionKind, name: &str) -> (String, Option<u64>) {
        let sections = self.sections.lock().unwrap();
        let found = sections.values().find(|(label, ..)| label.kind == kind && label.name == name);
        let (_, text, rows) = found.unwrap_or_else(|| panic!("no section {kind:?} {name}"));
        (String::from_utf8_lossy(text).into_owned(), *rows)
    }

    pub fn labels(&self) -> Vec<(SectionKind, String)> {
        let sections = self.sections.lock().unwrap();
        sections.values().map(|(label, ..)| (label.kind, label.name.clone())).collect()
    }
}

impl TextSink for Sink<'_> {
    fn section(&self, ordinal: u32, label: SectionLabel) -> io::Result<Box<dyn Section + '_>> {
        Ok(Box::new(Open { sink: self, ordinal, label, text: Vec::new() }))
    }
}

struct Open<'s, 'h> {
    sink: &'s Sink<'h>,
    ordinal: u32,
    label: SectionLabel,
    text: Vec<u8>,
}

impl Section for Open<'_, '_> {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(hook) = &self.sink.before_write {
            hook(&self.label)?;
        }
        self.text.extend_from_slice(text);
        Ok(())
    }

    fn finish(self: Box<Self>, rows: Option<u64>) -> io::Result<()> {
        let mut sections = self.sink.sections.lock().unwrap();
        let before = sections.insert(self.ordinal, (self.label, self.text, rows));
        assert!(before.is_none(), "two sections at one place");
        Ok(())
    }
}

/// Remembers what it is told, and can call a job off.
#[derive(Default)]
pub struct Witness {
    remarks: Mutex<Vec<Remark>>,
    doing: Mutex<Vec<String>>,
    pub cancelled: AtomicBool,
}

impl Witness {
    /// What was told with this weight, a line a remark.
    pub fn told(&self, weight: Weight) -> Vec<String> {
        let remarks = self.remarks.lock().unwrap();
        let of_weight = remarks.iter().filter(|remark| remark.weight == weight);
        of_weight.map(|remark| format!("{}: {}", remark.subject, remark.text)).collect()
    }

    pub fn did(&self, what: &str) -> bool {
        self.doing.lock().unwrap().iter().any(|doing| doing == what)
    }
}

impl Observer for Witness {
    fn doing(&self, element: Element, what: &str) {
        assert_eq!(element, Element::Database);
        self.doing.lock().unwrap().push(what.to_owned());
    }
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {
        panic!("only the sink knows what is done");
    }
    fn remark(&self, element: Element, remark: Remark) {
        assert_eq!(element, Element::Database);
        self.remarks.lock().unwrap().push(remark);
    }
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// Dumps a schema into a sink.
pub fn dump_into(
    target: &DatabaseTarget,
    sink: &Sink<'_>,
    witness: &Witness,
) -> Result<DatabaseFacts, DatabaseError> {
    let facts = Snapshot::open(target, witness)?.dump(sink, witness)?;
    assert_eq!(sink.flaws(), [""; 0], "what is dumped is what a check of what is stored asks for");
    Ok(facts)
}

/// The text of a schema's dump.
pub fn dump(target: &DatabaseTarget) -> Vec<u8> {
    let sink = Sink::default();
    dump_into(target, &sink, &Witness::default()).unwrap();
    sink.text()
}
