//! The platform that a command works on: built, started, used, stopped.

use std::path::PathBuf;

use anyhow::Result;

use crate::clients::Operator;
use crate::server_process::ServerProcess;
use crate::setup::{self, Assets};
use crate::workspace::{self, Build};

/// What is needed to start a server.
#[derive(Debug)]
pub struct Prepared {
    /// The workspace's folder.
    pub root: PathBuf,
    /// The server.
    pub executable: PathBuf,
    assets: Assets,
}

impl Prepared {
    /// The files of the embedding model.
    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.assets
    }
}

/// Gets the embedding model, builds the server.
///
/// # Errors
/// When either fails.
pub fn prepare(build: Build) -> Result<Prepared> {
    let root = workspace::root()?;
    let assets = setup::ensure(true)?;
    let executable = workspace::build(&root, build)?;
    Ok(Prepared {
        root,
        executable,
        assets,
    })
}

/// Starts a server, lets `work` use it, and stops it.
///
/// # Errors
/// The work's, with the server's own words when it died; a server that does not start or stop well.
pub async fn with_server<T>(
    prepared: &Prepared,
    work: impl AsyncFnOnce(&ServerProcess, &Operator) -> Result<T>,
) -> Result<T> {
    with_server_of(prepared, &[], work).await
}

/// [`with_server`] whose server has `settings`, variables of its environment.
///
/// # Errors
/// As of [`with_server`].
pub async fn with_server_of<T>(
    prepared: &Prepared,
    settings: &[(&str, &str)],
    work: impl AsyncFnOnce(&ServerProcess, &Operator) -> Result<T>,
) -> Result<T> {
    let mut server = ServerProcess::start(&prepared.executable, &prepared.assets, settings).await?;
    let operator = Operator::connect(&server.endpoint, &server.operator_key).await?;
    match work(&server, &operator).await {
        Ok(outcome) => server.stop().map(|()| outcome),
        Err(error) => Err(server.explain(error)),
    }
}
