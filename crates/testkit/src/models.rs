//! The base models of this machine.

use std::path::PathBuf;

/// The name of the default base model, and of another one.
pub const BASE_MODELS: [&str; 2] = [model_files::MODELS[0].name, model_files::MODELS[1].name];

/// The files of the default base model on this machine.
///
/// # Panics
/// When no home folder is known.
#[must_use]
pub fn default_model_files() -> Vec<PathBuf> {
    let named = std::env::var_os("TENANTRY_MODEL_DIR").map(PathBuf::from);
    let folder = named
        .or_else(model_files::default_model_dir)
        .expect("a folder");
    model_files::MODEL_FILES
        .map(|file| folder.join(file))
        .into()
}

/// Whether the second base model is on this machine; says so loudly where it is not.
#[must_use]
pub fn has_second_model() -> bool {
    let cache = model_files::default_cache_dir();
    let there = cache.is_some_and(|cache| {
        let folder = model_files::model_dir_in(&cache, &model_files::MODELS[1]);
        model_files::MODEL_FILES
            .iter()
            .all(|file| folder.join(file).is_file())
    });
    if !there {
        let name = BASE_MODELS[1];
        #[allow(clippy::print_stderr, reason = "what is skipped is said")]
        {
            eprintln!("SKIPPED: no second model; run `cargo xtask setup --model {name}`");
        }
    }
    there
}
