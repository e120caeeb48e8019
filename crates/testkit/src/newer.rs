//! A newer MariaDB server of a test's own, where `scripts/fetch-servers` has unpacked one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::mariadb::{Server, command, feed, free_port, joined, user_argument, wait_for};
use crate::unpacked::{root, with_loader};

/// Starts an empty server of a newer MariaDB; `None`, with a word to whoever reads the test's output, if there is
/// none on this machine.
///
/// # Panics
/// If there is one and it does not start.
pub fn start() -> Option<Server> {
    let root = root("mariadb", "usr/sbin/mariadbd")?;
    let folder = tempfile::Builder::new().prefix("mariadb-").tempdir().expect("a temporary folder");
    let (socket, log) = (folder.path().join("s"), folder.path().join("log"));
    let port = free_port();
    fs::create_dir(folder.path().join("data")).expect("a folder in the one that was just made");
    let mut install = mariadbd(&root, folder.path());
    install.arg("--bootstrap");
    feed(install, &system_tables(&root));

    let mut server = mariadbd(&root, folder.path());
    server
        .arg(joined("--socket=", &socket))
        .arg(joined("--pid-file=", &folder.path().join("pid")))
        .arg(joined("--log-error=", &log))
        .arg(format!("--port={port}"))
        .args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--max-allowed-packet=1G",
        ])
        .args(["--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4"]);
    let child =
        wait_for(server, &socket, &log).unwrap_or_else(|log| panic!("mariadbd did not start:\n{log}"));
    let client = with_loader(&root, "usr/bin/mariadb");
    Some(Server::of(child, socket, port, folder, client))
}

/// What `mariadb-install-db` feeds to a new server: that script finds its programs only where they are installed.
fn system_tables(root: &Path) -> Vec<u8> {
    let mut sql =
        b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL, @skip_auth_anonymous=1;\n".to_vec();
    for name in
        ["mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql"]
    {
        let path = share(root).join(name);
        sql.extend(
            fs::read(&path).unwrap_or_else(|error| panic!("{} can't be read: {error}", path.display())),
        );
        sql.push(b'\n');
    }
    sql
}

fn share(root: &Path) -> PathBuf {
    let usual = root.join("usr/share/mariadb");
    if usual.exists() { usual } else { root.join("usr/share/mysql") }
}

fn mariadbd(root: &Path, folder: &Path) -> Command {
    let mut command = command(&with_loader(root, "usr/sbin/mariadbd"));
    command
        .arg("--no-defaults")
        .arg(joined("--datadir=", &folder.join("data")))
        .arg(joined("--tmpdir=", folder))
        .arg(joined("--basedir=", &root.join("usr")))
        .arg(joined("--lc-messages-dir=", &share(root)))
        .arg(joined("--character-sets-dir=", &share(root).join("charsets")))
        .args(["--innodb-flush-method=nosync", "--innodb-use-native-aio=0", "--innodb-log-file-size=32M"])
        .args(user_argument(folder));
    command
}
