//! A MariaDB server of a test's own: in a temporary folder, on a free port of 127.0.0.1 and a unix socket.
//!
//! ```no_run
//! use undercroft_testkit::mariadb::{Options, Server};
//!
//! let server = Server::start(Options::default());
//! server.run_sql("CREATE DATABASE shop; CREATE USER editor@localhost IDENTIFIED BY 'secret'");
//! assert_eq!(server.query("SELECT 1 + 1"), "2\n");
//! ```
//!
//! Its binaries come from the packages `mariadb-server` and `mariadb-client` (`scripts/install-needs test`).
//! `root` has no password and may do everything, through the socket and through TCP. Nothing is synced to
//! the disk, so it starts in about a second and is worth one a test file rather than one a test.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// So long a server may take to start on a machine that is busy with other tests.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// SQL of a schema that holds every trap that dumps are known to fall into; for [`Server::run_sql_in`].
pub const TRAPS: &[u8] = include_bytes!("traps.sql");

/// SQL that makes a table `huge` with one row of so many million bytes of text, and as many of a BLOB.
pub fn huge_row(megabytes: usize) -> Vec<u8> {
    let mut sql =
        b"CREATE TABLE huge (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB);\nINSERT INTO huge VALUES (1, '"
            .to_vec();
    sql.extend(b"it\\'s a line\\n".iter().cycle().take(megabytes * 1_000_000 / 15 * 15));
    sql.extend_from_slice(b"', REPEAT(0xFF00275C, ");
    sql.extend_from_slice(format!("{} DIV 4));\n", megabytes * 1_000_000).as_bytes());
    sql
}

/// What a server is to be like, beside what is always so.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// More options of `mariadbd`, such as `--event-scheduler=ON` or `--max-allowed-packet=64M`.
    pub arguments: Vec<String>,
    /// Whether connections through TCP are refused.
    pub without_tcp: bool,
}

impl Options {
    /// Adds an option of `mariadbd`.
    #[must_use]
    pub fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }
}

/// A running server; stopped, and its folder removed, when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    socket: PathBuf,
    port: u16,
    folder: TempDir,
    /// What has to be run to have the client: its path, after what it has to be run with.
    client: Vec<OsString>,
}

impl Server {
    /// Makes an empty server and waits until it answers.
    ///
    /// # Panics
    /// If it can't be had; the message holds the end of its log.
    pub fn start(options: Options) -> Server {
        let folder = tempfile::Builder::new().prefix("mariadb-").tempdir().expect("a temporary folder");
        install(folder.path());
        for attempt in 1..=5 {
            match launch(&folder, &options) {
                Ok((child, socket, port)) => {
                    return Server { child, socket, port, folder, client: vec!["mariadb".into()] };
                }
                // Between the choice of a port and its use, another test may have taken it.
                Err(log) if attempt < 5 && log.contains("Address already in use") => {}
                Err(log) => panic!("mariadbd did not start:\n{log}"),
            }
        }
        unreachable!("the last attempt returns or panics")
    }

    /// A server that was started in another way.
    pub(crate) fn of(
        child: Child,
        socket: PathBuf,
        port: u16,
        folder: TempDir,
        client: Vec<OsString>,
    ) -> Server {
        Server { child, socket, port, folder, client }
    }

    /// Its unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that it lives in; `data` below it holds its tables.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The client `mariadb`, told how to reach this server as root: without table borders or column names,
    /// in utf8mb4, with room for rows of a gigabyte. Add a schema or `--execute`, or give it SQL on stdin.
    pub fn client(&self) -> Command {
        let mut command = self.command(&self.client);
        command.args(["--default-character-set=utf8mb4", "--max-allowed-packet=1G", "--batch"]);
        command.arg("--skip-column-names");
        command
    }

    /// Another of MariaDB's client programs, such as `mariadb-dump`, told how to reach this server as root.
    pub fn tool(&self, program: &str) -> Command {
        self.command(&[program.into()])
    }

    fn command(&self, program: &[OsString]) -> Command {
        let mut command = command(program);
        command.arg("--no-defaults").arg(joined("--socket=", &self.socket)).arg("--user=root");
        command
    }

    /// Runs statements through the client, as root and in no schema.
    ///
    /// # Panics
    /// If one of them fails; the message says why.
    pub fn run_sql(&self, sql: &str) {
        feed(self.client(), sql.as_bytes());
    }

    /// Runs statements through the client, as root and in a schema. They may be of any length.
    ///
    /// # Panics
    /// If one of them fails; the message says why.
    pub fn run_sql_in(&self, schema: &str, sql: &[u8]) {
        let mut client = self.client();
        client.arg(format!("--database={schema}"));
        feed(client, sql);
    }

    /// What statements give back: a line a row, columns parted by tabs, as `mariadb --batch --raw` prints.
    ///
    /// # Panics
    /// If one of them fails; the message says why.
    pub fn query(&self, sql: &str) -> String {
        let mut client = self.client();
        client.arg("--raw");
        String::from_utf8_lossy(&feed(client, sql.as_bytes()).stdout).into_owned()
    }

