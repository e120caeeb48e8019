//! What can't be had is told: clearly, at once, and without anybody's secrets.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use undercroft_model::{DatabaseAddress, Silent, TlsMode};
use undercroft_site::database::{DatabaseError, Snapshot, probe};
use undercroft_testkit::mariadb::{Options, Server};

use crate::support::{Sink, Witness, dump_into, target, target_of};

/// A table that does not fit into any buffer on the way.
const BIG: &str = "CREATE DATABASE shop; USE shop; CREATE TABLE big (id INT PRIMARY KEY, t LONGTEXT); \
                   INSERT INTO big SELECT seq, REPEAT('x', 10000) FROM seq_1_to_3000";

#[test]
fn what_is_wrong_with_the_address_or_the_account_is_said() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; CREATE DATABASE other; CREATE USER u@'%' IDENTIFIED BY 'right'; \
         GRANT SELECT ON shop.* TO u@'%'",
    );
    let open = |target| Snapshot::open(&target, &Silent).map(|_| ()).unwrap_err();

    let error = open(target_of(&server, "shop", "u", "hunter2"));
    assert!(matches!(&error, DatabaseError::Refused { user, code: 1045, .. } if user == "u"), "{error}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2") && text.contains(&format!("127.0.0.1:{}", server.port())), "{text}");

    for schema in ["nothing", "other"] {
        let error = open(target_of(&server, schema, "u", "right"));
        assert!(
            matches!(&error, DatabaseError::NoSchema { schema: named, .. } if named == schema),
            "{error}"
        );
    }
    let error = open(target(&server, "nothing"));
    assert!(matches!(error, DatabaseError::NoSchema { code: 1049, .. }), "{error}");
    assert!(error.to_string().contains("it is not there: make it with CREATE DATABASE `"), "{error}");

    let mut nowhere = target_of(&server, "shop", "u", "right");
    nowhere.tls = TlsMode::Unverified;
    let error = open(nowhere.clone());
    assert!(matches!(error, DatabaseError::Tls { .. }), "{error}");
    nowhere.address = DatabaseAddress::Socket(server.folder().join("no socket"));
    assert!(open(nowhere.clone()).to_string().contains("no socket"));
    let port = server.port();
    drop(server);
    nowhere.address = DatabaseAddress::Tcp("127.0.0.1".to_owned(), port);
    assert!(matches!(open(nowhere), DatabaseError::Unreachable { .. }));
}

#[test]
fn what_is_no_database_server_is_said() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\nnothing to see here, go away\r\n")
    });
    let server = Server::start(Options::default());
    let mut target = target(&server, "shop");
    target.address = DatabaseAddress::Tcp("127.0.0.1".to_owned(), port);
    let error = Snapshot::open(&target, &Silent).map(|_| ()).unwrap_err();
    answer.join().unwrap().unwrap();
    assert!(matches!(error, DatabaseError::Garbled { .. } | DatabaseError::Broken { .. }), "{error}");
}

#[test]
fn every_way_to_log_in_works() {
    let server = Server::start(Options::default());
    server.run_sql(
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT); \
         CREATE USER native@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('pass word é'); \
         CREATE USER empty@'%'; GRANT ALL ON shop.* TO native@'%', empty@'%'",
    );
    let mut users = vec![("native", "pass word é"), ("empty", "")];
    let plugins = server.query("SELECT @@plugin_dir");
    if std::path::Path::new(plugins.trim()).join("auth_ed25519.so").exists() {
        server.run_sql(
            "INSTALL SONAME 'auth_ed25519'; \
             CREATE USER edwards@'%' IDENTIFIED VIA ed25519 USING PASSWORD('pass word é'); \
             GRANT ALL ON shop.* TO edwards@'%'",
        );
        users.push(("edwards", "pass word é"));
    } else {
        eprintln!("skipped: logging in by ed25519, whose plugin is in the package mariadb-server");
    }
    for (user, password) in users {
        let found = probe(&target_of(&server, "shop", user, password)).unwrap();
        assert_eq!((found.tables, &*found.schema), (1, "shop"));
        assert!(found.missing.is_empty() && found.server.to_string().starts_with("MariaDB 10."));
        let wrong = probe(&target_of(&server, "shop", user, "wrong")).unwrap_err();
        assert!(matches!(wrong, DatabaseError::Refused { code: 1045, .. }), "{wrong}");
    }
    if std::fs::metadata(server.folder())
        .is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == 0)
    {
        server.run_sql("ALTER USER root@localhost IDENTIFIED VIA unix_socket");
        assert!(probe(&target(&server, "shop")).is_ok());
    }
}

