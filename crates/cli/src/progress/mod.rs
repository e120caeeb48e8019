//! How far a running job or a download is, on stderr: bars on a terminal, plain lines in a log, or nothing.
//!
//! Who watches a job makes a [`Progress`], hands it each element's [`ElementProgress`] as often as it likes
//! (once or twice a second is enough), and ends it with [`Progress::finish`]. A download has [`Download`].

// Which of it a command needs is the command's affair.
#![allow(dead_code, unused_imports)]

mod bars;
mod download;
mod figures;
mod job;
mod lines;
mod mode;
mod rate;
mod view;

pub use download::Download;
pub use figures::ElementProgress;
pub use job::Progress;
pub use mode::Mode;
