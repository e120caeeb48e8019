//! How far a running job or a download is, on stderr: bars on a terminal, plain lines in a log, or nothing.
//!
//! Who watches a job makes a [`Progress`], hands it each element's
//! [`ElementProgress`](undercroft_model::api::ElementProgress) as often as it likes
//! (once or twice a second is enough), and ends it with [`Progress::finish`]. A download has [`Download`].

mod bars;
mod download;
mod figures;
mod job;
mod lines;
mod mode;
mod rate;
mod view;

pub use download::Download;
pub use job::Progress;
pub use mode::Mode;
