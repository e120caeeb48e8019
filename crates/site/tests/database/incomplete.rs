//! What can't be in a dump is told, and keeps nothing else out of it.

use undercroft_model::Weight;
use undercroft_site::database::Snapshot;
use undercroft_testkit::mariadb::{Options, Server};
use undercroft_vault::stream::SectionKind;

use crate::compare::assert_same;
use crate::support::{Sink, Witness, dump, dump_into, target, target_of};

#[test]
fn what_the_account_may_not_see_is_told_with_the_grant_that_mends_it() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t; \
         CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1; CREATE PROCEDURE p() SELECT 1; \
         CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1; \
         CREATE USER u@'%' IDENTIFIED BY 'x'; GRANT SELECT ON shop.* TO u@'%'",
    );
    let target = target_of(&server, "shop", "u", "x");
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target, &sink, &witness).unwrap();
    assert_eq!((facts.tables, facts.views, facts.triggers, facts.routines, facts.events), (1, 0, 0, 0, 0));
    let lost = witness.told(Weight::Lost);
    assert_eq!(lost.len(), 4, "{lost:#?}"); // triggers, events, routines and the view

    let grants = lost.iter().filter_map(|remark| remark.find("GRANT ").and_then(|place| remark.get(place..)));
    server.run_sql(&grants.collect::<Vec<_>>().join(";\n"));
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target, &sink, &witness).unwrap();
    assert_eq!(witness.told(Weight::Lost), Vec::<String>::new());
    assert_eq!((facts.tables, facts.views, facts.triggers, facts.routines, facts.events), (1, 1, 1, 1, 1));
}

#[test]
fn whoever_may_read_one_table_only_is_told_so() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT); CREATE TABLE hidden (a INT); \
         CREATE TABLE unreadable (a INT); CREATE USER u@'%' IDENTIFIED BY 'x'; \
         GRANT SELECT ON shop.t TO u@'%'; GRANT INSERT ON shop.unreadable TO u@'%'",
    );
    let witness = Witness::default();
    let facts = dump_into(&target_of(&server, "shop", "u", "x"), &Sink::default(), &witness).unwrap();
    let lost = witness.told(Weight::Lost).join("\n");
    assert!(lost.contains("all tables of the schema") && lost.contains("unreadable: its rows"), "{lost}");
    assert!(facts.tables >= 1 && facts.rows == 0);
}

#[test]
fn a_table_that_another_schemas_sequence_would_have_to_number_is_told() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE other; CREATE SEQUENCE other.s; CREATE SEQUENCE other.kept; CREATE DATABASE shop; USE shop;
         CREATE SEQUENCE gone; CREATE TABLE own (a INT DEFAULT NEXTVAL(gone)); CREATE TABLE good (a INT DEFAULT \
         NEXTVAL(other.kept)); CREATE TABLE t (a INT DEFAULT NEXTVAL(other.s)); DROP SEQUENCE other.s; DROP SEQUENCE gone",
    );
    let witness = Witness::default();
    dump_into(&target(&server, "shop"), &Sink::default(), &witness).unwrap();
    let lost = witness.told(Weight::Lost);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(
        lost[0].contains("t: it numbers its rows by the sequence other.s, which is not there"),
        "{lost:?}"
    );
}

#[test]
fn rights_that_come_by_a_role_count() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; CREATE ROLE keeper; GRANT ALL ON shop.* TO keeper; \
         CREATE USER u@'%' IDENTIFIED BY 'x'; GRANT keeper TO u@'%'; SET DEFAULT ROLE keeper FOR u@'%'",
    );
    let witness = Witness::default();
    dump_into(&target_of(&server, "shop", "u", "x"), &Sink::default(), &witness).unwrap();
    assert_eq!(witness.told(Weight::Lost), Vec::<String>::new());
}

#[test]
fn a_broken_view_costs_one_remark() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; CREATE DATABASE copy; USE shop; CREATE TABLE t (a INT); CREATE TABLE gone (a INT); \
         CREATE VIEW a_broken AS SELECT a FROM gone; CREATE VIEW b_on_broken AS SELECT a FROM a_broken; \
         CREATE VIEW c_good AS SELECT a FROM t; CREATE DEFINER=nobody@nowhere VIEW d_orphan AS SELECT a FROM t; \
         CREATE PROCEDURE p() SELECT 1; DROP TABLE gone",
    );
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target(&server, "shop"), &sink, &witness).unwrap();
    let lost = witness.told(Weight::Lost);
    assert_eq!(lost.len(), 3, "{lost:#?}");
    assert!(lost[0].starts_with("a_broken") && lost[1].starts_with("b_on_broken"), "{lost:#?}");
    assert!(lost[2].starts_with("d_orphan") && lost[2].contains("nobody"), "{lost:#?}");
    assert_eq!((facts.views, facts.routines), (1, 1));
    let (text, _) = sink.section(SectionKind::View, "a_broken");
    assert!(text.contains("\n-- CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost`"), "{text}");

    server.run_sql_in("copy", &sink.text());
    server.run_sql("USE shop; DROP VIEW a_broken, b_on_broken, d_orphan");
    assert_same(&server, "shop", "copy");
}

