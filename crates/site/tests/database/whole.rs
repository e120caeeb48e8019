//! A dump holds everything, comes back as it was, and is the same each time.

use undercroft_model::Weight;
use undercroft_site::database::END_MARK;
use undercroft_testkit::mariadb::{Options, Server, TRAPS, huge_row};
use undercroft_testkit::newer;
use undercroft_vault::stream::SectionKind;

use crate::compare::assert_same;
use crate::support::{Sink, Witness, dump, dump_into, target};

fn server_with_traps() -> Server {
    with_traps(Server::start(Options::default()))
}

fn with_traps(server: Server) -> Server {
    server.run_sql(
        "CREATE DATABASE traps COLLATE utf8mb4_unicode_ci; CREATE DATABASE copy COLLATE utf8mb4_unicode_ci",
    );
    server.run_sql_in("traps", TRAPS);
    server
}

#[test]
fn everything_comes_back_as_it_was() {
    everything_comes_back(&server_with_traps(), "MariaDB 10");
}

#[test]
fn everything_comes_back_on_a_newer_mariadb() {
    let Some(server) = newer::start() else { return };
    everything_comes_back(&with_traps(server), "MariaDB 11");
}

fn everything_comes_back(server: &Server, name: &str) {
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target(server, "traps"), &sink, &witness).unwrap();
    assert_eq!(witness.told(Weight::Lost), Vec::<String>::new());
    assert!(sink.text().ends_with(END_MARK.as_bytes()));

    // What has not ended ends at another time on newer servers.
    let (past, _) = sink.section(SectionKind::Table, "past");
    assert!(past.contains("@system_time_end)") && !past.contains(",'2038"), "{past}");

    server.run_sql_in("copy", &sink.text());
    assert_same(server, "traps", "copy");
    let count =
        |what: &str| server.query(&format!("SELECT COUNT(*) FROM information_schema.{what}")).trim().parse();
    assert_eq!(Ok(facts.triggers), count("TRIGGERS WHERE TRIGGER_SCHEMA = 'copy'"));
    assert_eq!(Ok(facts.routines), count("ROUTINES WHERE ROUTINE_SCHEMA = 'copy'"));
    assert_eq!(Ok(facts.events), count("EVENTS WHERE EVENT_SCHEMA = 'copy'"));
    assert_eq!(Ok(facts.views), count("VIEWS WHERE TABLE_SCHEMA = 'copy'"));
    assert_eq!((facts.sequences, facts.server.split('.').next()), (5, Some(name)));

    // What was loaded gives the same text again; nothing in it depends on the schema's name or the time.
    assert_eq!(text(&dump(&target(server, "copy"))), text(&sink.text()));
}

#[test]
fn mariadb_dump_and_we_agree() {
    let server = server_with_traps();
    // Two traps that mariadb-dump itself can't get out of: a view with a check on one that sorts later, and
    // (so no locks) a table that numbers its rows by a sequence.
    server.run_sql("USE traps; DROP VIEW doubled, `a view`");
    let theirs = server
        .tool("mariadb-dump")
        .args([
            "--single-transaction",
            "--routines",
            "--events",
            "--hex-blob",
            "--default-character-set=utf8mb4",
        ])
        .args(["--force", "--dump-history", "--skip-add-locks", "traps"])
        .output()
        .unwrap();
    server.run_sql_in("copy", &theirs.stdout);
    // It shortens floats and writes zero for used up sequences, so theirs is compared after another round.
    server.run_sql("CREATE DATABASE ours COLLATE utf8mb4_unicode_ci");
    server.run_sql_in("ours", &dump(&target(&server, "copy")));
    assert_same(&server, "copy", "ours");
}

#[test]
fn a_huge_row_comes_back() {
    let server = Server::start(Options::default());
    server.run_sql("CREATE DATABASE shop; CREATE DATABASE copy");
    server.run_sql_in("shop", &huge_row(40));
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target(&server, "shop"), &sink, &witness).unwrap();
    assert!(facts.longest_row > 119_000_000, "{facts:?}");
    server.run_sql_in("copy", &sink.text());
    assert_same(&server, "shop", "copy");
}

#[test]
fn an_empty_schema_has_an_empty_dump() {
    let server = Server::start(Options::default());
    server.run_sql("CREATE DATABASE shop; CREATE DATABASE copy");
    let sink = Sink::default();
    let facts = dump_into(&target(&server, "shop"), &sink, &Witness::default()).unwrap();
    assert_eq!((facts.tables, facts.rows), (0, 0));
    let kinds: Vec<SectionKind> = sink.labels().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [SectionKind::Preamble, SectionKind::End]);
    server.run_sql_in("copy", &sink.text());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
