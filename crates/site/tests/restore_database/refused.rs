//! What can't work is refused before anything is made, with what to do about it.

use undercroft_site::database::restore::{Order, RestoreError, Way, clean_up, prepare, stage, switch};
use undercroft_testkit::mariadb::{Options, Server, huge_row};

use crate::support::{
    Dump, ID, OLD, SCRATCH, Told, assert_nothing_left, order, restore, server, target, target_of,
};

/// A schema with a program in root's name, and an account that may do with this schema as it likes.
fn shop(server: &Server) -> Dump {
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one');
         CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = CONCAT(NEW.a, 'DEFINER=`root`@`localhost`');
         CREATE VIEW v AS SELECT * FROM t; CREATE FUNCTION f() RETURNS INT RETURN 1;
         CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO DELETE FROM t;
         CREATE USER keeper@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO keeper@'%';
         CREATE DATABASE other; CREATE TABLE other.t (id INT)",
    );
    Dump::of(&target(server, "shop"))
}

#[test]
fn a_missing_right_is_named_with_the_grant_that_gives_it() {
    let server = server();
    let dump = shop(&server);
    let (target, sayings) = (target_of(&server, "shop", "keeper"), Told::default());
    let order = order(&target, &dump, &sayings);
    let error = stage(&order, ID, None, Way::Switch).unwrap_err();
    assert!(matches!(error, RestoreError::MissingRights { .. }), "{error:?}");
    let told = error.to_string();
    assert!(
        told.contains("--in-place") && told.contains("the view v runs in the name of root@localhost"),
        "{told}"
    );
    let (_, grants) = told.split_once("given by: ").unwrap();
    assert_eq!(grants.matches("GRANT ").count(), 3, "{grants}");
    assert_eq!(grants.matches(" TO 'keeper'@'%';").count(), 3, "{grants}");
    let only = stage(&Order { may_lose: true, ..order }, ID, None, Way::Switch).unwrap_err();
    assert!(matches!(only, RestoreError::MissingRight { .. }), "{only:?}");

    // In place it works without, and programs are the account's own from then on. The function that is live is root's,
    // which the account can't read: it may be another than the one in the dump.
    let error = stage(&order, ID, None, Way::InPlace).unwrap_err();
    assert!(matches!(&error, RestoreError::WouldBeLost { what, .. } if what.len() == 1), "{error}");
    let order = Order { may_lose: true, ..order };
    server.run_sql("USE shop; DELETE FROM t; DROP VIEW v; CREATE TABLE extra (id INT)");
    restore(&order, None, Way::InPlace).unwrap();
    assert_eq!(server.query("SELECT * FROM shop.v"), "1\tone\n");
    assert_eq!(
        server.query("SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop'"),
        "keeper@%\n"
    );
    assert!(
        sayings.all().contains("programs of root@localhost are made in the name of the account"),
        "{}",
        sayings.all()
    );
    let trigger = server
        .query("SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'");
    assert!(trigger.contains("'DEFINER=`root`@`localhost`'"), "{trigger}");

    // With what the error says, it works by switching.
    server.run_sql(&format!("{grants} USE shop; DELETE FROM t; CREATE TABLE extra (id INT)"));
    let order = Order { may_lose: false, ..order };
    restore(&order, None, Way::Switch).unwrap();
    assert_eq!(server.query("SELECT * FROM shop.v"), "1\tone\n");
    assert_eq!(server.query("SHOW TABLES FROM shop"), "t\nv\n");
    assert_nothing_left(&server);

    server.run_sql("REVOKE ALL ON shop.* FROM keeper@'%'; GRANT SELECT ON shop.* TO keeper@'%'");
    let error = stage(&order, ID, None, Way::InPlace).unwrap_err();
    assert!(error.to_string().contains("GRANT INSERT, CREATE, DROP, ALTER, CREATE VIEW"), "{error}");
}

#[test]
fn a_row_longer_than_the_server_takes_is_refused_beforehand() {
    let large = server();
    large.run_sql("CREATE DATABASE shop");
    large.run_sql_in("shop", &huge_row(10));
    let dump = Dump::of(&target(&large, "shop"));
    drop(large);
    let small = Server::start(Options::default().with("--max-allowed-packet=16M"));
    small.run_sql("CREATE DATABASE shop");
    let (target, told) = (target(&small, "shop"), Told::default());
    let error = stage(&order(&target, &dump, &told), ID, None, Way::Switch).unwrap_err();
    assert!(matches!(error, RestoreError::RowTooLong { allowed: 16_777_216, .. }), "{error}");
}