#[test]
fn a_connection_that_breaks_is_an_error() {
    let server = Server::start(Options::default());
    server.run_sql(BIG);
    let writes = AtomicU32::new(0);
    let sink = Sink::with(|_| {
        if writes.fetch_add(1, Ordering::SeqCst) == 3 {
            server.kill_connections("shop");
        }
        Ok(())
    });
    let error = dump_into(&target(&server, "shop"), &sink, &Witness::default()).unwrap_err();
    assert!(
        matches!(&error, DatabaseError::Broken { doing, .. } | DatabaseError::Statement { doing, .. }
            if doing == "reading the table big"),
        "{error:?}"
    );
    assert!(!error.is_worth_repeating());
}

#[test]
fn a_slow_store_cuts_nothing() {
    let options = ["--net-write-timeout=1", "--wait-timeout=1", "--idle-transaction-timeout=1"];
    let server =
        Server::start(options.iter().fold(Options::default(), |options, option| options.with(option)));
    server.run_sql(BIG);
    let writes = AtomicU32::new(0);
    let sink = Sink::with(|_| {
        // Once while nothing is asked of the server, once while it waits to send more.
        if matches!(writes.fetch_add(1, Ordering::SeqCst), 0 | 4) {
            thread::sleep(Duration::from_secs(4));
        }
        Ok(())
    });
    let facts = dump_into(&target(&server, "shop"), &sink, &Witness::default()).unwrap();
    assert_eq!(facts.rows, 3000);
}

#[test]
fn a_job_that_is_called_off_stops() {
    let server = Server::start(Options::default());
    server.run_sql(BIG);
    let witness = Witness::default();
    let writes = AtomicU32::new(0);
    let sink = Sink::with(|_| {
        witness.cancelled.store(writes.fetch_add(1, Ordering::SeqCst) >= 3, Ordering::SeqCst);
        Ok(())
    });
    let error = dump_into(&target(&server, "shop"), &sink, &witness).unwrap_err();
    assert!(matches!(error, DatabaseError::Cancelled(_)), "{error}");
    assert!(writes.load(Ordering::SeqCst) < 60, "it went on for {writes:?} writes");

    // Also while the server says nothing, here since somebody locked a table.
    let mut locker = server.client();
    locker.args(["--execute", "LOCK TABLES shop.big WRITE; SELECT SLEEP(600)"]);
    let mut locker = locker.stderr(std::process::Stdio::null()).spawn().unwrap();
    while !server.query("SELECT STATE FROM information_schema.PROCESSLIST").contains("User sleep") {
        thread::yield_now();
    }
    let witness = Witness::default();
    let error = thread::scope(|scope| {
        let dumping = scope.spawn(|| dump_into(&target(&server, "shop"), &Sink::default(), &witness));
        while !server.query("SELECT STATE FROM information_schema.PROCESSLIST").contains("Waiting for table")
        {
            assert!(!dumping.is_finished(), "it did not wait for the lock");
        }
        witness.cancelled.store(true, Ordering::SeqCst);
        dumping.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, DatabaseError::Cancelled(_)), "{error}");
    locker.kill().unwrap();
    locker.wait().unwrap();
}

#[test]
fn a_sink_that_fails_ends_the_dump() {
    let server = Server::start(Options::default());
    server.run_sql(BIG);
    let sink = Sink::with(|label| match &*label.name {
        "big" => Err(io::Error::other("the disk is full")),
        _ => Ok(()),
    });
    let error = dump_into(&target(&server, "shop"), &sink, &Witness::default()).unwrap_err();
    assert!(matches!(&error, DatabaseError::Sink { source, .. } if source.to_string() == "the disk is full"));
}
