//! Why a command failed, as it is told to the person at the terminal.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;
use undercroft_client::ClientError;
use undercroft_server::{DataError, OpenError};

use crate::args::Cli;
use crate::output::OutputError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was told already; only the exit status is left.
    #[error("the command failed")]
    Told,
    /// The person stopped it.
    #[error("it was interrupted")]
    Interrupted,
    /// A sentence says it all.
    #[error("{0}")]
    Because(String),
    /// The server refused something, or did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The data folder can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The data folder can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was asked of the output is not to be had.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file can't be written or read.
    #[error("{action} {} failed", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The result could not be printed.
    #[error("the result could not be printed")]
    Print(#[source] io::Error),
}

/// Tells what is wrong with what was typed. Help and version, asked for, are results; who types no command gets the
/// help too.
pub fn usage(error: &clap::Error) -> ExitCode {
    let told = match error.kind() {
        ErrorKind::MissingSubcommand => Cli::command().write_help(&mut io::stderr()),
        _ => error.print(),
    };
    let is_result = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_result && told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
