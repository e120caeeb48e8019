//! What happens around a dump that runs: writers are neither seen nor stopped, and a changed schema is
//! noticed.

use std::sync::atomic::{AtomicBool, Ordering};

use undercroft_site::database::{DatabaseError, Snapshot};
use undercroft_testkit::mariadb::{Options, Server};
use undercroft_vault::stream::SectionKind;

use crate::support::{Sink, Witness, dump_into, target};

/// A schema in which `a` is read first, `z` last, and `big` between them does not fit into any buffer.
fn fill(server: &Server, schema: &str) {
    server.run_sql(&format!(
        "CREATE DATABASE {schema}; USE {schema}; CREATE TABLE a (id INT PRIMARY KEY, v INT); INSERT INTO a VALUES (1, 1); \
         CREATE TABLE big (id INT PRIMARY KEY, t TEXT); \
         CREATE TABLE z (id INT PRIMARY KEY, v INT, w INT); INSERT INTO z VALUES (1, 1, 1); \
         CREATE VIEW looks AS SELECT id FROM z; \
         CREATE PROCEDURE does() SELECT 1; CREATE TRIGGER acts BEFORE INSERT ON z FOR EACH ROW SET NEW.v = 2"
    ));
}

fn server() -> Server {
    let server = Server::start(Options::default());
    fill(&server, "shop");
    server.run_sql("USE shop; INSERT INTO big SELECT seq, REPEAT('x', 1000) FROM seq_1_to_10000");
    server
}

/// A sink that does something once, when text of a section comes.
fn once_at<'h>(kind: SectionKind, name: &'h str, act: impl Fn() + Send + Sync + 'h) -> Sink<'h> {
    let done = AtomicBool::new(false);
    Sink::with(move |label| {
        if label.kind == kind && label.name == name && !done.swap(true, Ordering::SeqCst) {
            act();
        }
        Ok(())
    })
}

#[test]
fn a_snapshot_is_of_one_moment_and_stops_no_writer() {
    let server = server();
    let quick = "SET SESSION lock_wait_timeout = 2, innodb_lock_wait_timeout = 2; USE shop;";
    let sink = once_at(SectionKind::Table, "big", || {
        server.run_sql(&format!(
            "{quick} UPDATE a SET v = 8; UPDATE z SET v = 8; INSERT INTO z VALUES (9, 9, 9); DELETE FROM big"
        ));
    });
    let snapshot = Snapshot::open(&target(&server, "shop"), &Witness::default()).unwrap();
    server.run_sql(&format!("{quick} UPDATE a SET v = 7; INSERT INTO z VALUES (7, 7, 7)"));
    let facts = snapshot.dump(&sink, &Witness::default()).unwrap();

    assert_eq!(facts.rows, 10_002);
    let (text, rows) = sink.section(SectionKind::Table, "a");
    assert!(text.contains("\n(1,1);") && rows == Some(1), "{text}");
    let (text, rows) = sink.section(SectionKind::Table, "z");
    assert!(text.contains("\n(1,1,1);") && rows == Some(1), "{text}");
    assert_eq!(sink.section(SectionKind::Table, "big").1, Some(10_000));
}

#[test]
fn whatever_changes_a_schema_is_noticed() {
    let server = Server::start(Options::default());
    let changes = [
        "TRUNCATE z",
        "DROP TABLE z; CREATE TABLE z (id INT PRIMARY KEY, v INT, w INT)",
        "ALTER TABLE z FORCE",
        "CREATE TABLE y LIKE z; RENAME TABLE z TO x, y TO z",
        "DROP TABLE z",
        "RENAME TABLE z TO y",
        "ALTER TABLE z ADD COLUMN n INT DEFAULT 5, ALGORITHM=INSTANT",
        "ALTER TABLE z DROP COLUMN w, ALGORITHM=INSTANT",
        "ALTER TABLE z DROP COLUMN w, ALGORITHM=INSTANT; ALTER TABLE z ADD COLUMN w INT, ALGORITHM=INSTANT",
        "ALTER TABLE z MODIFY v BIGINT",
        "ALTER TABLE z ADD KEY (v)",
        "ALTER TABLE z COMMENT 'x', ALGORITHM=INSTANT",
        "CREATE TABLE n (a INT)",
        "CREATE OR REPLACE VIEW looks AS SELECT id, v FROM z",
        "DROP VIEW looks",
        "DROP PROCEDURE does",
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
        "DROP TRIGGER acts",
        "CREATE OR REPLACE TRIGGER acts BEFORE INSERT ON z FOR EACH ROW SET NEW.v = 3",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1",
        "ALTER DATABASE COLLATE utf8mb4_bin",
    ];
    let moments = [(SectionKind::Table, "a"), (SectionKind::End, "")];
    let cases: Vec<_> = moments.iter().flat_map(|moment| changes.map(|change| (*moment, change))).collect();
    (0..cases.len()).for_each(|case| fill(&server, &format!("shop{case}")));
    // The server tells by the second when a table was made.
    server.run_sql("DO SLEEP(1.1)");
    for (case, ((kind, name), change)) in cases.into_iter().enumerate() {
        let schema = format!("shop{case}");
        let sink = once_at(kind, name, || server.run_sql(&format!("USE {schema}; {change}")));
        let result = dump_into(&target(&server, &schema), &sink, &Witness::default());
        // TRUNCATE leaves no trace; once the table was read, there is no harm in it either.
        if change == "TRUNCATE z" && kind == SectionKind::End && result.is_ok() {
            continue;
        }
        let error = result.expect_err(change);
        assert!(error.is_worth_repeating(), "{change}: {error}");
    }
}

#[test]
fn a_table_can_be_altered_once_it_is_read() {
    let server = server();
    let sink = once_at(SectionKind::Table, "z", || {
        server.run_sql("SET SESSION lock_wait_timeout = 2; USE shop; ALTER TABLE a ADD COLUMN n INT");
    });
    // It is noticed, but nobody had to wait.
    let result = dump_into(&target(&server, "shop"), &sink, &Witness::default());
    assert!(matches!(result, Err(DatabaseError::SchemaChanged { .. })), "{result:?}");
}
