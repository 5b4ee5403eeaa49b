//! The base models, and where they and the ONNX Runtime library lie on a machine.
//!
//! `cargo xtask setup` fills these folders and the embedder reads them. A crate without dependencies,
//! so that both agree and the xtask need not compile the runtime.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The ONNX Runtime release that setup installs.
pub const ONNXRUNTIME_VERSION: &str = "1.31.1";

/// The ONNX graph, in the model folder.
pub const MODEL_FILE: &str = "model.onnx";

/// The tokenizer, in the model folder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// The token vectors of a static model, in the model folder.
pub const TABLE_FILE: &str = "token-vectors.bin";

/// All that the folder of a transformer must hold.
pub const MODEL_FILES: [&str; 5] = [
    MODEL_FILE,
    TOKENIZER_FILE,
    "config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
];

/// All that the folder of a static model must hold.
pub const STATIC_FILES: [&str; 2] = [TABLE_FILE, TOKENIZER_FILE];

/// How a base model makes a vector from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// A graph reads the whole text and gives a vector for each token, which are pooled by the mean.
    /// Milliseconds a text.
    Transformer {
        /// The graph's output with one vector a token.
        token_output: &'static str,
    },
    /// Each token has one vector, whatever stands beside it; a text's is their sum, scaled. Microseconds a
    /// text.
    Static {
        /// The name of the transformer that the token vectors were distilled from.
        distilled_from: &'static str,
    },
    /// Every vector is zero, which is near nothing: words, and who answered what, say everything.
    Empty,
}

/// A base model that tenants' vectors can be made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseModel {
    /// Its name, which is also the name of its vector space.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// Its folder below the cache folder, with [`BaseModel::files`]. The number at its end grows when the
    /// files change, so that two checkouts of different age never overwrite each other's model.
    pub folder: &'static str,
    /// How it makes vectors.
    pub kind: ModelKind,
    /// Length of its vectors.
    pub dimensions: usize,
    /// Texts are cut to this many tokens, a transformer's two marks at the ends included. Another limit makes
    /// other vectors, so it needs an entry of its own.
    pub max_tokens: usize,
}

impl BaseModel {
    /// All that its folder must hold.
    #[must_use]
    pub fn files(&self) -> &'static [&'static str] {
        match self.kind {
            ModelKind::Transformer { .. } => &MODEL_FILES,
            ModelKind::Static { .. } => &STATIC_FILES,
            ModelKind::Empty => &[],
        }
    }
}

/// The catalogue. The first one is the default, which every server has; the others are loaded when a
/// tenant needs them. All that read texts read the vocabulary of BERT (uncased).
pub const MODELS: [BaseModel; 4] = [
    BaseModel {
        name: "minilm-l6-v2-int8",
        title: "all-MiniLM-L6-v2 as int8 ONNX",
        folder: "minilm-l6-v2-int8-1",
        kind: ModelKind::Transformer {
            token_output: "last_hidden_state",
        },
        dimensions: 384,
        max_tokens: 256,
    },
    BaseModel {
        name: "paraphrase-minilm-l3",
        title: "paraphrase-MiniLM-L3-v2 as fp32 ONNX",
        folder: "paraphrase-minilm-l3-1",
        kind: ModelKind::Transformer {
            // Its output named `output` is the input ids again.
            token_output: "onnx::Shape_422",
        },
        dimensions: 384,
        max_tokens: 256,
    },
    BaseModel {
        name: "minilm-static",
        title: "token vectors distilled from all-MiniLM-L6-v2",
        folder: "minilm-static-1",
        kind: ModelKind::Static {
            distilled_from: "minilm-l6-v2-int8",
        },
        dimensions: 256,
        max_tokens: 1024,
    },
    BaseModel {
        name: "none",
        title: "no vectors: words alone",
        folder: "none",
        kind: ModelKind::Empty,
        // A space needs a length; all its vectors are zero.
        dimensions: 1,
        max_tokens: 1024,
    },
];

/// The model of the catalogue with this name.
#[must_use]
pub fn model_named(name: &str) -> Option<&'static BaseModel> {
    MODELS.iter().find(|model| model.name == name)
}

/// File name of the ONNX Runtime library on this platform.
pub const ONNXRUNTIME_FILE: &str = if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// `$XDG_CACHE_HOME/tenantry`, or else `~/.cache/tenantry`. `None` where neither variable is known.
#[must_use]
pub fn default_cache_dir() -> Option<PathBuf> {
    cache_dir_from(std::env::var_os("XDG_CACHE_HOME"), std::env::home_dir())
}

/// The folder of the default model that setup fills: it holds [`MODEL_FILES`].
#[must_use]
pub fn default_model_dir() -> Option<PathBuf> {
    default_cache_dir().map(|cache| model_dir_in(&cache, &MODELS[0]))
}

/// The ONNX Runtime library that setup installs.
#[must_use]
pub fn default_onnxruntime() -> Option<PathBuf> {
    default_cache_dir().map(|cache| onnxruntime_dir_in(&cache).join(ONNXRUNTIME_FILE))
}

/// The folder of a model below a cache folder.
#[must_use]
pub fn model_dir_in(cache: &Path, model: &BaseModel) -> PathBuf {
    cache.join(model.folder)
}

/// The folder of the ONNX Runtime library below a cache folder.
#[must_use]
pub fn onnxruntime_dir_in(cache: &Path) -> PathBuf {
    cache.join(format!("onnxruntime-{ONNXRUNTIME_VERSION}"))
}

fn cache_dir_from(xdg_cache_home: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The XDG rules say to ignore a relative path.
    let base = xdg_cache_home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| {
            home.filter(|path| path.is_absolute())
                .map(|path| path.join(".cache"))
        })?;
    Some(base.join("tenantry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_wins_over_home_and_relative_paths_are_ignored() {
        let home = || Some(PathBuf::from("/home/someone"));
        let xdg = |path: &str| Some(OsString::from(path));
        assert_eq!(
            cache_dir_from(xdg("/cache"), home()),
            Some("/cache/tenantry".into())
        );
        assert_eq!(
            cache_dir_from(xdg("cache"), home()),
            Some("/home/someone/.cache/tenantry".into())
        );
        assert_eq!(
            cache_dir_from(xdg(""), home()),
            Some("/home/someone/.cache/tenantry".into())
        );
        assert_eq!(cache_dir_from(None, None), None);
    }
}
