//! What can go wrong in the store, and what of it may be shown.

use std::error::Error as StdError;
use std::fmt::Display;

use domain::{ErrorKind, FieldViolation};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr, sqlx};

/// The result of everything here.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync>;

/// Why the store refused or failed.
///
/// The messages are safe to show to a caller; what only operators should read is in the source.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It is there already, or was and must not be made again.
    #[error("{what} already exists")]
    AlreadyExists {
        /// What exists, for example `tenants/acme`.
        what: String,
    },
    /// It is not there, or not this tenant's.
    #[error("{what} was not found")]
    NotFound {
        /// What was looked for, for example `tenants/acme`.
        what: String,
    },
    /// Somebody else was quicker; the same call again can succeed.
    #[error("{what}; try again")]
    Conflict {
        /// What stood in the way, as the beginning of a sentence.
        what: String,
    },
    /// The request id was used before, for another request.
    #[error("this request_id was used before with other contents; use a new one")]
    RequestIdReused,
    /// The worker no longer holds the job: its lease ran out or the job is gone.
    #[error("the lease on this job is no longer held")]
    LeaseLost,
    /// The tenant is being erased: nothing can be written for it any more.
    #[error("tenants/{tenant} is being erased")]
    Erasing {
        /// The tenant.
        tenant: String,
    },
    /// The store is opened with settings it cannot use.
    #[error("storage.{0}")]
    Config(FieldViolation),
    /// The store cannot be reached, or is too busy; later the same call can succeed.
    #[error("the store cannot be reached now; try again")]
    Unavailable(#[source] Source),
    /// A stored row cannot be read back: a bug, or a hand in the database.
    #[error("stored data cannot be read")]
    Corrupt(#[source] CorruptRow),
    /// The database failed.
    #[error("the store failed")]
    Database(#[source] Source),
}

/// Which stored value cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("{field} cannot be read: {why}")]
pub struct CorruptRow {
    field: &'static str,
    why: String,
}

impl StorageError {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyExists { .. } => ErrorKind::AlreadyExists,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Conflict { .. } | Self::LeaseLost => ErrorKind::Aborted,
            Self::RequestIdReused | Self::Config(_) => ErrorKind::InvalidArgument,
            Self::Erasing { .. } => ErrorKind::FailedPrecondition,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::DataLoss,
            Self::Database(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn already_exists(what: impl Into<String>) -> Self {
        Self::AlreadyExists { what: what.into() }
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }

    pub(crate) fn corrupt(field: &'static str, why: impl Display) -> Self {
        Self::Corrupt(CorruptRow {
            field,
            why: why.to_string(),
        })
    }
}

impl From<DbErr> for StorageError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                return Self::conflict("the same was written at the same time");
            }
            // All references but that of an alias are to the tenant, and a version is looked up
            // before an alias is set.
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Self::not_found("the tenant"),
            _ => {}
        }
        if let DbErr::ConnectionAcquire(
            ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed,
        )
        | DbErr::Conn(_) = error
        {
            return Self::Unavailable(Box::new(error));
        }
        match sqlx_error(&error) {
            Some(sqlx::Error::Database(cause)) => match cause.code().as_deref() {
                // PostgreSQL: serialization failure, deadlock.
                Some("40001" | "40P01") => Self::conflict("others wrote at the same time"),
                // PostgreSQL: too many connections, shutting down, starting up.
                Some("53300" | "57P01" | "57P02" | "57P03") => Self::Unavailable(Box::new(error)),
                // SQLite: another process holds the file longer than the busy timeout.
                Some("5" | "261" | "517") => Self::Unavailable(Box::new(error)),
                _ => Self::Database(Box::new(error)),
            },
            Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
                Self::Unavailable(Box::new(error))
            }
            _ => Self::Database(Box::new(error)),
        }
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            Some(cause)
        }
        _ => None,
    }
}

impl domain::Fault for StorageError {
    fn kind(&self) -> ErrorKind {
        self.kind()
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Conflict { .. } => "CONFLICT",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::LeaseLost => "LEASE_LOST",
            Self::Erasing { .. } => "TENANT_ERASING",
            Self::Config(_) => "STORAGE_CONFIG",
            Self::Unavailable(_) => "STORAGE_UNAVAILABLE",
            Self::Corrupt(_) => "STORAGE_CORRUPT",
            Self::Database(_) => "STORAGE_FAILED",
        }
    }
}
