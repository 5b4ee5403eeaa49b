//! The server that a measurement works on: started on empty stores, used, stopped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use testkit::ServerProcess;
use testkit::clients::Operator;

/// What a measurement is made of beside its data.
#[derive(Debug)]
pub struct Programs {
    /// The workspace's folder.
    pub workspace: PathBuf,
    /// The server's program.
    pub server: PathBuf,
}

impl Programs {
    /// Finds the workspace from where the caller stands, and the server that was built with this
    /// program. `optimized` says that it has to be a release build.
    ///
    /// # Errors
    /// Outside of a workspace; a program that was built in another way.
    pub fn find(optimized: bool) -> Result<Self> {
        ensure!(
            !optimized || !cfg!(debug_assertions),
            "this program is not optimized: `cargo xtask` builds it, and the server, as asked"
        );
        let here = std::env::current_dir()?;
        let workspace = here
            .ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file());
        Ok(Self {
            workspace: workspace
                .context("run this inside the workspace")?
                .to_owned(),
            server: testkit::process::program()?,
        })
    }
}

/// Starts a server, lets `work` use it, and stops it.
///
/// # Errors
/// The work's, with the server's own words when it died; a server that does not start or stop well.
pub async fn with_server<T>(
    programs: &Programs,
    work: impl AsyncFnOnce(&ServerProcess, &Operator) -> Result<T>,
) -> Result<T> {
    with_server_of(programs, &[], work).await
}

/// [`with_server`] whose server has `settings`, variables of its environment.
///
/// # Errors
/// As of [`with_server`].
pub async fn with_server_of<T>(
    programs: &Programs,
    settings: &[(&str, &str)],
    work: impl AsyncFnOnce(&ServerProcess, &Operator) -> Result<T>,
) -> Result<T> {
    // Outlives the server, whose data it holds.
    let folder = data_folder()?;
    with_server_in(programs, folder.path(), settings, work).await
}

/// A folder for a server's data; it goes when this is dropped.
///
/// # Errors
/// It cannot be made.
pub fn data_folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("tenantry-").tempdir()?)
}

/// [`with_server_of`] with its data in a folder, which another server may have filled before.
///
/// # Errors
/// As of [`with_server`].
pub async fn with_server_in<T>(
    programs: &Programs,
    folder: &Path,
    settings: &[(&str, &str)],
    work: impl AsyncFnOnce(&ServerProcess, &Operator) -> Result<T>,
) -> Result<T> {
    let mut server = ServerProcess::start(&programs.server, folder, settings).await?;
    let operator = Operator::connect(&server.endpoint, &server.operator_key).await?;
    match work(&server, &operator).await {
        Ok(outcome) => server.stop().await.map(|()| outcome),
        Err(error) => Err(server.explain(error)),
    }
}
