//! What can go wrong between a database server and its dump.

use std::io;

use undercroft_model::Cancelled;

use super::quote;

/// So much of a server's own words is repeated; more could hold a statement or somebody's data.
const WORDS_MAX: usize = 200;

/// Why a schema could not be looked at, or its dump not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Nobody answers where the server should be.
    #[error(
        "the database server at {place} can't be reached: {source}; check the address and that the server runs"
    )]
    Unreachable {
        /// The socket, or the host and port.
        place: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The server does not let the account in.
    #[error(
        "the database server at {place} refuses the account {user}: {message} ({code}); check the user name, the \
         password and from where the account may connect"
    )]
    Refused {
        /// The socket, or the host and port.
        place: String,
        /// The account.
        user: String,
        /// The server's error number.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The account can't prove itself in a way that the server accepts.
    #[error("the account {user} can't log in to the database server at {place}: {reason}")]
    Login {
        /// The socket, or the host and port.
        place: String,
        /// The account.
        user: String,
        /// What stands in the way, and what to do.
        reason: String,
    },
    /// There is no such schema, or the account may not know of it.
    #[error(
        "the database server at {place} has no schema {schema} that {user} may use: {message} ({code}); {}check the \
         schema's name, or grant the account its rights: GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON \
         `{schema}`.* TO the account", made(*code, schema)
    )]
    NoSchema {
        /// The socket, or the host and port.
        place: String,
        /// The account.
        user: String,
        /// The schema that was asked for.
        schema: String,
        /// The server's error number.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The connection could not be encrypted as it has to be.
    #[error("the connection to the database server at {place} can't be encrypted: {reason}")]
    Tls {
        /// The socket, or the host and port.
        place: String,
        /// What stands in the way, and what to do.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to the database server at {place} broke while {doing}: {source}")]
    Broken {
        /// The socket, or the host and port.
        place: String,
        /// What was being done.
        doing: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The server said something that the protocol does not know.
    #[error("the database server at {place} sent {what} while {doing}")]
    Garbled {
        /// The socket, or the host and port.
        place: String,
        /// What was being done.
        doing: String,
        /// What it sent.
        what: &'static str,
    },
    /// The server refused a statement.
    #[error("the database server at {place} failed while {doing}: {message} ({code})")]
    Statement {
        /// The socket, or the host and port.
        place: String,
        /// What was being done.
        doing: String,
        /// The server's error number.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The schema is not what it was when the snapshot was taken, so the dump would be a mixture.
    #[error("the schema {schema} changed while it was dumped: {what}")]
    SchemaChanged {
        /// The schema.
        schema: String,
        /// What was seen to have changed.
        what: String,
    },
    /// The dump has not as many objects as the schema has.
    #[error("the dump of the schema {schema} has {written} {objects}, but there are {expected}")]
    Miscounted {
        /// The schema.
        schema: String,
        /// Which objects.
        objects: &'static str,
        /// How many there are.
        expected: u64,
        /// How many were written.
        written: u64,
    },
    /// The dump could not be handed on.
    #[error("the dump could not be stored while {doing}: {source}")]
    Sink {
        /// What was being done.
        doing: String,
        /// What the sink says.
        source: io::Error,
    },
    /// The job was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What to do about a schema that is not there, if the server says that it is not.
fn made(code: u16, schema: &str) -> String {
    let quoted = quote::name(schema);
    if code == 1049 {
        format!("it is not there: make it with CREATE DATABASE {quoted}, ")
    } else {
        String::new()
    }
}

impl DatabaseError {
    /// Whether the same dump, begun anew with a snapshot of its own, is likely to succeed: the schema changed
    /// meanwhile.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            DatabaseError::SchemaChanged { .. } => true,
            DatabaseError::Statement { code, .. } => is_of_changed_schema(*code),
            _ => false,
        }
    }

    /// The server's error number, if it was the server that refused.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            DatabaseError::Statement { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The server's words, or all that there is to say.
    pub(super) fn words(&self) -> String {
        match self {
            DatabaseError::Statement { code, message, .. } => format!("{message} ({code})"),
            other => other.to_string(),
        }
    }
}

/// Whether the server's error number says that a table, view or program changed or went away: 1054 no such
/// column, 1051 and 1146 no such table, 1412 table definition changed, 1305 no such program, 1360 no such
/// trigger, 1539 no such event, 1615 the definition changed below a statement, 4091 no such sequence.
pub(super) fn is_of_changed_schema(code: u16) -> bool {
    matches!(code, 1051 | 1054 | 1146 | 1305 | 1360 | 1412 | 1539 | 1615 | 4091)
}

/// A server's words, at a length that tells what is wrong and no more.
pub(super) fn cut(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let mut short: String =
        words.chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if words.chars().nth(WORDS_MAX).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(code: u16) -> DatabaseError {
        DatabaseError::Statement { place: "here".into(), doing: "trying".into(), code, message: "no".into() }
    }

    #[test]
    fn what_comes_of_a_changed_schema_is_worth_repeating() {
        let changed = DatabaseError::SchemaChanged { schema: "shop".into(), what: "a table".into() };
        assert!(changed.is_worth_repeating());
        assert!(statement(1412).is_worth_repeating() && statement(1146).is_worth_repeating());
        assert!(!statement(1142).is_worth_repeating());
        assert!(!DatabaseError::from(Cancelled).is_worth_repeating());
    }

    #[test]
    fn a_servers_words_are_cut() {
        assert_eq!(cut(b"Unknown table\n'x'"), "Unknown table 'x'");
        assert_eq!(cut(&vec![b'x'; 40_000_000]).chars().count(), WORDS_MAX + 1);
    }
}
