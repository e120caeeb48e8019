//! A restore that is stopped at any point leaves the schema as it was or as it is to be, and goes on in either
//! direction.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use undercroft_model::{DatabaseAddress, DatabaseTarget};
use undercroft_site::database::restore::{RestoreError, Way, clean_up, prepare, stage, switch, switch_back};
use undercroft_testkit::mariadb::Server;

use crate::support::{
    Dump, ID, OLD, SCRATCH, Told, assert_is, assert_nothing_left, order, restore, server, target,
};

const SHOP: &str = "
    CREATE DATABASE shop; USE shop; CREATE USER admin@'%' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO admin@'%';
    CREATE SEQUENCE numbers; CREATE TABLE a (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), b TEXT);
    INSERT INTO a VALUES (1, 'one'), (2, 'two');
    CREATE TABLE c (id INT PRIMARY KEY, a INT, CONSTRAINT has_a FOREIGN KEY (a) REFERENCES a (id)); INSERT INTO c VALUES (1, 1);
    CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.b = 'x'; CREATE VIEW v AS SELECT * FROM a;
    CREATE FUNCTION f() RETURNS INT RETURN 1;
    CREATE EVENT e ON SCHEDULE EVERY 1 YEAR STARTS '2035-01-01' DO DELETE FROM a;";
const SPOIL: &str = "
    USE shop; DELETE FROM c; DELETE FROM a; CREATE TABLE extra (id INT); INSERT INTO extra VALUES (9); DROP VIEW v;
    CREATE VIEW w AS SELECT * FROM extra; DROP TRIGGER t; CREATE TRIGGER u BEFORE UPDATE ON a FOR EACH ROW SET NEW.b = 'y';
    CREATE PROCEDURE p() SELECT 1; DROP FUNCTION f; DROP EVENT e; ALTER DATABASE COLLATE utf8mb4_bin";

/// The dump of a small shop, and that of what became of it, which is live.
fn shop() -> (Server, Dump, Dump) {
    let server = server();
    server.run_sql(SHOP);
    let dump = Dump::of(&target(&server, "shop"));
    server.run_sql(SPOIL);
    let live = Dump::of(&target(&server, "shop"));
    (server, dump, live)
}

/// Stands between a client and the server, and cuts all connections after so many things were said to the server,
/// as if the client had been killed. The last of them still arrives.
struct Cut {
    port: u16,
    closed: Arc<AtomicBool>,
}

