//! The store as a whole: its copies, and the catalog made from it.

pub mod copy;
mod place;
pub mod rebuild;
mod removal;
