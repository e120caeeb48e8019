//! A connection that runs statements.

use std::collections::BTreeMap;

use undercroft_model::{Cancelled, DatabaseTarget, Observer};

use super::login::{LoginError, log_in, refusal};
use super::packet::{PacketError, Packets};
use super::transport::reach;
use super::value::{Malformed, next_number, next_value};
use crate::database::error::{DatabaseError, cut};

/// The command that runs a statement.
const QUERY: u8 = 0x03;

/// A connection to a server, logged in and in a schema.
pub(in crate::database) struct Connection {
    packets: Packets,
    place: String,
    version: String,
    doing: String,
    /// Whether a backslash in a text is an ordinary character, as the server said last.
    plain_backslash: bool,
}

/// What a statement did that gives no rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::database) struct Done {
    /// Rows that it inserted or changed.
    pub(in crate::database) rows: u64,
    /// How many warnings it gave.
    pub(in crate::database) warnings: u16,
}

/// The bit of the session's status that says that a backslash in a text is an ordinary character.
const NO_BACKSLASH_ESCAPES: u16 = 0x0200;

/// One row, each value by its column's name.
#[derive(Debug, Default)]
pub(in crate::database) struct Record {
    values: BTreeMap<String, Option<Vec<u8>>>,
    /// How many warnings the statement gave.
    pub(in crate::database) warnings: u16,
}

impl Record {
    /// A value; `None` for NULL and for a column that is not there.
    pub(in crate::database) fn bytes(&self, column: &str) -> Option<&[u8]> {
        self.values.get(column).and_then(Option::as_deref)
    }

    /// A value as text; empty for NULL.
    pub(in crate::database) fn text(&self, column: &str) -> String {
        String::from_utf8_lossy(self.bytes(column).unwrap_or_default()).into_owned()
    }
}

/// A small result, whole: rows of values, each of which may be NULL.
pub(in crate::database) type Table = Vec<Vec<Option<Vec<u8>>>>;

impl Connection {
    /// Reaches the server and logs in.
    pub(in crate::database) fn open(
        target: &DatabaseTarget,
        watch: &dyn Observer,
    ) -> Result<Self, DatabaseError> {
        let (stream, place) =
            reach(&target.address).map_err(|(place, source)| DatabaseError::Unreachable { place, source })?;
        match log_in(Packets::new(stream), target, watch) {
            Ok((packets, version)) => {
                Ok(Connection { packets, place, version, doing: String::new(), plain_backslash: false })
            }
            Err(error) => Err(shut_out(place, target, error)),
        }
    }

    /// The server's version, as it says it.
    pub(in crate::database) fn version(&self) -> &str {
        &self.version
    }

    /// Says what is done from here on, for errors: `reading the table wp_posts`.
    pub(in crate::database) fn set_doing(&mut self, doing: &str) {
        doing.clone_into(&mut self.doing);
    }

    /// What is being done.
    pub(in crate::database) fn doing(&self) -> &str {
        &self.doing
    }

