//! The static embedding model: made here from the installed transformer, with the server that was built.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Assets;
use crate::test::succeed;
use crate::workspace;

/// Makes the token vectors unless they are there; with `again`, also then. Some ten seconds, the first time.
///
/// # Errors
/// When the server cannot make them; it has said why.
pub fn distill(server: &Path, assets: &Assets, again: bool) -> Result<()> {
    let mut command = workspace::detached(server);
    command
        .arg("distill")
        .args(again.then_some("--force"))
        .env("TENANTRY_MODEL_DIR", &assets.model_dir)
        .env("ORT_DYLIB_PATH", &assets.onnxruntime);
    succeed(&mut command, "the distillation of the static model")
        .context("the static embedding model cannot be made")
}
