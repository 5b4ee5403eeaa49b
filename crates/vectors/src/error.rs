//! What can go wrong in the vector store.

use std::path::PathBuf;

use domain::ErrorKind;

/// Error from below, whose type stays inside this crate.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// An error of the vector store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// The caller asked for something that cannot be.
    #[error("{0}")]
    InvalidArgument(String),

    /// The space was never made.
    #[error("the vector space {space} does not exist")]
    UnknownSpace {
        /// Name of the space.
        space: String,
    },

    /// The space exists with vectors of another length.
    #[error(
        "the vector space {space} holds vectors of {stored} dimensions, not {asked}: \
         give another embedding model a space of its own"
    )]
    SpaceMismatch {
        /// Name of the space.
        space: String,
        /// Dimensions it was made with.
        stored: usize,
        /// Dimensions asked for.
        asked: usize,
    },

    /// Ids of a write belong to another tenant; nothing was written.
    #[error("{count} of the points in this write belong to another tenant; nothing was written")]
    OwnedByAnother {
        /// How many of them.
        count: u64,
    },

    /// Another process has the folder open.
    #[error(
        "the vector folder {path} is in use by another process: stop it, or give this one another \
         folder (vectors.path)"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },

    /// The files of a space cannot be read, or were written by an incompatible version.
    #[error(
        "the vector space {space} cannot be read: {detail}. Its content is derived from the \
         database: run `tenantry index rebuild`"
    )]
    Corrupt {
        /// Name of the space.
        space: String,
        /// What was found.
        detail: String,
    },

    /// The store was closed.
    #[error("the vector store is closed")]
    Closed,

    /// The disk has no room for a write; what was there before is as it was.
    #[error("the disk is full: the vector space {space} cannot be written")]
    DiskFull {
        /// Name of the space.
        space: String,
        /// The engine's own error.
        #[source]
        source: Source,
    },

    /// A call ended in a panic; the process goes on.
    #[error("the vector store panicked while {doing}: {detail}")]
    Panicked {
        /// The step that failed.
        doing: &'static str,
        /// The panic's message.
        detail: String,
    },

    /// The engine in process refused.
    #[error("the vector engine failed while {doing}")]
    Engine {
        /// The step that failed.
        doing: &'static str,
        /// The engine's own error.
        #[source]
        source: Source,
    },

    /// A file or folder could not be used.
    #[error("{doing} {path}")]
    Io {
        /// The step that failed.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },

    /// The Qdrant server refused or could not be reached.
    #[error("the Qdrant server failed while {doing}")]
    Server {
        /// The step that failed.
        doing: &'static str,
        /// What kind of failure it was.
        kind: ErrorKind,
        /// The client's own error.
        #[source]
        source: Source,
    },
}

impl VectorError {
    /// The kind of failure, for the boundary to answer with.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidArgument(_) => ErrorKind::InvalidArgument,
            Self::SpaceMismatch { .. }
            | Self::OwnedByAnother { .. }
            | Self::InUse { .. }
            | Self::Corrupt { .. } => ErrorKind::FailedPrecondition,
            // A space is there once it was opened, which whoever indexes does first.
            Self::UnknownSpace { .. } | Self::Closed | Self::DiskFull { .. } => {
                ErrorKind::Unavailable
            }
            Self::Panicked { .. } | Self::Engine { .. } | Self::Io { .. } => ErrorKind::Internal,
            Self::Server { kind, .. } => *kind,
        }
    }
}

impl domain::Fault for VectorError {
    fn kind(&self) -> ErrorKind {
        self.kind()
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::InvalidArgument(_) => "INVALID_VECTOR",
            Self::UnknownSpace { .. } => "UNKNOWN_SPACE",
            Self::SpaceMismatch { .. } => "SPACE_MISMATCH",
            Self::OwnedByAnother { .. } => "OWNED_BY_ANOTHER",
            Self::InUse { .. } => "VECTORS_IN_USE",
            Self::Corrupt { .. } => "VECTORS_CORRUPT",
            Self::Closed => "VECTORS_CLOSED",
            Self::DiskFull { .. } => "DISK_FULL",
            Self::Panicked { .. } | Self::Engine { .. } => "VECTORS_FAILED",
            Self::Io { .. } => "VECTORS_IO",
            Self::Server { .. } => "VECTORS_SERVER",
        }
    }
}
