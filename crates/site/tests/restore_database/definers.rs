//! Programs in the names of accounts that are not there.

use undercroft_site::database::restore::{Order, Way, plan};
use undercroft_testkit::mariadb::Server;

use crate::support::{Dump, ID, Told, assert_is, order, restore, server, target};

const MADE_ANEW: &str = "programs of nobody@nowhere are made in the name of the account that restores";

fn make(server: &Server, number: u32) {
    server.run_sql(&format!(
        "USE shop; CREATE TABLE IF NOT EXISTS t (a INT); DROP PROCEDURE IF EXISTS zz; DROP TRIGGER IF EXISTS tr; DROP EVENT IF
         EXISTS e; CREATE DEFINER=nobody@nowhere PROCEDURE zz() SELECT {number};
         CREATE DEFINER=nobody@nowhere TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = {number};
         CREATE DEFINER=nobody@nowhere EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO SELECT {number}"
    ));
}

fn definers(server: &Server) -> String {
    server.query(
        "SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop'
         UNION SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'
         UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'shop'",
    )
}

#[test]
fn a_definer_that_is_not_there_stays_where_it_is_that_or_was() {
    for way in [Way::Switch, Way::InPlace] {
        let server = server();
        server.run_sql("CREATE DATABASE shop");
        make(&server, 1);
        let (target, told) = (target(&server, "shop"), Told::default());
        let dump = Dump::of(&target);
        make(&server, 2);
        let before = Dump::of(&target);
        let forth = order(&target, &dump, &told);
        let back = Order { absent_is_removed: true, ..order(&target, &before, &told) };
        let notes = |order: &Order<'_>| plan(order, ID, None, way).unwrap().1.notes.join("\n");
        assert!(!notes(&forth).contains("nobody"), "{}", notes(&forth));
        restore(&forth, None, way).unwrap();
        assert_is(&server, "shop", &dump);
        restore(&back, None, way).unwrap();
        assert_is(&server, "shop", &before);

        // Where nothing is live of it, the account is gone for good; but not for a restore that is taken back.
        server.run_sql("USE shop; DROP PROCEDURE zz; DROP EVENT e; DROP TRIGGER tr");
        assert_eq!(told.all(), "");
        assert!(notes(&forth).contains(MADE_ANEW) && !notes(&back).contains(MADE_ANEW), "{}", notes(&forth));
        restore(&forth, None, way).unwrap();
        assert_eq!(definers(&server), "root@localhost\n");
        assert!(told.all().contains(MADE_ANEW), "{}", told.all());
        restore(&back, None, way).unwrap();
        assert_is(&server, "shop", &before);
    }
}
