//! What was dumped comes back, whatever is live.

use undercroft_site::database::restore::{Order, Way, clean_up, plan, prepare, stage, switch, switch_back};
use undercroft_testkit::mariadb::{Server, huge_row};
use undercroft_testkit::{mysql, newer};

use crate::compare::described;
use crate::support::{
    Dump, ID, SCRATCH, Told, assert_is, assert_nothing_left, order, restore, server, target, target_of,
    with_traps,
};

/// Changes a schema in every way that a restore has to undo.
pub const SPOILT: &str = "
    DROP TABLE `select`; DELETE FROM texts; UPDATE watched SET note = 'changed'; DROP TABLE unique_key;
    CREATE TABLE extra (id INT PRIMARY KEY); INSERT INTO extra VALUES (1);
    CREATE TRIGGER extra_trigger BEFORE INSERT ON extra FOR EACH ROW SET NEW.id = 2;
    CREATE TRIGGER another BEFORE INSERT ON log FOR EACH ROW SET NEW.note = 'x';
    DROP TRIGGER first; DROP VIEW doubled; CREATE OR REPLACE VIEW zz_base AS SELECT id, note, 'another' AS face FROM watched;
    CREATE VIEW extra_view AS SELECT * FROM extra; CREATE TABLE doubled (id INT);
    DROP FUNCTION in_latin1; CREATE FUNCTION extra_function() RETURNS INT RETURN 1;
    DROP EVENT once; CREATE EVENT extra_event ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO SELECT 1;
    DROP SEQUENCE fresh; CREATE SEQUENCE extra_sequence; ALTER TABLE child DROP FOREIGN KEY `has parent`;
    ALTER DATABASE shop COLLATE utf8mb4_bin;";

fn spoil(server: &Server) {
    server.run_sql(&format!("USE shop; {SPOILT}"));
}

#[test]
fn everything_comes_back() {
    comes_back(server());
}

#[test]
fn everything_comes_back_on_a_newer_mariadb() {
    if let Some(server) = newer::start() {
        comes_back(server);
    }
}

fn comes_back(server: Server) {
    let (server, dump) = with_traps(server);
    let (before, target) = (described(&server, "shop"), target(&server, "shop"));
    let told = Told::default();
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_is(&server, "shop", &dump);
    spoil(&server);
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_is(&server, "shop", &dump);
    assert_eq!(described(&server, "shop"), before);
    let note = "merged: only its structure is in the backup: it comes back empty";
    assert_eq!(told.all(), format!("{note}\n{note}"));
}

#[test]
fn everything_comes_back_on_mysql() {
    let Some(server) = mysql::start() else { return };
    server.run_sql("CREATE DATABASE shop");
    server.run_sql_in("shop", include_bytes!("../database/mysql.sql"));
    let target = target(&server, "shop");
    let (dump, told) = (Dump::of(&target), Told::default());
    let staged = restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_is(&server, "shop", &dump);
    let order = order(&target, &dump, &told);
    prepare(&staged, &order).unwrap();
    switch(&staged, &order).unwrap();
    switch_back(&staged, &order).unwrap();
    clean_up(&staged, &order).unwrap();
    assert_is(&server, "shop", &dump);
}

#[test]
fn a_switch_is_taken_back() {
    let (server, dump) = with_traps(server());
    spoil(&server);
    let target = target(&server, "shop");
    let (spoilt, told) = (Dump::of(&target), Told::default());
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    assert_nothing_left(&server);
    prepare(&staged, &order).unwrap();
    for _ in 0..2 {
        switch(&staged, &order).unwrap();
        server.run_sql("CREATE TABLE shop.made_since (id INT)");
        switch_back(&staged, &order).unwrap();
        // Twice is as good as once.
        switch_back(&staged, &order).unwrap();
        server.run_sql("DROP TABLE shop.made_since");
    }
    clean_up(&staged, &order).unwrap();
    clean_up(&staged, &order).unwrap();
    assert_is(&server, "shop", &spoilt);
}

#[test]
fn one_table_comes_back_with_its_triggers_and_keys() {
    let (server, dump) = with_traps(server());
    let target = target(&server, "shop");
    let told = Told::default();
    let order = order(&target, &dump, &told);
    server.run_sql(
        "USE shop; DELETE FROM watched; DROP TRIGGER first; INSERT INTO log (note) VALUES ('stays')",
    );
    // Others refer to one of them, and the other refers to what is not restored.
    for name in ["watched", "parent", "child"] {
        restore(&order, Some(&[name.to_owned()]), Way::Switch).unwrap();
    }
    assert_eq!(server.query("SELECT COUNT(*) FROM shop.watched"), "1\n");
    server.run_sql("DELETE FROM shop.log WHERE note = 'stays' OR note LIKE 'back%'");
    assert_nothing_left(&server);
    let (now, then) = (Dump::of(&target), dump.text());
    let lines = |text: &str| {
        text.lines().filter(|line| !line.starts_with(") ENGINE=")).map(str::to_owned).collect::<Vec<_>>()
    };
    for (one, other) in lines(&now.text()).into_iter().zip(lines(&then)) {
        assert_eq!(one, other);
    }
    server.run_sql("USE shop; INSERT INTO child VALUES (2, 1)");
}

