//! A MySQL server of a test's own, where `scripts/fetch-servers` has unpacked one.

use std::path::Path;

use crate::mariadb::{Server, command, free_port, joined, told, user_argument, wait_for};
use crate::unpacked::{root, with_loader};

/// Starts an empty MySQL server; `None`, with a word to whoever reads the test's output, if there is none on
/// this machine.
///
/// # Panics
/// If there is one and it does not start.
pub fn start() -> Option<Server> {
    let root = root("mysql", "usr/sbin/mysqld")?;
    let folder = tempfile::Builder::new().prefix("mysql-").tempdir().expect("a temporary folder");
    let (socket, log) = (folder.path().join("s"), folder.path().join("log"));
    let port = free_port();

    let mut install = mysqld(&root, folder.path());
    install.arg("--initialize-insecure");
    let output = install.output().unwrap_or_else(|error| panic!("mysqld can't be run: {error}"));
    assert!(output.status.success(), "mysqld --initialize failed:\n{}", told(&output));

    let mut server = mysqld(&root, folder.path());
    server
        .arg(joined("--socket=", &socket))
        .arg(joined("--pid-file=", &folder.path().join("pid")))
        .arg(joined("--log-error=", &log))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--mysqlx=OFF", "--skip-log-bin"])
        .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF", "--max-allowed-packet=1G"])
        .arg("--performance-schema=OFF");
    let child = wait_for(server, &socket, &log).unwrap_or_else(|log| panic!("mysqld did not start:\n{log}"));
    let client = with_loader(&root, "usr/bin/mysql");
    Some(Server::of(child, socket, port, folder, client))
}

/// What MySQL's own `mysqldump` writes of a schema of such a server.
///
/// # Panics
/// If it can't be had; the message says why.
pub fn dump(server: &Server, schema: &str) -> Vec<u8> {
    let root = root("mysql", "usr/bin/mysqldump").expect("the server's programs");
    let mut dump = command(&with_loader(&root, "usr/bin/mysqldump"));
    dump.arg("--no-defaults").arg(joined("--socket=", server.socket())).arg("--user=root");
    dump.args(["--single-transaction", "--routines", "--events", "--triggers", "--hex-blob", schema]);
    let output = dump.output().unwrap_or_else(|error| panic!("mysqldump can't be run: {error}"));
    assert!(output.status.success(), "mysqldump failed:\n{}", told(&output));
    output.stdout
}

fn mysqld(root: &Path, folder: &Path) -> std::process::Command {
    let mut command = command(&with_loader(root, "usr/sbin/mysqld"));
    command
        .arg("--no-defaults")
        .arg(joined("--datadir=", &folder.join("data")))
        .arg(joined("--tmpdir=", folder))
        .arg(joined("--basedir=", &root.join("usr")))
        .arg(joined("--lc-messages-dir=", &root.join("usr/share/mysql")))
        .arg(joined("--character-sets-dir=", &root.join("usr/share/mysql/charsets")))
        .arg(joined("--plugin-dir=", &root.join("usr/lib/mysql/plugin")))
        .args(["--secure-file-priv=", "--innodb-use-native-aio=0"])
        .args(user_argument(folder));
    command
}
