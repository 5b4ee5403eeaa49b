//! Progress of a training, and why one ends without a model.

/// How far training is: a fraction from 0 to 1 and what it does.
pub type Progress<'a> = dyn Fn(f32, &str) -> bool + Sync + 'a;

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// There is too little to learn from.
    #[error("{found} items with an expert are too few to train on; {needed} are needed")]
    TooFewItems {
        /// What there is.
        found: usize,
        /// What is needed.
        needed: usize,
    },
    /// There are no experts to choose between.
    #[error("all items were answered by one expert; there is nothing to learn")]
    OneExpert,
    /// The caller asked to stop.
    #[error("training was stopped")]
    Stopped,
}

/// Reports progress.
///
/// # Errors
/// [`TrainError::Stopped`] when the caller asked to stop.
pub(crate) fn go_on(progress: &Progress<'_>, fraction: f32, step: &str) -> Result<(), TrainError> {
    if progress(fraction, step) {
        Ok(())
    } else {
        Err(TrainError::Stopped)
    }
}
