//! What can go wrong while a database comes back.

use std::io;

use undercroft_model::Cancelled;

use crate::database::DatabaseError;

/// Why a dump could not be restored, or the live schema not be switched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The server, or the connection to it, failed.
    #[error(transparent)]
    Database(DatabaseError),
    /// The dump could not be read.
    #[error("the dump can't be read at {section}: {source}")]
    Dump {
        /// Where in the dump: `the table wp_posts`.
        section: String,
        /// What the vault says.
        source: io::Error,
    },
    /// The dump is not whole, or not SQL.
    #[error("the dump makes no sense at {section}: {reason}")]
    Text {
        /// Where in the dump.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// The server refused a statement of the dump.
    #[error(
        "the server refuses a statement of {section}: {message} ({code}); the statement begins {statement}"
    )]
    Refused {
        /// Where in the dump.
        section: String,
        /// How the statement begins; nothing of rows is in it.
        statement: String,
        /// The server's error number.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The dump holds a statement that a restore does not run.
    #[error(
        "{section} of the dump holds a statement that no restore runs, since it reaches beyond the schema: {statement}"
    )]
    Forbidden {
        /// Where in the dump.
        section: String,
        /// How the statement begins.
        statement: String,
    },
    /// Rows could not be changed on their way.
    #[error("the rows of {section} could not be changed on their way: {reason}")]
    Rewrite {
        /// Where in the dump.
        section: String,
        /// What stands in the way.
        reason: String,
    },
    /// A text is too long for its column once others were put into it.
    #[error(
        "a value of the column {column} of the table {table} is too long for it once texts are replaced, and would be \
         cut: make the column longer and the backup anew, replace with a shorter text, or restore without replacing"
    )]
    TooLong {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The account may not do what a restore needs.
    #[error(
        "the account {account} may not {right} in schemas named {pattern}, where a restore prepares the tables before it \
         switches them in; grant it with {grant} - or restore in place (--in-place), which needs no second schema but \
         is not all or nothing"
    )]
    MissingRight {
        /// The account.
        account: String,
        /// The rights that it lacks: `CREATE, DROP`.
        right: String,
        /// Where it lacks them.
        pattern: String,
        /// The statement that gives them.
        grant: String,
    },
    /// The account may not change the live schema as it must.
    #[error("the account {account} lacks the rights {right} on the schema {schema}; grant them with {grant}")]
    MissingLiveRight {
        /// The account.
        account: String,
        /// The rights that it lacks.
        right: String,
        /// The live schema.
        schema: String,
        /// The statement that gives them.
        grant: String,
    },
    /// The server keeps a binary log, and takes triggers and functions only from accounts that it trusts.
    #[error(
        "the server keeps a binary log and does not let the account {account} remove and make {what}: set \
         log_bin_trust_function_creators = 1 there, or, for what is not said to be unsafe, GRANT SUPER ON *.* TO {account}"
    )]
    BinaryLog {
        /// The account.
        account: String,
        /// What would have to be made.
        what: String,
    },
    /// Something that is live would be removed, and could not be brought back.
    #[error(
        "what is live would be replaced and could not be put back as it is: {}; give the account the rights that it \
         lacks{} - or say with --no-safety-backup that it may be lost", what.join("; "), behind(grants)
    )]
    WouldBeLost {
        /// What, a sentence each.
        what: Vec<String>,
        /// The statements that give the rights, as far as they are known.
        grants: Vec<String>,
    },
    /// Several of these stand in the way.
    #[error("{}; all the rights that are missing are given by{}", shortly(lacking), behind(&grants(lacking)))]
    MissingRights {
        /// Each by itself.
        lacking: Vec<RestoreError>,
    },
    /// The site would not find its tables.
    #[error(
        "the tables of this environment begin with {own:?}, {said_by}, and those of the backup with {dumped:?}: the site \
         would not find them. Set the table prefix in this environment's settings file to {dumped:?} and say so with \
         env:update SITE.ENV --database='mysql://USER:PASSWORD@HOST/SCHEMA?prefix={dumped}', or bring back single tables \
         with --table"
    )]
    OtherPrefix {
        /// What those of this environment begin with.
        own: String,
        /// What those of the dump begin with.
        dumped: String,
        /// How that is known.
        said_by: &'static str,
    },
    /// The server takes no statement as long as the longest row.
    #[error(
        "the longest row of the dump takes {row} bytes, and the server takes {allowed} at most: set \
         max_allowed_packet there to {row} or more, and try again"
    )]
    RowTooLong {
        /// Bytes of the longest row as text.
        row: u64,
        /// The server's `max_allowed_packet`.
        allowed: u64,
    },
    /// Tables that were asked for are not in the dump.
    #[error("the dump has no tables {}{}", names.join(", "), of_views(views))]
    NoSuchTables {
        /// Their names.
        names: Vec<String>,
        /// Those of them that are views in the dump.
        views: Vec<String>,
    },
    /// Two tables of the dump would be one on the server.
    #[error(
        "the tables {one} and {other} would be one table on this server, which does not tell upper from lower case in \
         their names (lower_case_table_names): restore one of them (--table), or to a server that does"
    )]
    OneName {
        /// A table of the dump.
        one: String,
        /// Another one.
        other: String,
    },
    /// A table came back with other rows than were captured.
    #[error("the table {table} has {found} rows after it was loaded, and the dump says {expected}")]
    Miscounted {
        /// The table.
        table: String,
        /// Rows that the manifest says.
        expected: u64,
        /// Rows that are there.
        found: u64,
    },
    /// A schema that would be made is there, and is not this restore's.
    #[error("there is a schema {schema} already, which this restore did not make; remove it, or try again")]
    NotOurs {
        /// The schema.
        schema: String,
    },
    /// Another process still works on the same restore.
    #[error("another connection still works on this restore ({holder}); try again when it is gone")]
    Busy {
        /// The connection that holds the restore's lock, if the server says.
        holder: String,
    },
    /// Others hold tables, so they could not be switched. Nothing was changed.
    #[error(
        "the tables could not be switched, since others hold them: {holder}; nothing was changed, try again when they \
         are done"
    )]
    Locked {
        /// Who holds them, as far as the server says.
        holder: String,
    },
    /// The same in the middle of a restore in place.
    #[error(
        "others hold tables that are to be removed: {holder}; some of what was live is removed already, since the restore \
         is in place: try again when they are done, or restore the backup that was made before it"
    )]
    LockedMidway {
        /// Who holds them, as far as the server says.
        holder: String,
    },
    /// What should be switched was not prepared, or has been removed.
    #[error("there is nothing to switch: {what}")]
    NotPrepared {
        /// What is missing.
        what: String,
    },
    /// A switch failed and could not be put back by itself.
    #[error(
        "the switch failed ({why}), and could not be put back: {then}; the tables that were live are in the schema \
         {old}, those of the dump in {scratch} or {schema}; try again to go on from here"
    )]
    HalfSwitched {
        /// The live schema.
        schema: String,
        /// The scratch schema.
        scratch: String,
        /// The schema that holds what was live.
        old: String,
        /// Why the switch failed.
        why: String,
        /// Why it could not be put back.
        then: String,
    },
    /// A restore in place, or one that was cleaned up, can't be taken back.
    #[error("this restore can't be taken back: {why}; restore the backup that was made before it")]
    NotReversible {
        /// Why.
        why: &'static str,
    },
    /// The job was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What to do about views that were asked for.
