//! What can go wrong while costs are written down.

use domain::{ErrorKind, Fault};

/// Why costs could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum MeteringError {
    /// The CSV could not be written.
    #[error("the CSV could not be written")]
    Csv(#[source] csv::Error),
    /// The Parquet file could not be written.
    #[error("the Parquet file could not be written")]
    Parquet(#[source] parquet::errors::ParquetError),
    /// The page could not be written.
    #[error("the page could not be written")]
    Page(#[source] askama::Error),
    /// An amount or a quantity is too large to be true.
    #[error("{0} is too large to be true; look for a slip in quantities and prices")]
    TooLarge(&'static str),
}

impl Fault for MeteringError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Csv(_) | Self::Parquet(_) | Self::Page(_) => "COSTS_NOT_WRITTEN",
            Self::TooLarge(_) => "AMOUNT_OUT_OF_RANGE",
        }
    }
}
