//! Running asynchronous commands so that a signal still stops what they started.

use std::future::Future;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a command to its end, or to the first SIGINT or SIGTERM; dropping the command is what stops
/// its server.
///
/// # Errors
/// The command's own, and the interruption.
pub fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        tokio::select! {
            // First, so that a command that waits for the signal itself ends in its own way.
            biased;
            outcome = command => outcome,
            stopped = interrupted() => {
                stopped?;
                bail!("interrupted")
            }
        }
    })
}

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
