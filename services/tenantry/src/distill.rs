//! `tenantry distill`: the token vectors of static models, made from the transformer on this machine.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use distillation::Distilled;
use embedding::{MODELS, ModelKind};
use server::config::Config;

use crate::parts::embedding_config;

/// The options of `tenantry distill`.
#[derive(Debug, Clone, clap::Args)]
pub struct DistillArgs {
    /// The configuration file (TOML), for where the models lie
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Make them again, even when they are there
    #[arg(long)]
    pub force: bool,
}

/// Makes the files of each static model of the catalogue, unless they are there. Blocks for some ten seconds.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn run(args: &DistillArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), std::env::vars())?;
    let config = embedding_config(&config);
    let is_static = |kind| matches!(kind, ModelKind::Static { .. });
    for model in MODELS.iter().filter(|model| is_static(model.kind)) {
        let folder = config.folder_of(model);
        let folder =
            folder.context("no home folder is known: name the model in embedding.model_dirs")?;
        let made = distillation::distill(model, &folder, &config, args.force)?;
        let said = match made {
            Distilled::There => format!("{} is in {}", model.name, folder.display()),
            Distilled::Made {
                tokens,
                kept_variance,
            } => format!(
                "made {} in {}: {tokens} tokens, {} numbers each, {:.1} % of the variance",
                model.name,
                folder.display(),
                model.dimensions,
                100.0 * kept_variance
            ),
        };
        writeln!(std::io::stdout(), "{said}")?;
    }
    Ok(())
}
