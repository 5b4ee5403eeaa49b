//! Errors to status: the only place where a failure becomes something a caller sees.

use std::collections::HashMap;
use std::time::Duration;

use domain::{ErrorKind, Fault, FieldViolation, IdError, NameError, error_chain};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of all reason codes in `google.rpc.ErrorInfo`.
const ERROR_DOMAIN: &str = "tenantry";

/// A failure on its way to a caller.
#[derive(Debug)]
pub struct ServiceError {
    kind: ErrorKind,
    reason: &'static str,
    message: String,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    /// Detail for the log only; never sent.
    internal: Option<String>,
}

impl ServiceError {
    /// A failure with a sentence for the caller.
    pub fn new(kind: ErrorKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            violations: Vec::new(),
            retry_after: None,
            internal: None,
        }
    }

    /// Something that is not there.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::NotFound,
            "NOT_FOUND",
            format!("{what} was not found"),
        )
    }

    /// One field that cannot be accepted.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::violations(vec![FieldViolation::new(field, message)])
    }

    /// Fields that cannot be accepted.
    #[must_use]
    pub fn violations(violations: Vec<FieldViolation>) -> Self {
        let all: Vec<_> = violations.iter().map(ToString::to_string).collect();
        let message = format!("the request cannot be accepted: {}", all.join("; "));
        let mut error = Self::new(ErrorKind::InvalidArgument, "INVALID_FIELD", message);
        error.violations = violations;
        error
    }

    /// Something that must not happen; `detail` is logged and not sent.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        let mut error = Self::new(ErrorKind::Internal, "INTERNAL", "");
        error.internal = Some(detail.to_string());
        error
    }

    /// Tells the caller when to try again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code for programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The sentence for the caller; empty for an internal error.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::fmt::Display for ServiceError {
    /// For operators: with the detail that callers do not get.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.internal, self.message.as_str()) {
            (Some(detail), _) => write!(f, "{}: {detail}", self.reason),
            (None, message) => write!(f, "{}: {message}", self.reason),
        }
    }
}

impl std::error::Error for ServiceError {}

impl<E: Fault> From<E> for ServiceError {
    fn from(error: E) -> Self {
        let kind = error.kind();
        let hidden = matches!(
            kind,
            ErrorKind::Internal | ErrorKind::DataLoss | ErrorKind::Unavailable
        );
        let mut made = Self::new(kind, error.reason(), error.to_string());
        made.violations = error.violations();
        if hidden {
            made.internal = Some(error_chain(&error));
        }
        if kind == ErrorKind::ResourceExhausted {
            made.retry_after = Some(Duration::from_millis(500));
        }
        made
    }
}

/// Names and ids that a request spelled wrong.
impl ServiceError {
    /// A resource name of another form than the field wants.
    pub fn name(field: &str, error: &NameError) -> Self {
        Self::invalid(field, error.to_string())
    }

    /// An id that is not well formed.
    pub fn id(field: &str, error: &IdError) -> Self {
        Self::invalid(field, error.to_string())
    }
}

impl From<ServiceError> for Status {
    fn from(error: ServiceError) -> Self {
        let code = code(error.kind);
        let message = match (&error.internal, error.kind) {
            (Some(detail), kind) => {
                tracing::error!(reason = error.reason, detail, "request failed");
                let what = if kind == ErrorKind::Unavailable {
                    "a part that this request needs is not available now; try again"
                } else {
                    "an internal error; the log has it under this request's trace id"
                };
                what.to_owned()
            }
            (None, _) => error.message,
        };
        let mut details = ErrorDetails::with_error_info(error.reason, ERROR_DOMAIN, HashMap::new());
        for violation in error.violations {
            details.add_bad_request_violation(violation.field, violation.message);
        }
        let retry = error
            .retry_after
            .or_else(|| (error.kind == ErrorKind::Unavailable).then_some(Duration::from_secs(1)));
        if let Some(delay) = retry {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(code, message, details)
    }
}

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::Internal => Code::Internal,
        ErrorKind::DataLoss => Code::DataLoss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("disk /dev/sda of host 10.0.0.7 is full")]
    struct Leaky;
    impl Fault for Leaky {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Internal
        }
        fn reason(&self) -> &'static str {
            "DISK"
        }
    }

    #[test]
    fn internals_are_not_returned() {
        let status = Status::from(ServiceError::from(Leaky));
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("sda"), "{}", status.message());
        assert!(!String::from_utf8_lossy(status.details()).contains("sda"));
        assert_eq!(
            status.get_error_details().error_info().unwrap().reason,
            "DISK"
        );
    }

    #[test]
    fn violations_name_their_fields() {
        let status = Status::from(ServiceError::invalid("text", "is empty"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(
            status.message().contains("text: is empty"),
            "{}",
            status.message()
        );
        let details = status.get_error_details();
        assert_eq!(
            details.bad_request().unwrap().field_violations[0].field,
            "text"
        );
    }
}