#[test]
fn in_place_it_comes_back_too() {
    let (server, dump) = with_traps(server());
    spoil(&server);
    let (target, told) = (target(&server, "shop"), Told::default());
    restore(&order(&target, &dump, &told), None, Way::InPlace).unwrap();
    assert_is(&server, "shop", &dump);
    server.run_sql("UPDATE shop.child SET parent = NULL");
    restore(&order(&target, &dump, &told), Some(&["child".to_owned()]), Way::InPlace).unwrap();
    assert_is(&server, "shop", &dump);
}

#[test]
fn in_place_it_waits_for_what_a_killed_one_still_loads() {
    let (server, dump) = with_traps(server());
    let load = "USE shop; BEGIN; UPDATE child SET parent = parent; DO SLEEP(3)";
    let mut killed = server.client().args(["-e", load]).spawn().unwrap();
    while server.query("SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'DO SLEEP(3)'")
        == "0\n"
    {
        std::thread::yield_now();
    }
    let (target, told) = (target(&server, "shop"), Told::default());
    restore(&order(&target, &dump, &told), None, Way::InPlace).unwrap();
    assert_is(&server, "shop", &dump);
    assert!(killed.wait().unwrap().success());
}

#[test]
fn a_huge_row_comes_back() {
    let server = server();
    server.run_sql("CREATE DATABASE shop");
    server.run_sql_in("shop", &huge_row(40));
    let (target, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::of(&target);
    server.run_sql("DELETE FROM shop.huge");
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    assert_eq!(Dump::of(&target).facts, dump.facts);
}

#[test]
fn a_plan_says_what_would_change() {
    let (server, dump) = with_traps(server());
    spoil(&server);
    let (target, told) = (target(&server, "shop"), Told::default());
    let order = order(&target, &dump, &told);
    let (staged, plan) = plan(&order, ID, None, Way::Switch).unwrap();
    assert_eq!((staged.scratch.as_str(), plan.views.0), (SCRATCH, dump.facts.views));
    let of = |wanted: &dyn Fn(&&undercroft_site::database::restore::PlannedTable) -> bool| {
        plan.tables.iter().filter(wanted).map(|table| table.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&|table| table.is_added()), ["fresh", "select", "unique_key"]);
    assert_eq!(of(&|table| table.is_removed()), ["doubled", "extra", "extra_sequence"]);
    assert!(plan.triggers.1 > 0 && plan.notes.iter().any(|note| note.contains("MB more")), "{plan:?}");
    assert_nothing_left(&server);
}

#[test]
fn a_plan_of_another_programs_dump_removes_nothing() {
    let server = server();
    server.run_sql("CREATE DATABASE shop; CREATE TABLE shop.t (a INT)");
    let (target, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::foreign(b"CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1);\n".to_vec());
    let (_, plan) = plan(&order(&target, &dump, &told), ID, None, Way::Switch).unwrap();
    assert!(plan.tables.is_empty() && plan.notes.iter().any(|note| note.contains("no list")), "{plan:?}");
}

#[test]
fn a_table_that_was_brought_back_is_removed_when_that_is_taken_back() {
    for way in [Way::Switch, Way::InPlace] {
        let server = server();
        server.run_sql(
            "CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY);
             INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); CREATE TABLE child (a INT, KEY key_a (a), CONSTRAINT has_a
             FOREIGN KEY (a) REFERENCES a (id))",
        );
        let (target, told) = (target(&server, "shop"), Told::default());
        let dump = Dump::of(&target);
        server.run_sql("SET foreign_key_checks = 0; USE shop; DROP TABLE a; UPDATE b SET id = 2");
        let before = Dump::of(&target);
        let only = ["a".to_owned(), "b".to_owned()];
        restore(&order(&target, &dump, &told), Some(&only), way).unwrap();
        assert_eq!(server.query("SELECT * FROM shop.a; SELECT * FROM shop.b"), "1\n1\n");

        let refused = stage(&order(&target, &before, &told), ID, Some(&only), way).unwrap_err();
        assert_eq!(refused.to_string(), "the dump has no tables a");
        let back = Order { absent_is_removed: true, ..order(&target, &before, &told) };
        let (_, plan) = plan(&back, ID, Some(&only), way).unwrap();
        assert!(plan.tables[0].is_removed() && plan.tables[0].name == "a", "{plan:?}");
        restore(&back, Some(&only), way).unwrap();
        assert_is(&server, "shop", &before);
        restore(&back, Some(&only[..1]), way).unwrap();
        assert_is(&server, "shop", &before);
    }
}

#[test]
fn what_was_written_while_it_was_prepared_is_told() {
    let server = server();
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY); INSERT INTO orders VALUES (1);
         CREATE TABLE quiet (id INT PRIMARY KEY); INSERT INTO quiet VALUES (1)",
    );
    let (target, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::of(&target);
    let order = order(&target, &dump, &told);
    // The server keeps whole seconds.
    server.run_sql("DO SLEEP(1.1)");
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    prepare(&staged, &order).unwrap();
    server.run_sql("DO SLEEP(1.1); INSERT INTO shop.orders VALUES (2)");
    switch(&staged, &order).unwrap();
    clean_up(&staged, &order).unwrap();
    let told = told.all();
    assert!(told.contains("does not have them: orders") && !told.contains("quiet"), "{told}");
}

