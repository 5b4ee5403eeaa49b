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
    let name = BASE_MODELS[1];
    has_model(name, &format!("cargo xtask setup --model {name}"))
}

/// The name of the static base model.
pub const STATIC_MODEL: &str = "minilm-static";

/// Whether the static base model is on this machine; says so loudly where it is not.
#[must_use]
pub fn has_static_model() -> bool {
    has_model(STATIC_MODEL, "cargo xtask setup")
}

fn has_model(name: &str, remedy: &str) -> bool {
    let cache = model_files::default_cache_dir();
    let there = cache.zip(model_files::model_named(name));
    let there = there.is_some_and(|(cache, model)| {
        let folder = model_files::model_dir_in(&cache, model);
        model.files().iter().all(|file| folder.join(file).is_file())
    });
    if !there {
        #[allow(clippy::print_stderr, reason = "what is skipped is said")]
        {
            eprintln!("SKIPPED: no {name}; run `{remedy}`");
        }
    }
    there
}
