//! A test restore shows that a dump is what was captured, or that it is not.

use undercroft_site::database::restore::{TestRestore, test_clean_up, test_restore};
use undercroft_testkit::{mysql, newer};

use crate::support::{Dump, ID, Told, assert_is, assert_nothing_left, order, server, target, with_traps};

fn assert_proven(dump: &Dump, shown: &TestRestore) {
    assert_eq!(shown.differences, Vec::<String>::new());
    assert!(shown.is_good());
    assert_eq!(shown.tables, dump.facts.tables);
    assert_eq!(shown.compared, dump.facts.contents.len() as u64);
    assert_eq!(shown.rows, dump.facts.rows);
}

#[test]
fn every_trap_is_proven() {
    let mut servers = vec![server()];
    servers.extend(newer::start());
    for server in servers {
        let (server, dump) = with_traps(server);
        let (target, told) = (target(&server, "shop"), Told::default());
        let shown = test_restore(&order(&target, &dump, &told), ID).unwrap();
        assert_proven(&dump, &shown);
        assert!(shown.definitions > dump.facts.tables, "{shown:?}");
        assert_eq!(shown.notes, ["of these tables only the structure is in the backup: merged"]);
        assert_is(&server, "shop", &dump);
    }
}

#[test]
fn mysql_is_proven() {
    let Some(server) = mysql::start() else { return };
    server.run_sql("CREATE DATABASE shop");
    server.run_sql_in("shop", include_bytes!("../database/mysql.sql"));
    let (target, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::of(&target);
    let shown = test_restore(&order(&target, &dump, &told), ID).unwrap();
    assert_proven(&dump, &shown);
    assert_is(&server, "shop", &dump);
}

fn replaced(text: &mut Vec<u8>, from: &str, to: &str) {
    let old = String::from_utf8_lossy(text).into_owned();
    assert!(old.contains(from), "{from} is not in {old}");
    *text = old.replacen(from, to, 1).into_bytes();
}

#[test]
fn what_is_not_as_it_was_captured_is_told() {
    let (server, mut dump) = with_traps(server());
    replaced(dump.table("watched"), "there before", "there after");
    replaced(dump.table("watched"), "NEW.note = 'x'", "NEW.note = 'y'");
    replaced(dump.table("no_key"), "(1,'x'),\n", "");
    replaced(dump.table("prefix_key"), "varchar(200)", "varchar(201)");
    // A table that the backup's facts know nothing of is compared as far as can be.
    dump.facts.contents.retain(|content| content.table != "select");
    replaced(dump.table("select"), "(1,1)", "(1,2)");
    let (target, told) = (target(&server, "shop"), Told::default());
    let shown = test_restore(&order(&target, &dump, &told), ID).unwrap();
    // The definitions are taken from the dump itself, so what changed there is seen by its rows alone.
    assert_eq!(
        shown.differences,
        [
            "the table no_key has 2 rows, and 3 were captured",
            "the 1 rows of the table watched are not the 1 that were captured: a value is another",
        ]
    );
    assert!(shown.notes.iter().any(|note| note.starts_with("of 1 tables the backup keeps no sum")));
    assert_nothing_left(&server);
}

#[test]
fn a_test_restore_that_failed_leaves_nothing() {
    let (server, mut dump) = with_traps(server());
    replaced(dump.table("watched"), "INSERT INTO `watched` VALUES", "INSERT INTO `watched` VALUES\n(1,2,3),");
    let (target, told) = (target(&server, "shop"), Told::default());
    let error = test_restore(&order(&target, &dump, &told), ID).unwrap_err().to_string();
    assert!(error.contains("the table watched") && error.contains("INSERT INTO watched …"), "{error}");
    assert!(!error.contains("there before"), "{error}");
    test_clean_up(&order(&target, &dump, &told), ID).unwrap();
    assert_nothing_left(&server);
}
