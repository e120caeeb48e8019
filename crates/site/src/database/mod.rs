//! A schema of a MySQL (5.7 to 9) or MariaDB (10, 11) server, as SQL text.
//!
//! [`Snapshot::open`] connects and opens a consistent snapshot, which blocks no writer; [`Snapshot::dump`]
//! writes it in the form of `mysqldump`, which any client loads. The server is read over its own protocol
//! (`wire`), so no client program need be there.
//!
//! What a dump promises: every object of the schema is in it, or a remark says why not; every value comes
//! back as it was; all rows are of one moment, as far as the storage engine can; a schema that changed
//! meanwhile is an error, never a mixture; and the same schema gives the same text.
//!
//! Start reading at `snapshot.rs`, then `dump/mod.rs`, which has the order of things, and `dump/row.rs`.

mod check;
mod dump;
mod error;
mod glob;
mod load;
mod objects;
mod probe;
mod quote;
pub mod restore;
mod rights;
mod server;
mod shared;
mod snapshot;
mod survey;
mod wire;

pub use check::SqlCheck;
pub use dump::{END_MARK, IN_A_COMMENT};
pub use error::DatabaseError;
pub use load::Rewrite;
pub use probe::{Probe, probe};
pub use server::{Server, ServerKind};
pub use snapshot::Snapshot;
