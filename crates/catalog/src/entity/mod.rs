//! The catalog's tables as sea-orm has them.

pub mod backup;
pub mod environment;
pub mod job;
pub mod note;
pub mod site;
