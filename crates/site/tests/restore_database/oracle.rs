//! What the servers' own dump programs write comes back as it would through their own clients.

use undercroft_site::database::restore::Way;
use undercroft_testkit::mariadb::Server;
use undercroft_testkit::{mysql, newer};

use crate::compare::assert_same;
use crate::support::{Dump, Told, assert_nothing_left, order, restore, server, target, with_traps};

fn dumped(server: &Server, options: &[&str]) -> Vec<u8> {
    let output = server.tool("mariadb-dump").args(options).output().unwrap();
    assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

const ALL: [&str; 8] = [
    "--single-transaction",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--force",
    "--skip-add-locks",
];

fn comes_back(server: &Server, theirs: Vec<u8>) {
    server.run_sql(
        "CREATE DATABASE copy COLLATE utf8mb4_unicode_ci; CREATE DATABASE ours COLLATE utf8mb4_unicode_ci",
    );
    server.run_sql_in("copy", &theirs);
    let (target, told) = (target(server, "ours"), Told::default());
    let dump = Dump::foreign(theirs);
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_same(server, "copy", "ours");
    assert_nothing_left(server);
}

#[test]
fn dumps_of_mariadb_dump_come_back() {
    let (server, _) = with_traps(server());
    // Two traps that mariadb-dump itself can't get out of, as in the tests of our dumps.
    server.run_sql("USE shop; DROP VIEW doubled, `a view`");
    let theirs = dumped(&server, &[&ALL[..], &["--dump-history", "shop"]].concat());
    comes_back(&server, theirs);
}

#[test]
fn dumps_of_a_newer_mariadb_come_back_on_an_older_one() {
    let Some(newer) = newer::start() else { return };
    newer.run_sql("CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_uca1400_ai_ci; USE shop;
                   CREATE TABLE t (a VARCHAR(40) COLLATE utf8mb4_uca1400_ai_ci DEFAULT 'utf8mb4_uca1400_ai_ci');
                   INSERT INTO t VALUES ('utf8mb4_uca1400_ai_ci'); CREATE VIEW v AS SELECT a FROM t");
    let dump = Dump::of(&target(&newer, "shop"));
    drop(newer);
    let older = server();
    older.run_sql("CREATE DATABASE shop");
    let (target, told) = (target(&older, "shop"), Told::default());
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_eq!(older.query("SELECT * FROM shop.v; INSERT INTO shop.t VALUES (DEFAULT); SELECT COUNT(*) FROM shop.t WHERE a = 'utf8mb4_uca1400_ai_ci'"),
               "utf8mb4_uca1400_ai_ci\n2\n");
}

#[test]
fn dumps_of_mysql_come_back_on_mariadb() {
    let Some(theirs) = mysql::start() else { return };
    theirs.run_sql(
        "CREATE DATABASE shop; CREATE USER gone@'%'; USE shop;
                    CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20)); INSERT INTO t VALUES (1, 'one');
                    CREATE DEFINER=gone@'%' TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'x'",
    );
    let dump = Dump::of(&target(&theirs, "shop"));
    assert!(dump.text().contains("utf8mb4_0900_ai_ci"));
    drop(theirs);
    let server = server();
    server.run_sql("CREATE DATABASE shop");
    let (target, told) = (target(&server, "shop"), Told::default());
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert!(told.all().contains("does not know the collation utf8mb4_0900_ai_ci"), "{}", told.all());
    assert!(told.all().contains("programs of gone@%"), "{}", told.all());
    server.run_sql("INSERT INTO shop.t VALUES (2, 'two')");
    assert_eq!(server.query("SELECT * FROM shop.t"), "1\tone\n2\tx\n");
    assert_nothing_left(&server);
}