    /// Breaks every connection that is in a schema. One that ends by itself meanwhile is no trouble.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn kill_connections(&self, schema: &str) {
        let ids = format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{schema}' AND ID <> CONNECTION_ID()"
        );
        for id in self.query(&ids).lines() {
            // 1094: there is no such connection (any more).
            self.run_sql(&format!(
                "DELIMITER //\nBEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; KILL {id}; END//"
            ));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is nothing in it that should survive, so there is no need to let it tidy up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the system tables.
fn install(folder: &Path) {
    let mut command = Command::new("mariadb-install-db");
    command
        // Each server clears its kind's leftovers out of its temporary folder, also those still in use.
        .env("TMPDIR", folder)
        .arg("--no-defaults")
        .arg(joined("--datadir=", &folder.join("data")))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .args(["--innodb-flush-method=nosync", "--innodb-log-file-size=4M", "--innodb-use-native-aio=0"])
        .args(user_argument(folder));
    let output = command.output().unwrap_or_else(|error| panic!("mariadb-install-db can't be run: {error}"));
    assert!(output.status.success(), "mariadb-install-db failed:\n{}", told(&output));
}

/// Starts `mariadbd` and waits until its socket answers; gives its log if it doesn't.
fn launch(folder: &TempDir, options: &Options) -> Result<(Child, PathBuf, u16), String> {
    let folder = folder.path();
    let (socket, log) = (folder.join("s"), folder.join("log"));
    let port = free_port();
    let mut command = Command::new(server_binary());
    command
        .arg("--no-defaults")
        .arg(joined("--datadir=", &folder.join("data")))
        .arg(joined("--tmpdir=", folder))
        .arg(joined("--socket=", &socket))
        .arg(joined("--pid-file=", &folder.join("pid")))
        .arg(joined("--log-error=", &log))
        .args(user_argument(folder))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"])
        .arg(format!("--port={port}"))
        .arg(if options.without_tcp { "--skip-networking=1" } else { "--skip-networking=0" })
        .args(["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0"])
        .args(["--innodb-log-file-size=32M", "--innodb-buffer-pool-size=32M", "--innodb-doublewrite=0"])
        .args([
            "--innodb-use-native-aio=0",
            "--innodb-fast-shutdown=2",
            "--key-buffer-size=1M",
            "--aria-pagecache-buffer-size=8M",
        ])
        .args(["--performance-schema=OFF", "--max-allowed-packet=1G", "--character-set-server=utf8mb4"])
        .args(&options.arguments);
    Ok((wait_for(command, &socket, &log)?, socket, port))
}

/// Starts a server and waits until its socket answers; gives its log if it doesn't.
pub(crate) fn wait_for(mut command: Command, socket: &Path, log: &Path) -> Result<Child, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
    let patience = Instant::now() + START_PATIENCE;
    while UnixStream::connect(socket).is_err() {
        let gone = child.try_wait().expect("the server's state").is_some();
        if gone || Instant::now() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(fs::read_to_string(log).unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}

/// A program with what it has to be run with.
pub(crate) fn command(program: &[OsString]) -> Command {
    let (first, rest) = program.split_first().expect("a program");
    let mut command = Command::new(first);
    command.args(rest);
    command
}

/// Gives a client its input, and its output back.
pub(crate) fn feed(mut client: Command, input: &[u8]) -> Output {
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = client.spawn().unwrap_or_else(|error| panic!("the client can't be run: {error}"));
    let mut stdin = child.stdin.take().expect("the pipe that was asked for");
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // A client that stopped early says itself why.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("the client's output")
    });
    assert!(output.status.success(), "{client:?} failed:\n{}", told(&output));
    output
}

/// What a program said on stderr and stdout, at a length that a person reads.
pub(crate) fn told(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    text.chars().take(4000).collect()
}

/// Debian keeps servers in `sbin`, which is not on everybody's path.
fn server_binary() -> &'static str {
    if Path::new("/usr/sbin/mariadbd").exists() { "/usr/sbin/mariadbd" } else { "mariadbd" }
}

/// The server runs as root only if it is told that this is meant.
pub(crate) fn user_argument(folder: &Path) -> Option<&'static str> {
    let owner = fs::metadata(folder).expect("the folder that was just made").uid();
    (owner == 0).then_some("--user=root")
}

pub(crate) fn joined(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_leaves_nothing_behind() {
        let server = Server::start(Options::default().with("--max-connections=17"));
        server.run_sql("CREATE DATABASE shop; CREATE TABLE shop.t (a INT)");
        server.run_sql_in("shop", b"INSERT INTO t VALUES (1), (2)");
        assert_eq!(server.query("SELECT SUM(a), @@max_connections FROM shop.t"), "3\t17\n");
        assert_eq!(server.query(&format!("SELECT @@port = {}", server.port())), "1\n");

        let (folder, process) = (server.folder().to_owned(), server.child.id());
        drop(server);
        assert!(!folder.exists());
        assert!(!Path::new(&format!("/proc/{process}")).exists());
    }

    #[test]
    #[should_panic(expected = "doesn't exist")]
    fn a_statement_that_fails_fails_the_test() {
        Server::start(Options::default()).run_sql("SELECT * FROM mysql.nothing");
    }
}
