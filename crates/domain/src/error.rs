//! The small shared vocabulary of failures.

/// What kind of failure an error is, whatever crate it comes from.
///
/// Each crate's error enum maps itself to one of these; only `server` turns a kind into a gRPC
/// status. The names are those of `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ErrorKind {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    Unauthenticated,
    FailedPrecondition,
    ResourceExhausted,
    Aborted,
    Cancelled,
    DeadlineExceeded,
    Unavailable,
    Unimplemented,
    Internal,
    DataLoss,
}

/// One field of a request that cannot be accepted, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field as the caller wrote it, for example `item.text`.
    pub field: String,
    /// What is wrong and how to correct it.
    pub message: String,
}

impl FieldViolation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for FieldViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// An error that knows what kind of failure it is: what every crate's error enum implements, so
/// that one place can turn all of them into what callers see.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// What kind of failure it is.
    fn kind(&self) -> ErrorKind;

    /// A stable code in `UPPER_SNAKE_CASE` that programs can act on.
    fn reason(&self) -> &'static str;

    /// The fields of the request that cannot be accepted, if that is what it is about.
    fn violations(&self) -> Vec<FieldViolation> {
        Vec::new()
    }
}

/// The error and all its causes, for the log.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