    /// Runs a statement whose rows, if it has any, don't matter.
    pub(in crate::database) fn run(&mut self, sql: &str, watch: &dyn Observer) -> Result<(), DatabaseError> {
        let mut rows = self.query(sql, watch)?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Runs a statement and gives all of its rows; for results that are known to be small.
    pub(in crate::database) fn table(
        &mut self,
        sql: &str,
        watch: &dyn Observer,
    ) -> Result<Table, DatabaseError> {
        let mut rows = self.query(sql, watch)?;
        let mut table = Vec::new();
        let columns = rows.columns.len();
        while let Some(mut packet) = rows.next()? {
            let values = (0..columns).map(|_| next_value(&mut packet).map(|value| value.map(<[u8]>::to_vec)));
            let Ok(row) = values.collect::<Result<Vec<_>, Malformed>>() else {
                return Err(rows.connection.garbled("a row that is none"));
            };
            table.push(row);
        }
        Ok(table)
    }

    /// Runs a statement and gives its first row, each value by its column's name.
    pub(in crate::database) fn record(
        &mut self,
        sql: &str,
        watch: &dyn Observer,
    ) -> Result<Record, DatabaseError> {
        let mut rows = self.query(sql, watch)?;
        let mut record = Record::default();
        let mut first = true;
        let names: Vec<String> =
            rows.columns().iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        while let Some(mut packet) = rows.next()? {
            for name in names.iter().filter(|_| first) {
                match next_value(&mut packet) {
                    Ok(value) => record.values.insert(name.clone(), value.map(<[u8]>::to_vec)),
                    Err(Malformed) => return Err(rows.garbled("a row that is none")),
                };
            }
            first = false;
        }
        record.warnings = rows.warnings();
        Ok(record)
    }

    /// Runs a statement whose rows are to be read one by one.
    pub(in crate::database) fn query<'c>(
        &'c mut self,
        sql: &str,
        watch: &'c dyn Observer,
    ) -> Result<Rows<'c>, DatabaseError> {
        self.send(sql.as_bytes())?;
        self.answer(watch)
    }

    /// Runs a statement in whatever character set the session is in, and says what it did; rows that it gives
    /// don't matter.
    pub(in crate::database) fn execute(
        &mut self,
        sql: &[u8],
        watch: &dyn Observer,
    ) -> Result<Done, DatabaseError> {
        self.send(sql)?;
        self.receive(watch)
    }

    /// Sends a statement, whose answer has to be [received](Self::receive) before the next is sent.
    pub(in crate::database) fn send(&mut self, sql: &[u8]) -> Result<(), DatabaseError> {
        self.packets.send_command(QUERY, sql).map_err(|error| self.failed(error))
    }

    /// Waits for the answer to a statement that was sent.
    pub(in crate::database) fn receive(&mut self, watch: &dyn Observer) -> Result<Done, DatabaseError> {
        let mut rows = self.answer(watch)?;
        while rows.next()?.is_some() {}
        Ok(Done { rows: rows.affected, warnings: rows.warnings })
    }

    /// Whether a backslash in a text is an ordinary character to the session.
    pub(in crate::database) fn is_backslash_plain(&self) -> bool {
        self.plain_backslash
    }

    /// How the answer to a statement begins.
    fn answer<'c>(&'c mut self, watch: &'c dyn Observer) -> Result<Rows<'c>, DatabaseError> {
        let (mut done, mut status) = (Done::default(), None);
        let count = {
            let packet = self.next(watch)?;
            match packet.first() {
                Some(0x00) => match read_done(packet) {
                    Ok((read, flags)) => {
                        (done, status) = (read, Some(flags));
                        Ok(0)
                    }
                    Err(Malformed) => Err("an acknowledgement that is none"),
                },
                Some(0xFB) | None => Err("a request for a file instead of rows"),
                Some(_) => next_number(&mut &*packet).map_err(|Malformed| "no count of columns"),
            }
        };
        let count = count.map_err(|what| self.garbled(what))?;
        if let Some(flags) = status {
            self.plain_backslash = flags & NO_BACKSLASH_ESCAPES != 0;
        }
        let mut columns = Vec::with_capacity(count.min(4096));
        for _ in 0..count {
            let name = column_name(self.next(watch)?);
            columns.push(name.map_err(|Malformed| self.garbled("a column that is none"))?);
        }
        if count > 0 && !is_end(self.next(watch)?) {
            return Err(self.garbled("more columns than it said"));
        }
        Ok(Rows {
            done: count == 0,
            connection: self,
            watch,
            columns,
            warnings: done.warnings,
            affected: done.rows,
        })
    }

    /// The next packet that is no error.
    fn next(&mut self, watch: &dyn Observer) -> Result<&[u8], DatabaseError> {
        // The borrow checker can't yet see that an error ends the loan of a packet.
        let Connection { packets, place, doing, .. } = self;
        let packet = match packets.next(watch) {
            Ok(packet) => packet,
            Err(error) => return Err(packet_failed(place, doing, error)),
        };
        match refusal(packet) {
            None => Ok(packet),
            Some((code, message)) => Err(DatabaseError::Statement {
                place: place.clone(),
                doing: doing.clone(),
                code,
                message: cut(&message),
            }),
        }
    }

    /// The error of an answer that makes no sense.
    pub(in crate::database) fn garbled(&self, what: &'static str) -> DatabaseError {
        DatabaseError::Garbled { place: self.place.clone(), doing: self.doing.clone(), what }
    }

    fn failed(&self, error: PacketError) -> DatabaseError {
        packet_failed(&self.place, &self.doing, error)
    }
}

