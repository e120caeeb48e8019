//! One snapshot for several connections, so that several tables can be read at once.
//!
//! A server gives each connection a snapshot of the moment in which it asks. They are the same if nothing
//! was written between the first and the last, so for that long the tables are locked for writing.

use std::thread;

use undercroft_model::{DatabaseTarget, Observer};

use super::error::DatabaseError;
use super::objects::Objects;
use super::quote;
use super::rights::Rights;
use super::server;
use super::snapshot::begin;
use super::wire::Connection;

/// Below so many bytes, one connection is done before others would be of use.
const WORTH_SHARING: u64 = 64 << 20;
/// More connections than this would be felt by the site.
const CONNECTIONS_MAX: usize = 4;

/// How many connections a dump of so many bytes should have: one for every two cores, since whoever takes
/// the text has to deflate it meanwhile.
pub(super) fn connections_for(bytes: u64) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if bytes < WORTH_SHARING { 1 } else { (cores / 2).clamp(1, CONNECTIONS_MAX) }
}

/// Opens a snapshot on `first` and, if it may be, on so many connections in all.
///
/// Writers wait while the others open theirs, which is a matter of milliseconds. The lock itself waits one
/// second at most for a transaction that holds a table; if that is not enough, or the account may not lock,
/// or the lock would not hold on the other servers of a cluster, there is one connection and no lock.
/// `FLUSH TABLES WITH READ LOCK` is not for us: on MySQL it can leave a site waiting for its longest query
/// even after it gave up.
pub(super) fn open(
    first: Connection,
    target: &DatabaseTarget,
    wanted: usize,
    objects: &Objects,
    rights: &Rights,
    watch: &dyn Observer,
) -> Result<Vec<Connection>, DatabaseError> {
    let mut connections = vec![first];
    if wanted > 1 && rights.has("LOCK TABLES") && rights.has("SELECT") {
        match add(&mut connections, target, wanted, objects, watch) {
            Ok(Some(mut lock)) => {
                let result = begin_all(&mut connections, watch);
                lock.run("UNLOCK TABLES", watch)?;
                return result.map(|()| connections);
            }
            Ok(None) => {}
            // Too many connections, a lock that can't be had: one connection will do.
            Err(DatabaseError::Statement { .. } | DatabaseError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        connections.truncate(1);
    }
    begin_all(&mut connections, watch)?;
    Ok(connections)
}

fn begin_all(connections: &mut [Connection], watch: &dyn Observer) -> Result<(), DatabaseError> {
    for connection in connections {
        connection.set_doing("opening the snapshot");
        begin(connection, watch)?;
    }
    Ok(())
}

/// Adds connections, then locks all tables that have snapshots; gives the connection that holds the lock.
fn add(
    connections: &mut Vec<Connection>,
    target: &DatabaseTarget,
    wanted: usize,
    objects: &Objects,
    watch: &dyn Observer,
) -> Result<Option<Connection>, DatabaseError> {
    let tables = objects.tables.iter().filter(|table| super::dump::is_in_snapshot(&table.engine));
    let tables: Vec<String> = tables.map(|table| format!("{} READ", quote::name(&table.name))).collect();
    let mut lock = connect(target, watch)?;
    if tables.len() < 2 || is_in_cluster(&mut lock, watch)? {
        return Ok(None);
    }
    while connections.len() < wanted.min(tables.len()) {
        connections.push(connect(target, watch)?);
    }
    lock.set_doing("locking the tables for a moment");
    lock.run("SET SESSION lock_wait_timeout = 1", watch)?;
    lock.run(&format!("LOCK TABLES {}", tables.join(",")), watch)?;
    Ok(Some(lock))
}

fn connect(target: &DatabaseTarget, watch: &dyn Observer) -> Result<Connection, DatabaseError> {
    let mut connection = Connection::open(target, watch)?;
    server::prepare(&mut connection, watch)?;
    Ok(connection)
}

/// Whether the server is one of a cluster, whose other servers write past its locks.
fn is_in_cluster(connection: &mut Connection, watch: &dyn Observer) -> Result<bool, DatabaseError> {
    let variables = connection.table("SHOW VARIABLES LIKE 'wsrep_on'", watch)?;
    Ok(variables.iter().any(|line| line.get(1).and_then(Option::as_deref) == Some(b"ON")))
}
