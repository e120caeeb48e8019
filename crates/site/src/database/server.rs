//! What a server is, and how a session on it is set up for reading a schema exactly.

use std::fmt;

use undercroft_model::Observer;

use super::error::DatabaseError;
use super::wire::Connection;

/// A server's kin and release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Whose it is.
    pub kind: ServerKind,
    /// Major, minor and patch number.
    pub version: (u16, u16, u16),
}

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// MariaDB.
    MariaDb,
    /// MySQL, Percona Server, Aurora and others that say they are MySQL.
    MySql,
}

impl Server {
    /// Reads what a server says of itself: `8.4.3`, `5.5.5-10.11.19-MariaDB-0+deb12u1`,
    /// `8.0.mysql_aurora.3.04.0`.
    pub(super) fn parse(version: &str) -> Server {
        let is_mariadb = version.contains("MariaDB");
        // MariaDB 10 says that it is 5.5.5 first, since old replicas knew no number of two digits.
        let number = version.strip_prefix("5.5.5-").filter(|_| is_mariadb).unwrap_or(version);
        let mut parts = number.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        let version = (next(), next(), next());
        Server { kind: if is_mariadb { ServerKind::MariaDb } else { ServerKind::MySql }, version }
    }

    /// Whether it is MariaDB, at this release or a later one.
    pub(super) fn is_mariadb(&self, major: u16, minor: u16) -> bool {
        self.kind == ServerKind::MariaDb && self.version >= (major, minor, 0)
    }

    /// Whether it is MySQL, at this release or a later one.
    pub(super) fn is_mysql(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.kind == ServerKind::MySql && self.version >= (major, minor, patch)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            ServerKind::MariaDb => "MariaDB",
            ServerKind::MySql => "MySQL",
        };
        let (major, minor, patch) = self.version;
        write!(f, "{name} {major}.{minor}.{patch}")
    }
}

/// Without these a dump would not be exact, so they have to succeed.
///
/// Results are not converted: every column's bytes arrive as they are stored. Names and definitions come in
/// the server's own UTF-8.
const EXACT: [&str; 6] = [
    "SET NAMES utf8mb4",
    "SET SESSION character_set_results = NULL",
    "SET SESSION sql_mode = ''",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION sql_quote_show_create = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// What keeps the server from ending a session that waits for a slow store, or a long statement; and what
/// makes it show all there is. Not every server knows all of them.
const PATIENT: [&str; 9] = [
    "SET SESSION net_write_timeout = 86400",
    "SET SESSION net_read_timeout = 86400",
    "SET SESSION wait_timeout = 86400",
    "SET SESSION max_statement_time = 0",
    "SET SESSION max_execution_time = 0",
    "SET SESSION idle_transaction_timeout = 0",
    "SET SESSION idle_readonly_transaction_timeout = 0",
    "SET SESSION show_gipk_in_create_table_and_information_schema = ON",
    "SET SESSION use_secondary_engine = OFF",
];

/// The server does not know a variable.
const UNKNOWN_VARIABLE: u16 = 1193;

/// Sets a session up.
pub(super) fn prepare(connection: &mut Connection, watch: &dyn Observer) -> Result<(), DatabaseError> {
    connection.set_doing("setting up the session");
    for statement in EXACT {
        connection.run(statement, watch)?;
    }
    for statement in PATIENT {
        match connection.run(statement, watch) {
            Err(error) if error.code() != Some(UNKNOWN_VARIABLE) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The schema that the session is in, as the server spells it. There must be one: without it every question
/// would be answered with nothing, and the dump be empty.
pub(super) fn schema(connection: &mut Connection, watch: &dyn Observer) -> Result<String, DatabaseError> {
    connection.set_doing("entering the schema");
    let name = connection.record("SELECT DATABASE() AS name", watch)?.text("name");
    if name.is_empty() { Err(connection.garbled("no schema, though one was asked for,")) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, shown) in [
            ("5.5.5-10.11.19-MariaDB-0+deb12u1", "MariaDB 10.11.19"),
            ("11.8.2-MariaDB-ubu2404", "MariaDB 11.8.2"),
            ("8.4.3", "MySQL 8.4.3"),
            ("5.7.44-48-log", "MySQL 5.7.44"),
            ("5.5.5-m3", "MySQL 5.5.5"),
            ("8.0.mysql_aurora.3.04.0", "MySQL 8.0.0"),
            ("", "MySQL 0.0.0"),
        ] {
            assert_eq!(Server::parse(text).to_string(), shown);
        }
        assert!(Server::parse("5.5.5-10.11.19-MariaDB").is_mariadb(10, 11));
        assert!(!Server::parse("8.0.30").is_mariadb(5, 0));
    }
}