#[test]
fn a_table_that_can_not_be_read_costs_one_remark() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE a (a INT) ENGINE=MyISAM; CREATE TABLE b (a INT); \
         INSERT INTO b VALUES (1); FLUSH TABLES",
    );
    std::fs::remove_file(server.folder().join("data/shop/a.MYD")).unwrap();
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target(&server, "shop"), &sink, &witness).unwrap();
    let lost = witness.told(Weight::Lost);
    assert_eq!(lost.iter().filter(|remark| remark.starts_with("a: ")).count(), lost.len(), "{lost:#?}");
    assert!(!lost.is_empty());
    assert_eq!(facts.rows, 1);
    assert_eq!(sink.section(SectionKind::Table, "b").1, Some(1));
}

#[test]
fn tables_out_of_the_snapshot_or_without_rows_are_noted() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE cache_page (a INT); INSERT INTO cache_page VALUES (1); \
         CREATE TABLE old (a INT) ENGINE=MyISAM; CREATE TABLE t (a INT); INSERT INTO t VALUES (1); \
         CREATE TABLE both_of (a INT) ENGINE=MRG_MyISAM UNION=(old)",
    );
    std::fs::copy(server.folder().join("data/shop/t.frm"), server.folder().join("data/shop/#sql-1234_5.frm"))
        .unwrap();
    let mut target = target(&server, "shop");
    target.structure_only = vec!["cache_*".to_owned()];
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = Snapshot::open(&target, &witness).unwrap().dump(&sink, &witness).unwrap();
    assert_eq!((facts.tables, facts.rows), (4, 1));
    assert_eq!(sink.section(SectionKind::Table, "cache_page").1, None);
    let notes = witness.told(Weight::Note).join("\n");
    assert!(notes.contains("structure") && notes.contains(": cache_page"), "{notes}");
    assert!(notes.contains("lie elsewhere") && notes.contains(": both_of"), "{notes}");
    assert!(notes.contains("no snapshots") && notes.contains(": old"), "{notes}");
    assert_eq!(witness.told(Weight::Lost), Vec::<String>::new());
    assert!(witness.did("reading the table t"));
}

#[test]
fn two_dumps_are_the_same_text() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT PRIMARY KEY, b TEXT); \
         INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_5000; \
         CREATE PROCEDURE p() SELECT 1",
    );
    let first = dump(&target(&server, "shop"));
    // Time goes on, and what a read may move in the server moves.
    server.run_sql("DO SLEEP(1.1); FLUSH TABLES; USE shop; SELECT COUNT(*) FROM t INTO @a; CALL p()");
    assert!(first == dump(&target(&server, "shop")));
}

#[test]
fn text_that_is_not_in_its_character_set_is_kept_and_told() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; CREATE DATABASE copy; USE shop; \
         CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4) ENGINE=MyISAM; \
         CREATE TABLE bytes (id INT PRIMARY KEY, a VARBINARY(80)) ENGINE=MyISAM; \
         INSERT INTO bytes VALUES (1, 0x61FF62); INSERT INTO t VALUES (1, 'x'); FLUSH TABLES",
    );
    // The bytes of the one table below the definition of the other.
    for file in ["MYD", "MYI"] {
        let data = server.folder().join("data/shop");
        std::fs::copy(data.join(format!("bytes.{file}")), data.join(format!("t.{file}"))).unwrap();
    }
    let (sink, witness) = (Sink::default(), Witness::default());
    dump_into(&target(&server, "shop"), &sink, &witness).unwrap();
    assert!(sink.section(SectionKind::Table, "t").0.contains("(1,0x61FF62)"));
    let lost = witness.told(Weight::Lost);
    assert!(
        lost.len() == 1 && lost[0].starts_with("t: 1 values of its column a are not valid utf8mb4"),
        "{lost:?}"
    );
    server.run_sql_in("copy", &sink.text());
}

#[test]
fn a_choice_that_no_definition_can_show_is_told() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; CREATE TABLE shop.t (a ENUM('x', '😀') CHARACTER SET utf8mb4); \
         INSERT INTO shop.t VALUES ('x'), ('😀'), ('😀')",
    );
    let witness = Witness::default();
    dump_into(&target(&server, "shop"), &Sink::default(), &witness).unwrap();
    let lost = witness.told(Weight::Lost);
    assert!(lost.len() == 1 && lost[0].starts_with("t: 2 values of its column a are choices"), "{lost:?}");
}

#[test]
fn a_server_that_checks_no_rights_hides_nothing() {
    let server = Server::start(Options::default().with("--skip-grant-tables"));
    server.run_sql("CREATE DATABASE shop; CREATE TABLE shop.t (a INT)");
    let witness = Witness::default();
    dump_into(&target(&server, "shop"), &Sink::default(), &witness).unwrap();
    assert_eq!(witness.told(Weight::Lost), Vec::<String>::new());
}
