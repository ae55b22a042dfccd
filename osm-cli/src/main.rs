//! The operator's command line: arguments in; text, JSON or bars out. What is done is done by the
//! libraries below.

#![forbid(unsafe_code)]

mod args;
mod command;
mod exit;
mod limit;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::report_arguments(&error, args::asks_for_json(std::env::args_os())),
    };
    output::start_logging(arguments.verbose);
    let json = arguments.output.is_json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&error.into(), json),
    };
    let ended = runtime.block_on(Box::pin(command::run(arguments)));
    // Work handed to blocking threads may still wait for a peer; nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => exit::report(&error, json),
    }
}
