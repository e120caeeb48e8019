//! Tables that others hold while a restore would switch them: it waits, and where it gives up, nothing has changed.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Mutex;

use undercroft_site::database::restore::{RestoreError, Way, clean_up, prepare, stage, switch, switch_back};
use undercroft_testkit::mariadb::Server;

use crate::support::{Dump, ID, Told, assert_is, order, server, target};

/// A connection that has read a table in a transaction that it leaves open.
struct Holder(Child, Option<ChildStdin>);

impl Holder {
    fn of(server: &Server, table: &str) -> Holder {
        let mut client = server.client();
        client.args(["--database=shop", "--unbuffered"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = client.spawn().unwrap();
        let mut says = child.stdin.take().unwrap();
        says.write_all(format!("BEGIN; SELECT COUNT(*) FROM {table};\n").as_bytes()).unwrap();
        // The answer shows that it holds the table.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
        Holder(child, Some(says))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.1.take();
        self.0.wait().unwrap();
    }
}

const SHOP: &str = "
    CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY, b TEXT); INSERT INTO a VALUES (1, 'one');
    CREATE TABLE c (id INT PRIMARY KEY, a INT, KEY c_a (a), CONSTRAINT has_a FOREIGN KEY (a) REFERENCES a (id));
    INSERT INTO c VALUES (1, 1); CREATE TABLE other (id INT PRIMARY KEY);
    CREATE TRIGGER first BEFORE INSERT ON a FOR EACH ROW SET NEW.b = CONCAT(NEW.b, 'x');
    CREATE TRIGGER second BEFORE INSERT ON a FOR EACH ROW SET NEW.b = CONCAT(NEW.b, 'y');
    CREATE TRIGGER of_other BEFORE INSERT ON other FOR EACH ROW SET NEW.id = NEW.id + 1;
    CREATE VIEW v AS SELECT * FROM a;";

/// The shop, its dump, and the dump of what it became.
fn shop() -> (Server, Dump, Dump) {
    let server = server();
    server.run_sql(SHOP);
    let dump = Dump::of(&target(&server, "shop"));
    server.run_sql("USE shop; UPDATE a SET b = 'two'; CREATE PROCEDURE p() SELECT 1");
    let live = Dump::of(&target(&server, "shop"));
    (server, dump, live)
}

/// What a site misses if it goes: triggers and views.
fn made(server: &Server) -> String {
    server.query(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop' ORDER BY 1;
         SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop'",
    )
}

/// A restore gives up since a table is held, the site missed nothing meanwhile, and it succeeds afterwards.
fn waits_and_gives_up(held: &str, only: Option<&[String]>) {
    let (server, dump, live) = shop();
    let before = made(&server);
    let holder = Holder::of(&server, held);
    let target = target(&server, "shop");
    let meanwhile = Mutex::new(Vec::new());
    let told = Told {
        hook: Some(Box::new(|what| {
            if what.starts_with("waiting for tables") {
                meanwhile.lock().unwrap().push(made(&server));
            }
        })),
        ..Told::default()
    };
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, only, Way::Switch).unwrap();
    prepare(&staged, &order).unwrap();
    let error = switch(&staged, &order).unwrap_err();
    assert!(matches!(error, RestoreError::Locked { .. }), "{error}");
    assert_eq!(*meanwhile.lock().unwrap(), [&*before; 4]);
    assert_eq!(made(&server), before);
    drop(holder);
    switch(&staged, &order).unwrap();
    assert_eq!(server.query("SELECT b FROM shop.a"), "one\n");
    switch_back(&staged, &order).unwrap();
    clean_up(&staged, &order).unwrap();
    assert_is(&server, "shop", &live);
}

#[test]
fn a_held_table_with_triggers_keeps_them() {
    waits_and_gives_up("a", None);
}

#[test]
fn another_held_table_keeps_all_triggers_and_views() {
    waits_and_gives_up("other", None);
}

#[test]
fn a_held_table_that_refers_to_the_one_that_comes_back_is_waited_for_before_anything_is_moved() {
    waits_and_gives_up("c", Some(&["a".to_owned()]));
}

#[test]
fn what_holds_a_table_after_the_switch_is_waited_for() {
    let (server, dump, live) = shop();
    let target = target(&server, "shop");
    let holder = Mutex::new(None);
    let told = Told {
        hook: Some(Box::new(|what| {
            if what.starts_with("making triggers") {
                holder.lock().unwrap().replace(Holder::of(&server, "other"));
            } else if what.starts_with("waiting for tables") {
                holder.lock().unwrap().take();
            }
        })),
        ..Told::default()
    };
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    prepare(&staged, &order).unwrap();
    switch(&staged, &order).unwrap();
    assert!(holder.lock().unwrap().is_none());
    assert_eq!(made(&server), "first\nof_other\nsecond\nv\n");
    switch_back(&staged, &order).unwrap();
    clean_up(&staged, &order).unwrap();
    assert_is(&server, "shop", &live);
}

#[test]
fn in_place_it_gives_up_before_anything_is_removed() {
    let (server, dump, live) = shop();
    let holder = Holder::of(&server, "other");
    let (target, told) = (target(&server, "shop"), Told::default());
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, None, Way::InPlace).unwrap();
    let error = switch(&staged, &order).unwrap_err();
    assert!(matches!(error, RestoreError::Locked { .. }), "{error}");
    assert_is(&server, "shop", &live);
    drop(holder);
    switch(&staged, &order).unwrap();
    assert_is(&server, "shop", &dump);
}
