//! Tables that number their rows by sequences (MariaDB), also by ones that are not there.

use uuid::Uuid;

use undercroft_site::database::restore::{
    Way, clean_up, plan, prepare, stage, switch, switch_back, test_restore,
};

use crate::support::{Dump, ID, Told, assert_is, assert_nothing_left, order, restore, server, target};

const TABLES: &str = "CREATE DATABASE shop; USE shop; CREATE SEQUENCE s; CREATE SEQUENCE two;
    CREATE TABLE p (id INT PRIMARY KEY); INSERT INTO p VALUES (1);
    CREATE TABLE t (id INT DEFAULT NEXTVAL(s), other INT DEFAULT NEXTVAL(two), v INT, KEY v (v), KEY id (id), CONSTRAINT has_p
      FOREIGN KEY (v) REFERENCES p (id)); INSERT INTO t (v) VALUES (1)";

#[test]
fn a_table_that_comes_back_alone_goes_on_with_the_live_sequence() {
    for way in [Way::Switch, Way::InPlace] {
        let server = server();
        server.run_sql(TABLES);
        let (target, told) = (target(&server, "shop"), Told::default());
        let dump = Dump::of(&target);
        server.run_sql(
            "USE shop; INSERT INTO t (v) VALUES (1); ALTER TABLE t DROP COLUMN other; DELETE FROM t",
        );
        let order = order(&target, &dump, &told);
        restore(&order, Some(&["t".to_owned()]), way).unwrap();
        let rows = "USE shop; INSERT INTO t (v) VALUES (1); SELECT id FROM t ORDER BY id";
        assert_eq!(server.query(rows), "1\n3\n");
        server.run_sql("USE shop; DELETE FROM t WHERE id = 3");
        // The sequences have gone on; the table is what it was.
        let shown = server.query("SHOW CREATE TABLE shop.t");
        assert!(shown.contains("nextval(`shop`.`s`)") && shown.contains("nextval(`shop`.`two`)"), "{shown}");
        assert_nothing_left(&server);
        restore(&order, None, way).unwrap();
        assert_is(&server, "shop", &dump);
        let (_, plan) = plan(&order, ID, None, way).unwrap();
        assert!(!plan.notes.iter().any(|note| note.contains("come back empty")), "{plan:?}");
    }
}

#[test]
fn a_table_whose_sequence_is_gone_comes_back_as_it_was() {
    for way in [Way::Switch, Way::InPlace] {
        let server = server();
        server.run_sql(&format!("{TABLES}; DROP SEQUENCE s"));
        let (target, told) = (target(&server, "shop"), Told::default());
        let dump = Dump::of(&target);
        assert!(dump.text().contains("nextval(`s`)"));
        let order = order(&target, &dump, &told);
        let shown = test_restore(&order, Uuid::from_u128(7)).unwrap();
        assert!(shown.is_good(), "{shown:?}");
        server.run_sql("USE shop; DROP TABLE t; CREATE SEQUENCE s");
        let spoilt = Dump::of(&target);
        if way == Way::Switch {
            let staged = stage(&order, ID, None, way).unwrap();
            prepare(&staged, &order).unwrap();
            switch(&staged, &order).unwrap();
            switch_back(&staged, &order).unwrap();
            clean_up(&staged, &order).unwrap();
            assert_is(&server, "shop", &spoilt);
        }
        restore(&order, None, way).unwrap();
        assert_is(&server, "shop", &dump);
        restore(&order, Some(&["t".to_owned()]), way).unwrap();
        assert_is(&server, "shop", &dump);
    }
}
