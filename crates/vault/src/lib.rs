//! Everything stored for one site: fragments, packs, manifests, archives.
//!
//! Streams come in through [`stream`] and are written by [`tree`] and [`text`] into a [`session`]; a backup exists
//! once its [`record`] is in the [`store`]. They go out through [`archive`]. What no backup needs any more is removed by a
//! [`sweep`]; a store is brought to another by a [`copy`](mod@copy). The bytes of it all are described in
//! `docs/format.md`, well enough to write another reader. The vault knows streams and stores and nothing of sites;
//! beside outside crates it uses `undercroft-model` alone.
//!
//! Start reading at [`vault`](Vault), then [`session`], [`pack`] and [`manifest`].

pub mod archive;
pub mod browse;
pub mod check;
mod config;
pub mod copy;
mod cut;
pub mod damage;
pub mod deflate;
mod error;
pub mod fetch;
pub mod fragment;
pub mod index;
pub mod keys;
pub mod manifest;
pub mod manifest_io;
mod marks;
pub mod pack;
pub mod reader;
pub mod record;
pub mod seal;
pub mod sections;
pub mod session;
pub mod store;
pub mod stream;
pub mod sweep;
pub mod tar;
pub mod text;
pub mod tree;
mod vault;

pub use config::ConfigFault;
pub use error::VaultError;
pub use marks::MarkError;
pub use vault::{Operation, Vault, delete_vault};