/// The rows of a result that is being read. To be read to its end before the next statement.
pub(in crate::database) struct Rows<'c> {
    connection: &'c mut Connection,
    watch: &'c dyn Observer,
    columns: Vec<Vec<u8>>,
    warnings: u16,
    affected: u64,
    done: bool,
}

impl Rows<'_> {
    /// The columns' names.
    pub(in crate::database) fn columns(&self) -> &[Vec<u8>] {
        &self.columns
    }

    /// How many warnings the statement gave; known after its last row.
    pub(in crate::database) fn warnings(&self) -> u16 {
        self.warnings
    }

    /// The next row, as the server sent it.
    #[inline]
    pub(in crate::database) fn next(&mut self) -> Result<Option<&[u8]>, DatabaseError> {
        if self.done {
            return Ok(None);
        }
        let packet = self.connection.next(self.watch)?;
        if !is_end(packet) {
            return Ok(Some(packet));
        }
        self.done = true;
        self.warnings = packet.get(1..3).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes);
        Ok(None)
    }

    /// The error of a row that makes no sense.
    pub(in crate::database) fn garbled(&self, what: &'static str) -> DatabaseError {
        self.connection.garbled(what)
    }
}

/// What the acknowledgement of a statement says, and the session's status.
fn read_done(packet: &[u8]) -> Result<(Done, u16), Malformed> {
    let mut rest = packet.get(1..).ok_or(Malformed)?;
    let rows = next_number(&mut rest)? as u64;
    next_number(&mut rest)?;
    let [a, b, c, d] = *rest.first_chunk::<4>().ok_or(Malformed)?;
    let (status, warnings) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    Ok((Done { rows, warnings }, status))
}

/// Whether a packet closes a list; a row that begins with the same byte is longer.
fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xFE) && packet.len() < 9
}

/// The name in the definition of a column: its fifth text, after catalog, schema, table and original table.
fn column_name(mut definition: &[u8]) -> Result<Vec<u8>, Malformed> {
    for _ in 0..4 {
        next_value(&mut definition)?;
    }
    next_value(&mut definition)?.map(<[u8]>::to_vec).ok_or(Malformed)
}

fn packet_failed(place: &str, doing: &str, error: PacketError) -> DatabaseError {
    let (place, doing) = (place.to_owned(), doing.to_owned());
    match error {
        PacketError::Broken(source) => DatabaseError::Broken { place, doing, source },
        PacketError::Garbled(what) => DatabaseError::Garbled { place, doing, what },
        PacketError::Cancelled => DatabaseError::Cancelled(Cancelled),
    }
}

/// The error of a login that failed. 1044 and 1049: the schema is the matter, not the account.
fn shut_out(place: String, target: &DatabaseTarget, error: LoginError) -> DatabaseError {
    let user = target.user.clone();
    match error {
        LoginError::Packet(error) => packet_failed(&place, "logging in", error),
        LoginError::Tls(reason) => DatabaseError::Tls { place, reason },
        LoginError::Plugin(reason) => DatabaseError::Login { place, user, reason },
        LoginError::Refused { code: code @ (1044 | 1049), message } => {
            let schema = target.schema.clone();
            DatabaseError::NoSchema { place, user, schema, code, message: cut(&message) }
        }
        LoginError::Refused { code, message } => {
            DatabaseError::Refused { place, user, code, message: cut(&message) }
        }
    }
}
