//! Sessions that load.

use std::collections::BTreeSet;

use undercroft_model::{DatabaseTarget, Observer};

use super::adapt::Taken;
use crate::database::error::DatabaseError;
use crate::database::rights::Rights;
use crate::database::server::{self, Server, ServerKind};
use crate::database::wire::Connection;

/// Settings that make a load faster, or possible where the dump's own server was less strict. Not every server
/// knows them all, and not every account may set them; without them a load works, if what it loads needs none.
const LENIENT: [&str; 10] = [
    "SET SESSION foreign_key_checks = 0",
    "SET SESSION unique_checks = 0",
    "SET SESSION check_constraint_checks = 0",
    "SET SESSION innodb_strict_mode = 0",
    "SET SESSION explicit_defaults_for_timestamp = 1",
    "SET SESSION sql_require_primary_key = 0",
    "SET SESSION sql_generate_invisible_primary_key = 0",
    "SET SESSION sql_notes = 0",
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
    "SET SESSION autocommit = 0",
];

/// Opens a connection in the target's schema, set up for loading.
pub(in crate::database) fn open(
    target: &DatabaseTarget,
    watch: &dyn Observer,
) -> Result<Connection, DatabaseError> {
    let mut connection = Connection::open(target, watch)?;
    server::prepare(&mut connection, watch)?;
    connection.set_doing("setting up the session");
    for statement in LENIENT {
        match connection.run(statement, watch) {
            Ok(()) | Err(DatabaseError::Statement { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    check_unique(&mut connection, watch)?;
    Ok(connection)
}

/// Turns unique checks on again where they cost less than what else the server would do: on MariaDB.
pub(super) fn check_unique(connection: &mut Connection, watch: &dyn Observer) -> Result<(), DatabaseError> {
    match Server::parse(connection.version()).kind {
        ServerKind::MariaDb => connection.run("SET SESSION unique_checks = 1", watch),
        ServerKind::MySql => Ok(()),
    }
}

/// Bytes of the longest statement that the server takes.
pub(in crate::database) fn packet_max(
    connection: &mut Connection,
    watch: &dyn Observer,
) -> Result<u64, DatabaseError> {
    let record = connection.record("SELECT @@max_allowed_packet AS bytes", watch)?;
    record.text("bytes").parse().map_err(|_| connection.garbled("no number for max_allowed_packet"))
}

/// What the server and the account take.
pub(in crate::database) fn taken(
    connection: &mut Connection,
    rights: &Rights,
    watch: &dyn Observer,
) -> Result<Taken, DatabaseError> {
    connection.set_doing("asking what the server knows");
    let list = connection.table("SELECT COLLATION_NAME FROM information_schema.COLLATIONS", watch)?;
    let first = |line: Vec<Option<Vec<u8>>>| {
        let name = line.into_iter().next().flatten()?;
        Some(String::from_utf8_lossy(&name).into_owned())
    };
    let collations = list.into_iter().filter_map(first).collect();
    // Who may not set a definer may not see the accounts either.
    let accounts = match connection.table("SELECT CONCAT(User, '@', Host) FROM mysql.user", watch) {
        Ok(list) => Some(list.into_iter().filter_map(first).collect::<BTreeSet<String>>()),
        Err(DatabaseError::Statement { .. }) => None,
        Err(error) => return Err(error),
    };
    let own_definer = !rights.may_set_definers();
    Ok(Taken { collations, own_definer, accounts, sleeping_events: false })
}
