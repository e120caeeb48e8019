//! What a command shows: tables and lists of properties in every format that scripts know from Terminus,
//! messages on stderr, and questions.
//!
//! A command fills [`Rows`] or [`Properties`], takes [`OutputOptions`] or [`PropertyOptions`] among its own
//! options, renders with [`render_rows`] or [`render_properties`] and hands the text to [`print()`]. The formats
//! fall in two groups. The *raw* ones (json, yaml, xml, php, print-r, var_dump, var_export, string) give values
//! as the API has them: times are unix seconds. The *human* ones (table, sections, list, csv, tsv) give what a
//! person reads: times are `2026-11-23 01:45:03`, in UTC.

mod confirm;
mod csv;
mod data;
mod error;
mod fields;
mod filter;
mod fit;
mod json;
mod list;
mod message;
mod number;
mod options;
mod pattern;
mod php;
mod print;
mod render;
mod size;
mod table;
mod text;
mod value;
mod width;
mod xml;
mod yaml;

#[cfg(test)]
mod oracle;

pub use confirm::{Answer, confirm};
pub use error::OutputError;
pub use list::{Column, Properties, Rows};
pub use message::Messages;
pub use options::{OutputOptions, PropertyOptions};
pub use print::print;
pub use render::{render_properties, render_rows};
pub use size::{human_duration, human_rate, human_size};
pub use text::printable;
pub use value::{Value, human_time};
pub use width::{stderr_width, terminal_width};
