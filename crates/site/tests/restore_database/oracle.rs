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

#[test]
fn dumps_of_mysqldump_come_back() {
    let Some(server) = mysql::start() else { return };
    server.run_sql(
        "CREATE DATABASE shop COLLATE utf8mb4_bin; USE shop;
         CREATE TABLE parent (id INT NOT NULL AUTO_INCREMENT, code VARCHAR(9) NOT NULL, PRIMARY KEY (id), UNIQUE KEY code (code));
         CREATE TABLE child (id INT PRIMARY KEY, code VARCHAR(9), CONSTRAINT c FOREIGN KEY (code) REFERENCES parent (code));
         CREATE TABLE kinds (id INT PRIMARY KEY, a JSON, b BLOB, d DECIMAL(9, 3), e ENUM('x', 'y;'), f BIT(3), g POINT, h TEXT,
           i INT GENERATED ALWAYS AS (id + 1) STORED, j VARCHAR(20) INVISIBLE, KEY e (e), KEY d ((d + 1)), KEY h (h(9) DESC));
         CREATE TABLE parted (id INT PRIMARY KEY, a INT, KEY a (a)) PARTITION BY HASH (id) PARTITIONS 3;
         INSERT INTO parent VALUES (1, 'one'), (7, 'it''s;'); INSERT INTO child VALUES (1, 'one'), (2, NULL);
         INSERT INTO kinds (id, a, b, d, e, f, g, h, j) VALUES (1, '{\"a\": \"/* -- ;\"}', 0x00FF275C0A, 1.5, 'y;', b'101',
           POINT(1, 2), '\\\\ '';\\n-- x', 'seen');
         INSERT INTO parted VALUES (1, 2), (2, 3);
         CREATE VIEW v AS SELECT id, code FROM parent; CREATE TRIGGER t BEFORE INSERT ON child FOR EACH ROW SET NEW.id = NEW.id + 1;
         CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1; CREATE PROCEDURE p() SELECT ';';
         CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO DELETE FROM child",
    );
    let theirs = mysql::dump(&server, "shop");
    server.run_sql("CREATE DATABASE copy COLLATE utf8mb4_bin; CREATE DATABASE ours COLLATE utf8mb4_bin");
    server.run_sql_in("copy", &theirs);
    let (ours, told) = (target(&server, "ours"), Told::default());
    let dump = Dump::foreign(theirs);
    restore(&order(&ours, &dump, &told), None, Way::Switch).unwrap();
    let (copy, ours) = (Dump::of(&target(&server, "copy")), Dump::of(&ours));
    assert_eq!(ours.text().replace("`ours`", "`copy`"), copy.text());
    assert_eq!(ours.facts.contents, copy.facts.contents);
    assert!(copy.facts.rows >= 7, "{:?}", copy.facts);
    assert_nothing_left(&server);
}
