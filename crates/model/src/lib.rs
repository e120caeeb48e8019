//! The words of Undercroft as types: sites, environments, elements, backups, archives, progress.
//!
//! Every other crate speaks in these types; this one uses none of them and does no I/O. Text from
//! outside (a command line, a request, a file) is parsed into them once, at the edge, and is valid from
//! then on. Start at [`element`] and [`name`], then [`backup`], [`settings`] and [`progress`].
//! How long backups are kept: [`mark`] and [`retention`].

pub mod api;
pub mod backup;
pub mod element;
pub mod mark;
pub mod name;
pub mod path;
pub mod progress;
pub mod report;
pub mod retention;
pub mod secret;
pub mod settings;

pub use backup::{ArchiveName, BackupFolder, BackupKind, KeepFor};
pub use element::{Element, ElementSet};
pub use mark::{Mark, MarkState, Marked, Proof, TrashedWhy};
pub use name::{EnvName, SiteEnv, SiteName};
pub use path::readable_path;
pub use progress::{Cancelled, Muted, Observer, Remark, Silent, Weight};
pub use report::{
    BackupReport, CodeFacts, DatabaseFacts, ElementReport, ElementState, Facts, FilesFacts, LeftOut,
    TableContent,
};
pub use secret::Secret;
pub use settings::{
    CodeRevision, CodeSource, DatabaseAddress, DatabaseTarget, EnvSettings, FilesSource, TlsMode,
};
