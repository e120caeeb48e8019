//! Several connections read one snapshot.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use undercroft_model::Silent;
use undercroft_site::database::Snapshot;
use undercroft_testkit::mariadb::{Options, Server, TRAPS};
use undercroft_vault::stream::SectionKind;

use crate::support::{Sink, Witness, dump, target, target_of};

const FOUR: Option<NonZeroUsize> = NonZeroUsize::new(4);

#[test]
fn the_text_is_the_same_however_many_read_it() {
    let server = Server::start(Options::default());
    server.run_sql("CREATE DATABASE traps COLLATE utf8mb4_unicode_ci");
    server.run_sql_in("traps", TRAPS);
    let sink = Sink::default();
    let snapshot = Snapshot::open_with(&target(&server, "traps"), FOUR, &Silent).unwrap();
    assert_eq!(snapshot.connections(), 4);
    snapshot.dump(&sink, &Witness::default()).unwrap();
    assert!(sink.text() == dump(&target(&server, "traps")));
}

#[test]
fn all_connections_see_one_moment() {
    let server = Server::start(Options::default());
    let of_each =
        |statement: &str| (0..8).map(|t| statement.replace('#', &t.to_string())).collect::<String>();
    let tables = of_each("CREATE TABLE t# (id INT PRIMARY KEY, v INT); INSERT INTO t# VALUES (1, 0); ");
    let updates = of_each("UPDATE t# SET v = v + 1; ");
    server.run_sql(&format!(
        "CREATE DATABASE shop; USE shop; {tables}\nDELIMITER //\n\
         CREATE PROCEDURE step() BEGIN START TRANSACTION; {updates} COMMIT; END//"
    ));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                server.run_sql_in("shop", "CALL step();".repeat(200).as_bytes());
            }
        });
        let mut shared = 0;
        for _ in 0..20 {
            let sink = Sink::default();
            let snapshot = Snapshot::open_with(&target(&server, "shop"), FOUR, &Silent).unwrap();
            shared += usize::from(snapshot.connections() == 4);
            snapshot.dump(&sink, &Witness::default()).unwrap();
            let row = |t: usize| {
                let (text, _) = sink.section(SectionKind::Table, &format!("t{t}"));
                text.lines().find(|line| line.starts_with("(1,")).unwrap().to_owned()
            };
            for t in 1..8 {
                assert_eq!(row(0), row(t));
            }
        }
        done.store(true, Ordering::SeqCst);
        assert!(shared > 0, "the lock was never had");
    });
}

#[test]
fn who_may_not_lock_or_would_have_to_wait_reads_alone() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY); \
         CREATE USER u@'%' IDENTIFIED BY 'x'; GRANT SELECT ON shop.* TO u@'%'",
    );
    let reader = target_of(&server, "shop", "u", "x");
    assert_eq!(Snapshot::open_with(&reader, FOUR, &Silent).unwrap().connections(), 1);

    // A transaction that wrote to a table holds it until it ends.
    let mut writer = server.client();
    writer.args(["--execute", "BEGIN; INSERT INTO shop.a VALUES (1); SELECT SLEEP(600)"]);
    let mut writer = writer.stderr(std::process::Stdio::null()).spawn().unwrap();
    while !server.query("SELECT STATE FROM information_schema.PROCESSLIST").contains("User sleep") {
        thread::yield_now();
    }
    let snapshot = Snapshot::open_with(&target(&server, "shop"), FOUR, &Silent).unwrap();
    assert_eq!(snapshot.connections(), 1);
    assert_eq!(snapshot.dump(&Sink::default(), &Witness::default()).unwrap().rows, 0);
    let writers = "SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'";
    server.run_sql(&format!("KILL {}", server.query(writers)));
    writer.wait().unwrap();
    while !server.query("SELECT COUNT(*) FROM information_schema.INNODB_TRX").starts_with('0') {
        thread::yield_now();
    }

    let snapshot = Snapshot::open_with(&target(&server, "shop"), FOUR, &Silent).unwrap();
    assert_eq!(snapshot.connections(), 2);
    // No lock is left behind.
    server.run_sql("SET SESSION lock_wait_timeout = 2; INSERT INTO shop.b VALUES (1)");
}
