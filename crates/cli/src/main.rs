//! The `undercroft` program: the commands, and what the terminal shows.
//!
//! [`args`] is what may be typed. Each command is a file in [`commands`]; it speaks to the API through the client
//! and to the terminal through [`output`] and [`progress`]. [`place`] finds the data folder and opens it.

mod args;
mod commands;
mod error;
mod output;
mod place;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::error::Failure;
use crate::output::Messages;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return error::usage(&error),
    };
    let messages = Messages::new(cli.global.quiet);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            messages.error(&error);
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli, messages)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            messages.error(&failure);
            ExitCode::FAILURE
        }
    }
}