fn of_views(views: &[String]) -> String {
    match views {
        [] => String::new(),
        _ => format!(
            "; a view can't be asked for by itself, it comes back with the whole database: {}",
            views.join(", ")
        ),
    }
}

/// Statements, behind a colon.
fn behind(grants: &[String]) -> String {
    if grants.is_empty() { String::new() } else { format!(": {};", grants.join("; ")) }
}

/// The statements that give all rights that are missing.
fn grants(lacking: &[RestoreError]) -> Vec<String> {
    let each = lacking.iter().flat_map(|error| match error {
        RestoreError::MissingRight { grant, .. } | RestoreError::MissingLiveRight { grant, .. } => {
            std::slice::from_ref(grant)
        }
        RestoreError::WouldBeLost { grants, .. } => grants,
        _ => &[],
    });
    each.cloned().collect()
}

/// What stands in the way, without the statements.
fn shortly(lacking: &[RestoreError]) -> String {
    let one = |error: &RestoreError| match error {
        RestoreError::MissingRight { account, right, pattern, .. } => format!(
            "the account {account} may not {right} in schemas named {pattern}, where a restore prepares the tables before \
             it switches them in (--in-place needs none, but is not all or nothing)"
        ),
        RestoreError::MissingLiveRight { account, right, schema, .. } => {
            format!("the account {account} lacks the rights {right} on the schema {schema}")
        }
        RestoreError::WouldBeLost { what, .. } => format!(
            "what is live would be replaced and could not be put back as it is (--no-safety-backup says that it may be \
             lost): {}",
            what.join("; ")
        ),
        other => other.to_string(),
    };
    lacking.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl From<DatabaseError> for RestoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Cancelled(cancelled) => RestoreError::Cancelled(cancelled),
            other => RestoreError::Database(other),
        }
    }
}

impl RestoreError {
    /// Whether the same restore, tried again, may well succeed.
    pub fn is_worth_repeating(&self) -> bool {
        matches!(
            self,
            RestoreError::Locked { .. }
                | RestoreError::LockedMidway { .. }
                | RestoreError::Busy { .. }
                | RestoreError::HalfSwitched { .. }
                | RestoreError::Database(DatabaseError::Broken { .. } | DatabaseError::Unreachable { .. })
        )
    }
}
