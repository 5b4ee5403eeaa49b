//! Why a job did not succeed, and whether it is tried again.

use domain::{ErrorKind, Fault, error_chain};

/// Why a job did not succeed.
///
/// An error of an adapter or a use case becomes one by its kind: what may pass (a store that is away,
/// two writers at once, an engine that failed) is tried again, what will be the same next time (a
/// tenant that is not there, a setting that is missing, damaged data) is not. So `?` is enough in most
/// handlers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobFailure {
    /// It may work later: something it needs was away.
    Retry(String),
    /// It will not work, however often it is tried. The sentence is for the tenant.
    Fail(String),
    /// It saw that it was asked to stop.
    Cancelled,
}

impl JobFailure {
    /// A failure that stays.
    pub fn fail(message: impl Into<String>) -> Self {
        Self::Fail(message.into())
    }

    /// The same, but tried again where it would not be: of work that must be done in the end, because
    /// nobody would ask for it a second time.
    #[must_use]
    pub fn keep_trying(self) -> Self {
        match self {
            Self::Fail(message) => Self::Retry(message),
            other => other,
        }
    }

    /// A failure that may pass although its kind does not say so; `message` says of what, to the tenant.
    pub fn retry(message: impl Into<String>, error: &impl Fault) -> Self {
        let message = message.into();
        tracing::warn!(error = error_chain(error), message, "a job is tried again");
        Self::Retry(message)
    }
}

impl<E: Fault> From<E> for JobFailure {
    fn from(error: E) -> Self {
        let (kind, reason, cause) = (error.kind(), error.reason(), error_chain(&error));
        if may_pass(kind) {
            tracing::warn!(error = cause, reason, "a job is tried again");
            return Self::Retry(format!(
                "a part that this job needs failed or did not answer ({reason})"
            ));
        }
        tracing::error!(error = cause, reason, "a job failed for good");
        match kind {
            ErrorKind::DataLoss => Self::Fail(format!(
                "stored data is damaged ({reason}); the log has the details for an operator"
            )),
            _ => Self::Fail(error.to_string()),
        }
    }
}

/// Whether the same may work when it is tried again later.
fn may_pass(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::ResourceExhausted
        | ErrorKind::Aborted
        | ErrorKind::Cancelled
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Unavailable
        | ErrorKind::Internal => true,
        ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::PermissionDenied
        | ErrorKind::Unauthenticated
        | ErrorKind::FailedPrecondition
        | ErrorKind::Unimplemented
        | ErrorKind::DataLoss => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the shelf is on fire")]
    struct Broken(ErrorKind);

    impl Fault for Broken {
        fn kind(&self) -> ErrorKind {
            self.0
        }

        fn reason(&self) -> &'static str {
            "ON_FIRE"
        }
    }

    #[test]
    fn the_kind_of_an_error_decides_and_internals_stay_inside() {
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::Aborted,
            ErrorKind::Internal,
        ] {
            let failure = JobFailure::from(Broken(kind));
            let JobFailure::Retry(message) = failure else {
                panic!("{kind:?}: {failure:?}")
            };
            assert!(
                message.contains("ON_FIRE") && !message.contains("shelf"),
                "{message}"
            );
        }
        for kind in [ErrorKind::NotFound, ErrorKind::FailedPrecondition] {
            let expected = JobFailure::fail("the shelf is on fire");
            assert_eq!(JobFailure::from(Broken(kind)), expected, "{kind:?}");
        }
        let kept = JobFailure::from(Broken(ErrorKind::NotFound)).keep_trying();
        assert_eq!(kept, JobFailure::Retry("the shelf is on fire".to_owned()));
        assert_eq!(JobFailure::Cancelled.keep_trying(), JobFailure::Cancelled);
        let damaged = JobFailure::from(Broken(ErrorKind::DataLoss));
        assert!(matches!(damaged, JobFailure::Fail(message) if !message.contains("shelf")));
    }
}
