//! Connecting to a schema just to see what is there.

use undercroft_model::{DatabaseTarget, Remark, Silent};

use super::error::DatabaseError;
use super::rights;
use super::server::{self, Server};
use super::survey::survey;
use super::wire::Connection;

/// What was found where a database should be.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What the server is.
    pub server: Server,
    /// The schema, as the server spells it.
    pub schema: String,
    /// Base tables that the account sees.
    pub tables: u64,
    /// Bytes that their rows take on the server's disk, as it estimates.
    pub bytes: u64,
    /// Rights that the account lacks, and how to grant them.
    pub missing: Vec<Remark>,
}

/// Connects and tells what is there.
///
/// # Errors
/// [`DatabaseError`] if the server can't be reached, lets nobody in or has no such schema.
pub fn probe(target: &DatabaseTarget) -> Result<Probe, DatabaseError> {
    let observer = &Silent;
    let mut connection = Connection::open(target, observer)?;
    let server = Server::parse(connection.version());
    server::prepare(&mut connection, observer)?;
    let schema = server::schema(&mut connection, observer)?;
    let rights = rights::read(&mut connection, server, &schema, observer)?;
    let objects = survey(&mut connection, &schema, &|_| false, observer)?.objects;
    Ok(Probe {
        server,
        schema,
        tables: objects.tables.len() as u64,
        bytes: objects.tables.iter().map(|table| table.bytes).sum(),
        missing: rights.missing(),
    })
}