#[test]
fn keys_of_other_schemas_refer_to_what_is_live() {
    let server = server();
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1);
         CREATE DATABASE other; USE other; CREATE TABLE k (a INT, KEY k_a (a), CONSTRAINT `to a` FOREIGN KEY (a)
           REFERENCES shop.a (id) ON DELETE CASCADE); INSERT INTO k VALUES (1);
         CREATE USER keeper@'%' IDENTIFIED BY 'secret'; GRANT SELECT, INSERT ON other.* TO keeper@'%';
         GRANT ALL ON shop.* TO keeper@'%'; GRANT ALL ON `undercroft\\_%`.* TO keeper@'%'",
    );
    let (whole, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::of(&whole);
    let keys = || server.query("SHOW CREATE TABLE other.k");
    let before = keys();
    let order_whole = order(&whole, &dump, &told);
    let staged = stage(&order_whole, ID, None, Way::Switch).unwrap();
    prepare(&staged, &order_whole).unwrap();
    for _ in 0..2 {
        switch(&staged, &order_whole).unwrap();
        assert_eq!(keys(), before);
        switch_back(&staged, &order_whole).unwrap();
        assert_eq!(keys(), before);
    }
    clean_up(&staged, &order_whole).unwrap();
    restore(&order_whole, Some(&["a".to_owned()]), Way::Switch).unwrap();
    assert_eq!(keys(), before);
    assert_is(&server, "shop", &dump);

    let account = target_of(&server, "shop", "keeper");
    let error = stage(&order(&account, &dump, &told), ID, None, Way::Switch).unwrap_err().to_string();
    assert!(
        error.contains("the foreign key to a of other.k refers to a") && error.contains("lacks ALTER"),
        "{error}"
    );
}

#[test]
fn rights_on_routines_stay_whether_or_not_the_routine_is_replaced() {
    for way in [Way::Switch, Way::InPlace] {
        let server = server();
        server.run_sql(
            "CREATE DATABASE shop; USE shop; CREATE PROCEDURE p() SELECT 1; CREATE FUNCTION f() RETURNS INT RETURN 1;
             CREATE USER keeper@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO keeper@'%';
             GRANT ALL ON `undercroft\\_%`.* TO keeper@'%'; CREATE USER reader@'%'",
        );
        let (whole, told) = (target(&server, "shop"), Told::default());
        let dump = Dump::of(&whole);
        server.run_sql(
            "USE shop; DROP PROCEDURE p; CREATE PROCEDURE p() SELECT 2; CREATE PROCEDURE q() SELECT 3;
             GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE p TO reader@'%' WITH GRANT OPTION;
             GRANT EXECUTE ON PROCEDURE q TO reader@'%'; GRANT EXECUTE ON FUNCTION f TO reader@'%'",
        );
        let granted = || server.query("SHOW GRANTS FOR reader@'%'");
        let before = granted();
        let order_whole = order(&whole, &dump, &told);
        let staged = stage(&order_whole, ID, None, way).unwrap();
        prepare(&staged, &order_whole).unwrap();
        switch(&staged, &order_whole).unwrap();
        let without_q: String =
            before.lines().filter(|line| !line.contains("`q`")).map(|line| format!("{line}\n")).collect();
        assert_eq!(granted(), without_q);
        if way == Way::Switch {
            switch_back(&staged, &order_whole).unwrap();
            assert_eq!(granted(), before);
            switch(&staged, &order_whole).unwrap();
        }
        clean_up(&staged, &order_whole).unwrap();
        assert_is(&server, "shop", &dump);
        assert_eq!(told.all(), "");

        // An account that may not know of them says so, where it matters.
        let account = target_of(&server, "shop", "keeper");
        server.run_sql("USE shop; DROP PROCEDURE p; CREATE DEFINER = keeper@'%' PROCEDURE p() SELECT 2");
        let order = Order { may_lose: true, ..order(&account, &dump, &told) };
        restore(&order, None, way).unwrap();
        let told = told.all();
        assert!(told.ends_with("may not read mysql.procs_priv: f, p"), "{told}");
    }
}
