//! Configuration: defaults, then the file, then `TENANTRY_*` variables, then flags.
//!
//! A variable names its key with two underscores between section and key:
//! `TENANTRY_STORAGE__URL` is `storage.url`. Unknown keys are refused, wherever they come from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

mod retention;

pub use retention::{MeteringSection, RetentionSection};

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of the embedded parts, where they are not set one by one.
    pub data_dir: PathBuf,
    /// The gRPC server.
    pub server: ServerSection,
    /// The relational store.
    pub storage: StorageSection,
    /// The vector store.
    pub vectors: VectorsSection,
    /// The model files.
    pub artifacts: ArtifactsSection,
    /// The embedding model.
    pub embedding: EmbeddingSection,
    /// The workers.
    pub jobs: JobsSection,
    /// How long models, answers, jobs and requests are kept.
    pub retention: RetentionSection,
    /// Metering, and how long usage is kept.
    pub metering: MeteringSection,
    /// The router's memory.
    pub router: RouterSection,
    /// The logs.
    pub log: LogSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("tenantry-data"),
            server: ServerSection::default(),
            storage: StorageSection::default(),
            vectors: VectorsSection::default(),
            artifacts: ArtifactsSection::default(),
            embedding: EmbeddingSection::default(),
            jobs: JobsSection::default(),
            retention: RetentionSection::default(),
            metering: MeteringSection::default(),
            router: RouterSection::default(),
            log: LogSection::default(),
        }
    }
}

/// The gRPC server.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where Prometheus reads metrics.
    pub metrics_listen: SocketAddr,
    /// Seconds that shutdown waits for requests and jobs in flight.
    pub drain_seconds: u64,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            drain_seconds: 30,
        }
    }
}

/// The relational store.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct StorageSection {
    /// `sqlite:///path/file.db` or `postgres://…`; none means a SQLite file in the data folder.
    #[cfg_attr(test, serde(skip_serializing))]
    pub url: Option<SecretString>,
    /// Connections at the most; 0 means the default.
    pub max_connections: u32,
}

/// The vector store.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct VectorsSection {
    /// A Qdrant server; none means in process, in the data folder.
    pub url: Option<String>,
    /// The server's key.
    #[cfg_attr(test, serde(skip_serializing))]
    pub api_key: Option<SecretString>,
    /// Bytes of memory for vectors in process; the tenants that were searched last stay in it. A
    /// tenant of 4,000 items takes about 5 MB.
    pub resident_bytes: usize,
}

impl Default for VectorsSection {
    fn default() -> Self {
        Self {
            url: None,
            api_key: None,
            resident_bytes: 512 << 20,
        }
    }
}

/// The model files.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct ArtifactsSection {
    /// A folder; none means one in the data folder.
    pub path: Option<PathBuf>,
}

/// The embedding model.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingSection {
    /// Folder of the default model's files; none means where `cargo xtask setup` puts them.
    pub model_dir: Option<PathBuf>,
    /// Folders of other models of the catalogue, by name; a model that is not named here is looked for
    /// where `cargo xtask setup --model` puts it.
    pub model_dirs: BTreeMap<String, PathBuf>,
    /// ONNX Runtime's library; none means where `cargo xtask setup` puts it.
    pub onnxruntime: Option<PathBuf>,
    /// Threads of the model; 0 means the default.
    pub threads: usize,
    /// Seconds that the vectors of a space are kept after a tenant has left it, for requests that
    /// began in it. More than two of `router.refresh_seconds`: other processes must have heard.
    pub grace_seconds: u64,
}

impl Default for EmbeddingSection {
    fn default() -> Self {
        Self {
            model_dir: None,
            onnxruntime: None,
            model_dirs: BTreeMap::new(),
            threads: 0,
            grace_seconds: 60,
        }
    }
}

/// The workers.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct JobsSection {
    /// Indexing jobs at a time.
    pub index_workers: usize,
    /// Training jobs at a time.
    pub train_workers: usize,
    /// Seconds that a worker holds a job without renewing.
    pub lease_seconds: u64,
}

impl Default for JobsSection {
    fn default() -> Self {
        Self {
            index_workers: 1,
            train_workers: 1,
            lease_seconds: 30,
        }
    }
}

/// The router's memory.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct RouterSection {
    /// Bytes of resident tenants at the most.
    pub resident_bytes: u64,
    /// Seconds after which a resident tenant is compared with the database even if no
    /// notification came; where more than a thousand are resident, so many at a time, in turns.
    pub refresh_seconds: u64,
    /// Items without experts, the newest first, whose answers are computed before they are asked
    /// for, in each tenant; 0 for none.
    pub precompute_items: u32,
    /// Seconds in which changes of a tenant gather before its answers are computed again.
    pub precompute_seconds: u64,
}

impl Default for RouterSection {
    fn default() -> Self {
        Self {
            resident_bytes: 1 << 30,
            refresh_seconds: 5,
            precompute_items: 200,
            precompute_seconds: 2,
        }
    }
}