impl Cut {
    fn after(server: &Server, limit: usize) -> Cut {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port());
        let closed = Arc::new(AtomicBool::new(false));
        let (said, is_closed) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&closed));
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_closed.load(Ordering::SeqCst) {
                    return;
                }
                let upstream = TcpStream::connect(("127.0.0.1", to)).unwrap();
                open.lock().unwrap().extend([client.try_clone().unwrap(), upstream.try_clone().unwrap()]);
                let (mut from, mut into) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut into));
                let (said, is_closed, open) = (Arc::clone(&said), Arc::clone(&is_closed), Arc::clone(&open));
                let (mut from, mut into) = (client, upstream);
                thread::spawn(move || {
                    let mut buffer = vec![0; 1 << 20];
                    while let Ok(len @ 1..) = from.read(&mut buffer) {
                        if is_closed.load(Ordering::SeqCst) || into.write_all(&buffer[..len]).is_err() {
                            return;
                        }
                        if said.fetch_add(1, Ordering::SeqCst) + 1 == limit {
                            is_closed.store(true, Ordering::SeqCst);
                            for stream in open.lock().unwrap().iter() {
                                let _ = stream.shutdown(std::net::Shutdown::Both);
                            }
                            return;
                        }
                    }
                    let _ = into.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Cut { port, closed }
    }

    fn target(&self, server: &Server) -> DatabaseTarget {
        DatabaseTarget {
            address: DatabaseAddress::Tcp("127.0.0.1".to_owned(), self.port),
            ..crate::support::target_of(server, "shop", "admin")
        }
    }

    fn was_cut(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Lets the listener look.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

#[test]
fn killed_while_preparing_nothing_has_changed() {
    let (server, dump, live) = shop();
    let (whole, told) = (target(&server, "shop"), Told::default());
    let order_now = order(&whole, &dump, &told);
    let staged = stage(&order_now, ID, None, Way::Switch).unwrap();
    for limit in (1..).step_by(7) {
        let cut = Cut::after(&server, limit);
        let through = cut.target(&server);
        let result = prepare(&staged, &order(&through, &dump, &told));
        assert_eq!(result.is_err(), cut.was_cut(), "{result:?}");
        clean_up(&staged, &order_now).unwrap();
        assert_is(&server, "shop", &live);
        if result.is_ok() {
            assert!(limit > 20, "only {limit} statements");
            return;
        }
    }
}

#[test]
fn killed_while_switching_it_goes_on_or_back() {
    let (server, dump, live) = shop();
    let (whole, told) = (target(&server, "shop"), Told::default());
    let order_now = order(&whole, &dump, &told);
    let staged = stage(&order_now, ID, None, Way::Switch).unwrap();
    let (mut half, mut limit) = (0, 0);
    for round in 1.. {
        // Every moment at first, where most is decided, and then some of them.
        limit += 1 + limit / 60;
        prepare(&staged, &order_now).unwrap();
        let cut = Cut::after(&server, limit);
        let through = cut.target(&server);
        let result = switch(&staged, &order(&through, &dump, &told));
        half += usize::from(matches!(result, Err(RestoreError::HalfSwitched { .. })));
        let is_done = result.is_ok() && !cut.was_cut();
        if round % 2 == 0 || is_done {
            switch(&staged, &order_now).unwrap();
        }
        if round % 4 != 2 {
            // Back, from halfway or from the end, itself cut and called again.
            let cut = Cut::after(&server, limit);
            let through = cut.target(&server);
            let _ = switch_back(&staged, &order(&through, &dump, &told));
            switch_back(&staged, &order_now).unwrap();
            clean_up(&staged, &order_now).unwrap();
            assert_is(&server, "shop", &live);
        } else {
            clean_up(&staged, &order_now).unwrap();
            assert_is(&server, "shop", &dump);
            server.run_sql(&format!("DROP DATABASE shop; CREATE DATABASE shop; USE shop; {}", spoilt()));
            assert_is(&server, "shop", &live);
        }
        if is_done {
            assert!(half > 20, "only {half} of {round}");
            return;
        }
    }
}

/// What makes the shop that is live, in a schema that is there.
fn spoilt() -> String {
    let (_, tables) = SHOP.split_once("TO admin@'%';").unwrap();
    format!("{tables}{SPOIL}")
}

#[test]
fn a_rename_that_the_server_left_half_done_is_finished_or_undone() {
    let (server, dump, live) = shop();
    let (whole, told) = (target(&server, "shop"), Told::default());
    let order = order(&whole, &dump, &told);
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    let halves =
        ["shop.a TO OLD.a", "shop.a TO OLD.a, shop.c TO OLD.c, shop.extra TO OLD.extra, SCRATCH.a TO shop.a"];
    for (half, forward) in halves.into_iter().flat_map(|half| [(half, false), (half, true)]) {
        prepare(&staged, &order).unwrap();
        switch(&staged, &order).unwrap();
        switch_back(&staged, &order).unwrap();
        // As the server is when it died within the statement: the phase is noted, triggers and views are gone.
        let journal = format!("{SCRATCH}.{SCRATCH}_journal");
        let half = half.replace("OLD", OLD).replace("SCRATCH", SCRATCH);
        server.run_sql(&format!(
            "INSERT INTO {journal} (part, name, body) VALUES ('phase', 'switching', ''); SET foreign_key_checks = 0;
             DROP TRIGGER shop.u; DROP VIEW shop.w; RENAME TABLE {half}"
        ));
        assert!(matches!(clean_up(&staged, &order), Err(RestoreError::HalfSwitched { .. })));
        if forward {
            switch(&staged, &order).unwrap()
        } else {
            switch_back(&staged, &order).unwrap()
        }
        if forward {
            switch_back(&staged, &order).unwrap();
        }
        clean_up(&staged, &order).unwrap();
        assert_is(&server, "shop", &live);
    }
}

#[test]
fn tables_that_others_hold_are_waited_for_and_the_holder_is_named() {
    let (server, dump, live) = shop();
    let mut holder = server.client();
    holder.args(["--database=shop", "--unbuffered"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    let mut says = holder.stdin.take().unwrap();
    says.write_all(b"BEGIN; SELECT * FROM extra;\n").unwrap();
    // The row that it read shows that it holds the table.
    let mut row = [0; 1];
    holder.stdout.as_mut().unwrap().read_exact(&mut row).unwrap();

    let (whole, told) = (target(&server, "shop"), Told::default());
    let order_now = order(&whole, &dump, &told);
    let staged = stage(&order_now, ID, None, Way::Switch).unwrap();
    prepare(&staged, &order_now).unwrap();
    let error = switch(&staged, &order_now).unwrap_err();
    assert!(error.is_worth_repeating() && matches!(error, RestoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("of root from localhost (sleep for"), "{error}");
    let says = Mutex::new(Some(says));
    let waits = Told {
        hook: Some(Box::new(move |what| {
            if what.starts_with("waiting for tables") {
                // The holder ends its transaction when it ends.
                says.lock().unwrap().take();
            }
        })),
        ..Told::default()
    };
    switch(&staged, &order(&whole, &dump, &waits)).unwrap();
    holder.wait().unwrap();
    switch_back(&staged, &order_now).unwrap();
    clean_up(&staged, &order_now).unwrap();
    assert_is(&server, "shop", &live);
}

#[test]
fn a_connection_that_is_killed_or_a_job_that_is_stopped_changes_nothing() {
    let (server, dump, live) = shop();
    let whole = target(&server, "shop");
    let killed = Told {
        hook: Some(Box::new(|what| {
            if what.starts_with("loading the table a") {
                server.kill_connections(SCRATCH);
            }
        })),
        ..Told::default()
    };
    let order_killed = order(&whole, &dump, &killed);
    let staged = stage(&order_killed, ID, None, Way::Switch).unwrap();
    assert!(prepare(&staged, &order_killed).is_err());
    let told = Told::default();
    let order_now = order(&whole, &dump, &told);
    clean_up(&staged, &order_now).unwrap();
    assert_is(&server, "shop", &live);

    told.cancelled.store(true, Ordering::SeqCst);
    assert!(matches!(prepare(&staged, &order_now), Err(RestoreError::Cancelled(_))));
    told.cancelled.store(false, Ordering::SeqCst);
    clean_up(&staged, &order_now).unwrap();
    assert_is(&server, "shop", &live);
}

#[test]
fn a_program_that_can_not_be_made_puts_everything_back() {
    let (server, mut dump, live) = shop();
    let text = String::from_utf8(dump.table("v").clone()).unwrap();
    *dump.table("v") = text.replace("from `a`", "from `nowhere`").into_bytes();
    let (whole, told) = (target(&server, "shop"), Told::default());
    let order = order(&whole, &dump, &told);
    let error = restore(&order, None, Way::Switch).unwrap_err();
    assert!(matches!(error, RestoreError::Refused { code: 1146, .. }), "{error}");
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    clean_up(&staged, &order).unwrap();
    assert_is(&server, "shop", &live);
    assert_nothing_left(&server);
}
