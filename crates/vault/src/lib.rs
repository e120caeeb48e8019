//! Everything stored for one site: fragments, packs, manifests, archives.

pub mod archive;
mod cut;
pub mod deflate;
mod error;
pub mod fetch;
pub mod fragment;
pub mod index;
pub mod keys;
pub mod manifest;
pub mod manifest_io;
pub mod pack;
pub mod reader;
pub mod record;
pub mod seal;
pub mod session;
pub mod store;
pub mod stream;
pub mod tar;
pub mod text;
pub mod tree;
mod vault;

pub use error::VaultError;
pub use vault::Vault;