/// The logs.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// Lines for people, or JSON.
    pub format: LogFormat,
    /// What is logged, as `tracing` reads it, for example `info,tenantry=debug`.
    pub filter: String,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            // The store says in one line what it migrated.
            filter: "info,sea_orm_migration=warn".to_owned(),
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What is wrong with the configuration: a sentence with the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A source could not be read, or has an unknown key or a value of another type.
    #[error("the configuration cannot be read: {0}")]
    Unreadable(String),
    /// A value cannot be used.
    #[error("{key}: {problem}")]
    Invalid {
        /// The key, for example `jobs.lease_seconds`.
        key: &'static str,
        /// What is wrong and what to write instead.
        problem: String,
    },
}

impl Config {
    /// Reads defaults, then `file`, then `variables` (the process's environment, passed in so that
    /// nothing deeper reads it).
    ///
    /// # Errors
    /// [`ConfigError`] with the key that is wrong.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        for (name, value) in variables {
            if let Some(key) = key_of(&name) {
                builder = builder
                    .set_override(key, value)
                    .map_err(|error| ConfigError::Unreadable(format!("{name}: {error}")))?;
            }
        }
        let config: Self = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| ConfigError::Unreadable(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the first key that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, problem: &str| {
            Err(ConfigError::Invalid {
                key,
                problem: problem.to_owned(),
            })
        };
        if self.data_dir.as_os_str().is_empty() {
            return invalid("data_dir", "is empty; name a folder");
        }
        if !(1..=64).contains(&self.jobs.index_workers) {
            return invalid("jobs.index_workers", "must be from 1 to 64");
        }
        if !(1..=64).contains(&self.jobs.train_workers) {
            return invalid("jobs.train_workers", "must be from 1 to 64");
        }
        if !(5..=3600).contains(&self.jobs.lease_seconds) {
            return invalid("jobs.lease_seconds", "must be from 5 to 3600");
        }
        if self.vectors.resident_bytes < 1 << 20 {
            return invalid("vectors.resident_bytes", "must be at least 1048576 (1 MiB)");
        }
        if self.router.resident_bytes < 1 << 20 {
            return invalid("router.resident_bytes", "must be at least 1048576 (1 MiB)");
        }
        if !(1..=3600).contains(&self.router.refresh_seconds) {
            return invalid("router.refresh_seconds", "must be from 1 to 3600");
        }
        if self.router.precompute_items > 10_000 {
            return invalid("router.precompute_items", "must be from 0 to 10000");
        }
        if !(1..=3600).contains(&self.router.precompute_seconds) {
            return invalid("router.precompute_seconds", "must be from 1 to 3600");
        }
        if self.embedding.grace_seconds <= 2 * self.router.refresh_seconds {
            return invalid(
                "embedding.grace_seconds",
                "must be more than two of router.refresh_seconds",
            );
        }
        self.metering.validate()?;
        self.retention.validate()
    }
}

/// The configuration key that a variable sets; none when it is not ours to read here (the command
/// line reads `TENANTRY_KEY` and its like itself).
fn key_of(variable: &str) -> Option<String> {
    match variable {
        "TENANTRY_MODEL_DIR" => return Some("embedding.model_dir".to_owned()),
        "ORT_DYLIB_PATH" => return Some("embedding.onnxruntime".to_owned()),
        "TENANTRY_DATA_DIR" => return Some("data_dir".to_owned()),
        _ => {}
    }
    let rest = variable.strip_prefix("TENANTRY_")?;
    rest.contains("__")
        .then(|| rest.to_lowercase().replace("__", "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(None, variables)
    }

    #[test]
    fn variables_override_defaults() {
        let config = load(&[
            ("TENANTRY_SERVER__LISTEN", "0.0.0.0:7000"),
            ("TENANTRY_JOBS__TRAIN_WORKERS", "2"),
            ("TENANTRY_MODEL_DIR", "/models"),
            ("TENANTRY_KEY", "not a setting"),
        ])
        .unwrap();
        assert_eq!(config.server.listen.port(), 7000);
        assert_eq!(config.jobs.train_workers, 2);
        assert_eq!(
            config.embedding.model_dir.as_deref(),
            Some(Path::new("/models"))
        );
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = load(&[("TENANTRY_STORAGE__ULR", "sqlite://x")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("ulr"), "{error}");
    }

    #[test]
    fn values_are_checked() {
        let error = load(&[("TENANTRY_JOBS__LEASE_SECONDS", "1")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("jobs.lease_seconds"), "{error}");
        assert!(load(&[("TENANTRY_SERVER__LISTEN", "nowhere")]).is_err());
        let error = load(&[("TENANTRY_RETENTION__MODELS_NEWEST", "0")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("retention.models_newest"), "{error}");
    }

    #[test]
    fn a_file_is_read_and_secrets_do_not_print() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tenantry.toml");
        std::fs::write(&file, "[storage]\nurl = \"postgres://u:hunter2@db/t\"\n").unwrap();
        let config = Config::load(Some(&file), []).unwrap();
        assert!(config.storage.url.is_some());
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