#[test]
fn what_reaches_beyond_the_schema_is_not_obeyed() {
    let server = server();
    shop(&server);
    let (target, told) = (target(&server, "shop"), Told::default());
    let quiet = b"USE other;\nCREATE DATABASE evil;\nDROP DATABASE IF EXISTS other;\nSET GLOBAL max_connections = 7;\n\
                  CREATE TABLE `t` (id INT);\nINSERT INTO `t` VALUES (5);\n";
    let dump = Dump::foreign(quiet.to_vec());
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_eq!(server.query("SELECT * FROM shop.t; SELECT COUNT(*) FROM other.t"), "5\n0\n");
    assert_eq!(server.query("SHOW DATABASES LIKE 'evil'; SELECT @@max_connections = 7"), "0\n");
    for text in
        ["INSERT INTO other.t VALUES (1);", "DROP TABLE other.t;", "DELETE FROM t;", "GRANT ALL ON *.* TO x;"]
    {
        let dump = Dump::foreign(text.as_bytes().to_vec());
        let order = order(&target, &dump, &told);
        let staged = stage(&order, ID, None, Way::Switch).unwrap();
        assert!(matches!(prepare(&staged, &order), Err(RestoreError::Forbidden { .. })), "{text}");
        clean_up(&staged, &order).unwrap();
    }
    assert_eq!(server.query("SELECT COUNT(*) FROM other.t"), "0\n");
    assert_nothing_left(&server);
}

#[test]
fn anothers_schema_is_never_removed() {
    let server = server();
    let dump = shop(&server);
    let (target, told) = (target(&server, "shop"), Told::default());
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    for schema in [SCRATCH, OLD] {
        server.run_sql(&format!("CREATE DATABASE {schema}; CREATE TABLE {schema}.precious (id INT)"));
        let error = prepare(&staged, &order).and_then(|()| switch(&staged, &order)).unwrap_err();
        assert!(matches!(error, RestoreError::NotOurs { .. }), "{error}");
        assert!(matches!(clean_up(&staged, &order), Err(RestoreError::NotOurs { .. })));
        assert_eq!(server.query(&format!("SELECT COUNT(*) FROM {schema}.precious")), "0\n");
        server.run_sql(&format!("DROP DATABASE {schema}"));
        clean_up(&staged, &order).unwrap();
    }
    assert_nothing_left(&server);
}

#[test]
fn what_is_not_in_the_dump_or_not_whole_is_refused() {
    let server = server();
    let mut dump = shop(&server);
    let (target, told) = (target(&server, "shop"), Told::default());
    let error =
        stage(&order(&target, &dump, &told), ID, Some(&["nothing".to_owned()]), Way::Switch).unwrap_err();
    assert_eq!(error.to_string(), "the dump has no tables nothing");
    let error = stage(&order(&target, &dump, &told), ID, Some(&["v".to_owned()]), Way::Switch).unwrap_err();
    assert!(error.to_string().contains("a view can't be asked for by itself"), "{error}");
    let order_of = |dump: &Dump| {
        let order = order(&target, dump, &told);
        let staged = stage(&order, ID, None, Way::Switch).unwrap();
        let error = prepare(&staged, &order).unwrap_err();
        assert!(matches!(switch(&staged, &order), Err(RestoreError::NotPrepared { .. })));
        clean_up(&staged, &order).unwrap();
        error
    };
    let whole = dump.table("t").clone();
    *dump.table("t") =
        String::from_utf8(whole.clone()).unwrap().replace("(1,'one')", "(1,'one'),(2,'two')").into_bytes();
    assert!(matches!(order_of(&dump), RestoreError::Miscounted { expected: 1, found: 2, .. }));
    *dump.table("t") = whole[..whole.len() - 30].to_vec();
    assert!(matches!(order_of(&dump), RestoreError::Text { .. }));
    *dump.table("t") = whole;
    dump.texts.last_mut().unwrap().clear();
    assert!(matches!(order_of(&dump), RestoreError::Text { .. }));
    assert_nothing_left(&server);
}

/// An account that may do with a schema what most restores need, and a schema with a program of root's.
const KEPT: &str = "
    CREATE USER keeper@'%' IDENTIFIED BY 'secret'; GRANT ALL ON `undercroft\\_%`.* TO keeper@'%';
    GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, EXECUTE, LOCK TABLES ON shop.*
      TO keeper@'%';
    CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY, b TEXT); INSERT INTO a VALUES (1, 'one');";

/// What staging says to that account, once `sql` has run, and what it says to one that may lose what is there.
fn refusals(server: &Server, sql: &str) -> (Option<RestoreError>, Option<RestoreError>) {
    server.run_sql(KEPT);
    let dump = Dump::of(&target(server, "shop"));
    server.run_sql(&format!("USE shop; {sql}"));
    let (target, told) = (target_of(server, "shop", "keeper"), Told::default());
    let careful = order(&target, &dump, &told);
    let careless = Order { may_lose: true, ..careful };
    let staged = |order: &Order<'_>| stage(order, ID, None, Way::Switch).err();
    (staged(&careful), staged(&careless))
}

