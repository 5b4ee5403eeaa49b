//! What can go wrong for a person at the command line: one sentence, what to do, an exit code.

use std::fmt::Write as _;
use std::io;

use tables::FileError;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Exit codes. Scripts rely on them: they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something unexpected.
    Unexpected = 1,
    /// The command line, or a file it names, cannot be used.
    Usage = 2,
    /// No such thing.
    NotFound = 3,
    /// Refused by the server as invalid, or not possible now.
    Refused = 4,
    /// No key, a wrong key, or a key without the permission.
    Denied = 5,
    /// The server cannot be reached, is overloaded, or did not answer in time.
    Unreachable = 6,
    /// Finished, but some rows were rejected or the file is damaged.
    RowsRejected = 7,
    /// The job that was waited for failed or was cancelled.
    JobFailed = 8,
    /// A model was made again, and is not the same.
    NotReproduced = 9,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

/// The exit codes, for `--help`.
pub const EXIT_CODES: &str = "Exit codes:
  0    done
  1    unexpected error
  2    the command line, or a file it names, cannot be used
  3    not found
  4    refused by the server: invalid, or not possible now
  5    no key, wrong key, or a key without the permission
  6    server unreachable, overloaded, or too late
  7    finished, but some rows were rejected or the file is damaged
  8    the job that was waited for failed or was cancelled
  9    a model could not be made again with the same bytes
  130  stopped by Ctrl-C";

/// An error as it is shown.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// How the program ends.
    pub exit: Exit,
    message: String,
    /// Field and what is wrong with it.
    violations: Vec<(String, String)>,
    /// The server's stable reason code.
    reason: Option<String>,
    hints: Vec<String>,
    broken_pipe: bool,
}

impl CliError {
    /// An error with an exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            violations: Vec::new(),
            reason: None,
            hints: Vec::new(),
            broken_pipe: false,
        }
    }

    /// The command line cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what to do when nothing was found.
    #[must_use]
    pub fn when_missing(self, hint: &str) -> Self {
        if self.exit == Exit::NotFound {
            self.hint(hint)
        } else {
            self
        }
    }

    /// Whether nobody reads the output any more: the end of the program, and no error.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    /// The whole error for a person.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!("error: {}", self.message);
        // The server's sentence may have told them already.
        let told = |wrong: &str| self.message.contains(wrong);
        for (field, wrong) in self.violations.iter().filter(|(_, wrong)| !told(wrong)) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {field}: {wrong}");
        }
        if let Some(reason) = &self.reason {
            let _ = write!(text, "\n  reason: {reason}");
        }
        for hint in &self.hints {
            let _ = write!(text, "\n  hint: {hint}");
        }
        text
    }
}

impl From<Status> for CliError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let exit = exit_of(status.code());
        let mut error = Self::new(exit, sentence(&status));
        if let Some(bad) = details.bad_request() {
            let violations = bad.field_violations.iter();
            error.violations = violations
                .map(|one| (one.field.clone(), one.description.clone()))
                .collect();
        }
        error.reason = details.error_info().map(|info| info.reason.clone());
        let delay = details.retry_info().and_then(|retry| retry.retry_delay);
        let hint = match (status.code(), delay) {
            (_, Some(delay)) => Some(format!(
                "try again in {:.1} seconds",
                delay.as_secs_f64().max(0.1)
            )),
            (Code::ResourceExhausted, None) => Some("try again in a moment".to_owned()),
            (Code::DeadlineExceeded | Code::Cancelled, None) => {
                Some("give it more time with --timeout SECONDS".to_owned())
            }
            (Code::Unavailable, None) => Some(
                "is the server running? Start one with `tenantry serve`, or name another with \
                 --endpoint"
                    .to_owned(),
            ),
            (Code::Unimplemented, None) => {
                Some("the server is older than this program, or does not offer this yet".to_owned())
            }
            (Code::Internal | Code::Unknown | Code::DataLoss, None) => {
                Some("the server's log has the details".to_owned())
            }
            _ => None,
        };
        error.hints.extend(hint);
        error
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        let mut shown = Self::new(Exit::Unexpected, error.to_string());
        shown.broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        shown
    }
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        // Writing JSON fails only where the writing fails.
        Self::from(io::Error::from(error))
    }
}

impl From<csv::Error> for CliError {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::from(error),
            other => Self::new(
                Exit::Unexpected,
                format!("the output cannot be written: {other:?}"),
            ),
        }
    }
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Done,
        Code::NotFound => Exit::NotFound,
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::Aborted
        | Code::OutOfRange => Exit::Refused,
        Code::Unauthenticated | Code::PermissionDenied => Exit::Denied,
        // A deadline that passes on this side shows as cancelled.
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => {
            Exit::Unreachable
        }
        Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => Exit::Unexpected,
    }
}

/// The server's sentence; where it has none, or where the connection made it, one of our own.
fn sentence(status: &Status) -> String {
    let message = status.message();
    match status.code() {
        Code::Cancelled | Code::DeadlineExceeded if message.contains("imeout") => {
            "the server did not answer in time".to_owned()
        }
        Code::Unavailable if message.contains("transport") || message.contains("tcp connect") => {
            "the connection to the server broke".to_owned()
        }
        code if message.is_empty() => format!("the server answered: {}", code.description()),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::{ErrorDetails, FieldViolation};

    #[test]
    fn a_status_becomes_sentence_fields_reason_and_hint() {
        let mut details = ErrorDetails::with_bad_request(vec![FieldViolation::new(
            "tenant_id",
            "may have lower-case letters, digits and '-'",
        )]);
        details.set_error_info(
            "INVALID_ARGUMENT",
            "tenantry",
            std::collections::HashMap::new(),
        );
        let status = Status::with_error_details(
            Code::InvalidArgument,
            "the tenant cannot be created",
            details,
        );
        let error = CliError::from(status);
        assert_eq!(error.exit, Exit::Refused);
        assert_eq!(
            error.report(),
            "error: the tenant cannot be created\n  tenant_id: may have lower-case letters, digits \
             and '-'\n  reason: INVALID_ARGUMENT"
        );
    }

    #[test]
    fn overload_says_when_to_come_back() {
        let delay = std::time::Duration::from_millis(2_500);
        let details = ErrorDetails::with_retry_info(Some(delay));
        let status = Status::with_error_details(Code::ResourceExhausted, "too many", details);
        let error = CliError::from(status);
        assert_eq!(error.exit, Exit::Unreachable);
        assert!(
            error.report().contains("try again in 2.5 seconds"),
            "{}",
            error.report()
        );
    }

    #[test]
    fn each_code_has_its_exit() {
        let exits = [
            (Code::NotFound, Exit::NotFound),
            (Code::FailedPrecondition, Exit::Refused),
            (Code::PermissionDenied, Exit::Denied),
            (Code::Unavailable, Exit::Unreachable),
            (Code::Cancelled, Exit::Unreachable),
            (Code::Internal, Exit::Unexpected),
        ];
        for (code, exit) in exits {
            assert_eq!(CliError::from(Status::new(code, "")).exit, exit);
            assert!(EXIT_CODES.contains(&format!("\n  {} ", exit as u8)));
        }
    }
}
