//! How an ended command tells the shell.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | ended, and some items failed |
//! | 2 | usage or configuration: nothing was done |
//! | 3 | authentication |
//! | 4 | two disks that should be equal are not |
//! | 130 | interrupted |

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

use crate::output;

/// Everything was done.
pub(crate) const DONE: u8 = 0;
/// The command ended, and some items failed.
pub(crate) const FAILED: u8 = 1;
/// The arguments or the configuration are wrong.
pub(crate) const USAGE: u8 = 2;
/// A cloud did not accept the credentials.
pub(crate) const AUTHENTICATION: u8 = 3;
/// Two disks that should be equal are not.
pub(crate) const MISMATCH: u8 = 4;
/// The operator interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// A mistake in the arguments that only the command itself can see.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The operator interrupted a verb that has nothing to put back.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// An error of usage, for `?`.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Prints the error with its causes, and gives the exit code that goes with it.
pub(crate) fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let code = code_of(error);
    let hint = hint_of(error);
    if json {
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        error_line(&error.to_string(), &causes, hint, code);
    } else {
        eprintln!("osm-cli: {error:#}");
        if let Some(hint) = hint {
            eprintln!("    {hint}");
        }
    }
    ExitCode::from(code)
}

/// Prints what is wrong with the arguments, or the help that was asked for.
pub(crate) fn report_arguments(error: &clap::Error, json: bool) -> ExitCode {
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text.split("\n\nUsage:").next().unwrap_or_default();
        let message: Vec<&str> = message.trim_start_matches("error: ").split_whitespace().collect();
        error_line(&message.join(" "), &[], None, USAGE);
    } else {
        // A reader that has gone away needs no help.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { USAGE } else { DONE })
}

fn error_line(message: &str, causes: &[String], hint: Option<&str>, code: u8) {
    let mut line = json!({"event": "error", "message": message, "causes": causes, "exit_code": code});
    if let Some(hint) = hint {
        line["hint"] = hint.into();
    }
    output::json_line(&line);
}

/// What the operator can do, as the first cause that knows says.
fn hint_of(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| match cause.downcast_ref::<osm_vmware::Error>() {
        Some(error) => error.hint(),
        None => cause.downcast_ref::<osm_migrate::Error>()?.context().hint.as_deref(),
    })
}

/// The exit code of an error: that of the first cause that has one.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of_cause).unwrap_or(FAILED)
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if cause.is::<UsageError>() {
        return Some(USAGE);
    }
    if cause.is::<Interrupted>() {
        return Some(INTERRUPTED);
    }
    if let Some(error) = cause.downcast_ref::<osm_openstack::Error>() {
        return match error.kind() {
            osm_openstack::ErrorKind::Auth => Some(AUTHENTICATION),
            osm_openstack::ErrorKind::Config => Some(USAGE),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<osm_transfer::Error>() {
        return match error.kind() {
            osm_transfer::ErrorKind::Config => Some(USAGE),
            osm_transfer::ErrorKind::Interrupted => Some(INTERRUPTED),
            osm_transfer::ErrorKind::Mismatch => Some(MISMATCH),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<osm_migrate::Error>() {
        return match error.kind() {
            osm_migrate::ErrorKind::Auth => Some(AUTHENTICATION),
            osm_migrate::ErrorKind::Config | osm_migrate::ErrorKind::Data => Some(USAGE),
            osm_migrate::ErrorKind::Interrupted => Some(INTERRUPTED),
            osm_migrate::ErrorKind::Mismatch => Some(MISMATCH),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<osm_vmware::Error>() {
        return match error.kind() {
            osm_vmware::ErrorKind::Auth => Some(AUTHENTICATION),
            osm_vmware::ErrorKind::Config => Some(USAGE),
            _ => None,
        };
    }
    cause.is::<osm_model::Error>().then_some(USAGE)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_deep_in_the_chain_decides() {
        let mismatch = osm_transfer::Error::new(osm_transfer::ErrorKind::Mismatch, "blocks differ");
        let error = Err::<(), _>(mismatch).context("cannot verify the copy").unwrap_err();
        assert_eq!(code_of(&error), MISMATCH);
    }

    #[test]
    fn an_unknown_cause_is_a_failed_item() {
        assert_eq!(code_of(&anyhow::anyhow!("something else")), FAILED);
    }

    #[test]
    fn the_first_hint_is_told() {
        let error = osm_migrate::Error::new(osm_migrate::ErrorKind::Host, "no answer").with_hint("start it");
        let error = Err::<(), _>(error).context("the source's conversion host").unwrap_err();
        assert_eq!(hint_of(&error), Some("start it"));
    }

    #[test]
    fn usage_errors_are_told_apart() {
        assert_eq!(code_of(&usage("no such kind")), USAGE);
    }
}