#[test]
fn rights_are_asked_for_that_what_is_live_needs() {
    let refused = refusals(&server(), "CREATE PROCEDURE p() SELECT 1");
    for error in [refused.0, refused.1].into_iter().flatten() {
        assert!(error.to_string().contains("GRANT CREATE ROUTINE, ALTER ROUTINE ON `shop`.*"), "{error}");
    }
    let refused =
        refusals(&server(), "GRANT SHOW VIEW ON shop.* TO keeper@'%'; CREATE VIEW v AS SELECT * FROM a");
    assert!(refused.1.unwrap().to_string().contains("GRANT CREATE VIEW ON `shop`.*"));
}

#[test]
fn what_can_not_be_read_or_made_again_is_not_removed_unasked() {
    let may = "GRANT CREATE ROUTINE, ALTER ROUTINE, EVENT ON shop.* TO keeper@'%';";
    let (careful, careless) =
        refusals(&server(), &format!("{may} CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1"));
    let error = careful.unwrap().to_string();
    assert!(
        error.contains("f: the function can't be read") && error.contains("--no-safety-backup"),
        "{error}"
    );
    assert!(careless.is_none(), "{careless:?}");

    let trigger = "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 'x'";
    let (careful, careless) = refusals(&server(), trigger);
    let error = careful.unwrap().to_string();
    assert!(error.contains("the trigger t runs in the name of root@localhost"), "{error}");
    assert!(careless.is_none(), "{careless:?}");
    let (careful, _) = refusals(&server(), &format!("GRANT SET USER ON *.* TO keeper@'%'; {trigger}"));
    assert!(careful.is_none(), "{careful:?}");
}

#[test]
fn a_binary_log_that_would_refuse_programs_is_noticed_beforehand() {
    let start = || Server::start(Options::default().with("--log-bin=bin").with("--server-id=1"));
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 'x';";
    let server = start();
    let (_, error) = refusals(&server, trigger);
    assert!(error.unwrap().to_string().contains("remove and make the trigger t: set log_bin_trust"));
    // One that is only in the dump would be refused after everything was loaded.
    let dump = Dump::of(&target(&server, "shop"));
    server.run_sql("DROP TRIGGER shop.t");
    let (account, told) = (target_of(&server, "shop", "keeper"), Told::default());
    let error = stage(&order(&account, &dump, &told), ID, None, Way::Switch).unwrap_err();
    assert!(matches!(error, RestoreError::BinaryLog { .. }), "{error}");
    server.run_sql("SET GLOBAL log_bin_trust_function_creators = 1");
    stage(&order(&account, &dump, &told), ID, None, Way::Switch).unwrap();

    // What was made when the server was less strict, nobody can make again.
    server.run_sql(
        "CREATE FUNCTION shop.f() RETURNS INT RETURN 1; SET GLOBAL log_bin_trust_function_creators = 0",
    );
    let root = target(&server, "shop");
    let error = stage(&order(&root, &dump, &told), ID, None, Way::Switch).unwrap_err();
    assert!(error.to_string().contains("the function f, which says neither DETERMINISTIC"), "{error}");
    server.run_sql("DROP FUNCTION shop.f");
    restore(&order(&root, &dump, &told), None, Way::Switch).unwrap();
}

#[test]
fn names_that_would_be_one_are_refused() {
    let theirs = server();
    theirs.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE Foo (id INT PRIMARY KEY); INSERT INTO Foo VALUES (1), (2);
         CREATE TABLE foo (id INT PRIMARY KEY); INSERT INTO foo VALUES (7)",
    );
    let dump = Dump::of(&target(&theirs, "shop"));
    drop(theirs);
    let server = Server::start(Options::default().with("--lower-case-table-names=1"));
    server.run_sql("CREATE DATABASE shop; CREATE TABLE shop.foo (id INT); INSERT INTO shop.foo VALUES (9)");
    let (target, told) = (target(&server, "shop"), Told::default());
    let error = stage(&order(&target, &dump, &told), ID, None, Way::Switch).unwrap_err();
    assert!(matches!(error, RestoreError::OneName { .. }), "{error}");
    // A dump from elsewhere does not say beforehand what is in it.
    let foreign = Dump::foreign(dump.texts.concat());
    let order_foreign = order(&target, &foreign, &told);
    let staged = stage(&order_foreign, ID, None, Way::Switch).unwrap();
    let error = prepare(&staged, &order_foreign).unwrap_err();
    assert!(matches!(error, RestoreError::OneName { .. }), "{error}");
    clean_up(&staged, &order_foreign).unwrap();
    // One of them takes the place of what has its name to the server.
    restore(&order(&target, &dump, &told), Some(&["Foo".to_owned()]), Way::Switch).unwrap();
    assert_eq!(server.query("SELECT * FROM shop.foo"), "1\n2\n");
    assert_nothing_left(&server);
}
