//! MySQL itself, where `scripts/fetch-servers` has unpacked it.

use undercroft_model::{TlsMode, Weight};
use undercroft_site::database::{DatabaseError, Snapshot, probe};
use undercroft_testkit::mysql;

use crate::compare::assert_same;
use crate::support::{Sink, Witness, dump, dump_into, target, target_of};

#[test]
fn everything_comes_back_on_mysql() {
    let Some(server) = mysql::start() else { return };
    server.run_sql("CREATE DATABASE shop; CREATE DATABASE copy");
    server.run_sql_in("shop", include_bytes!("mysql.sql"));
    let (sink, witness) = (Sink::default(), Witness::default());
    let facts = dump_into(&target(&server, "shop"), &sink, &witness).unwrap();
    assert_eq!(witness.told(Weight::Lost), Vec::<String>::new());
    assert_eq!((facts.tables, facts.views, facts.triggers, facts.routines, facts.events), (8, 2, 2, 2, 1));
    server.run_sql_in("copy", &sink.text());
    assert_same(&server, "shop", "copy");
    assert!(sink.text() == dump(&target(&server, "copy")));

    server.run_sql("CREATE DATABASE other");
    let witness = Witness::default();
    let snapshot = Snapshot::open(&target(&server, "shop"), &witness).unwrap();
    server.run_sql("USE shop; ALTER TABLE n DROP COLUMN b, ALGORITHM=INSTANT");
    let error = snapshot.dump(&Sink::default(), &witness).unwrap_err();
    assert!(error.is_worth_repeating(), "{error}");
}

#[test]
fn every_way_to_log_in_to_mysql_works() {
    let Some(server) = mysql::start() else { return };
    server.run_sql(
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT); CREATE ROLE keeper; GRANT ALL ON shop.* TO keeper; \
         CREATE USER u@'%' IDENTIFIED WITH caching_sha2_password BY 'pass word é'; GRANT keeper TO u@'%'; \
         SET DEFAULT ROLE keeper TO u@'%'; CREATE USER bare@'%'; GRANT ALL ON shop.* TO bare@'%'",
    );
    // The server forgets the password at FLUSH PRIVILEGES; until it has seen it, it wants it whole.
    for tls in [TlsMode::Off, TlsMode::Off, TlsMode::Unverified] {
        let mut target = target_of(&server, "shop", "u", "pass word é");
        target.tls = tls;
        let found = probe(&target).unwrap();
        assert_eq!((found.tables, found.missing.len()), (1, 0), "{:?}", found.missing);
        target.password = undercroft_model::Secret::new("wrong");
        assert!(matches!(probe(&target), Err(DatabaseError::Refused { code: 1045, .. })));
    }
    server.run_sql("FLUSH PRIVILEGES");
    let mut target = target_of(&server, "shop", "u", "pass word é");
    target.tls = TlsMode::Unverified;
    assert_eq!(probe(&target).unwrap().tables, 1);
    assert_eq!(probe(&target_of(&server, "shop", "bare", "")).unwrap().tables, 1);
}
