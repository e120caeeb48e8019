//! A connection to a MySQL or MariaDB server: the protocol, as far as reading and loading a schema need it.
//!
//! [`transport`] reaches the server, [`tls`] encrypts, [`packet`] cuts the stream of bytes into packets,
//! [`login`] proves who we are, and [`connection`] runs statements. Rows are given as the packets that the
//! server sent, and [`value`] walks through one: nothing is copied on their way.
//!
//! Source: the client/server protocol as MySQL's and MariaDB's documentation describe it.

mod connection;
mod login;
mod packet;
mod tls;
mod transport;
mod value;

pub(super) use connection::{Connection, Done, Record};
pub(super) use value::{Malformed, next_value};
