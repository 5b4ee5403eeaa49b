//! Loading: a version's artifact, checked against its checksum, as a model.

use artifacts::{ArtifactError, ArtifactStore};
use domain::{ErrorKind, Fault as _, ModelVersion};
use learning::Ranker;
use learning::classification::LinearClassifier;

/// Why a version's artifact gives no model.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is missing or damaged, or the artifact store did not answer.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// It was made for other features, or in another form, than this build knows.
    #[error("the artifact was made for other features or in another form than this build knows")]
    Incompatible,
}

impl Unusable {
    /// Whether a later look may find it: the artifact store did not answer.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Artifact(error) if error.kind() == ErrorKind::Unavailable)
    }
}

/// A ranker with the artifact that it was read from.
#[derive(Debug, Clone)]
pub struct StoredRanker {
    /// The ranker.
    pub ranker: Ranker,
    /// The artifact as it is: what is trained towards the ranker keeps a copy, because numbers that
    /// are written again may differ in the last bit.
    pub artifact: String,
}

impl StoredRanker {
    /// The ranker in the text of an artifact; none when it is of other features or has weights that
    /// are no numbers.
    #[must_use]
    pub fn parse(artifact: String) -> Option<Self> {
        let ranker = serde_json::from_str::<Ranker>(&artifact).ok()?;
        ranker.is_sound().then_some(Self { ranker, artifact })
    }
}

/// The ranker of a version. One that cannot be used leaves a line in the log.
///
/// # Errors
/// [`Unusable`].
pub async fn load_ranker(
    artifacts: &ArtifactStore,
    model: &ModelVersion,
) -> Result<StoredRanker, Unusable> {
    load(artifacts, model, "the tier above serves", |bytes| {
        StoredRanker::parse(String::from_utf8(bytes.to_vec()).ok()?)
    })
    .await
}

/// The head of a version. One that cannot be used leaves a line in the log.
///
/// # Errors
/// [`Unusable`].
pub async fn load_head(
    artifacts: &ArtifactStore,
    model: &ModelVersion,
) -> Result<LinearClassifier, Unusable> {
    load(
        artifacts,
        model,
        "a baseline serves",
        LinearClassifier::from_bytes,
    )
    .await
}

async fn load<M>(
    artifacts: &ArtifactStore,
    model: &ModelVersion,
    instead: &str,
    read: impl FnOnce(&[u8]) -> Option<M>,
) -> Result<M, Unusable> {
    let bytes = artifacts.get(&model.artifact_path, &model.checksum).await;
    let loaded = match bytes {
        Ok(bytes) => read(&bytes).ok_or(Unusable::Incompatible),
        Err(error) => Err(error.into()),
    };
    loaded.inspect_err(|error| {
        tracing::error!(model = %model.name, %error, "a model cannot be used; {instead}");
    })
}

#[cfg(test)]
mod tests {
    use artifacts::ArtifactsConfig;
    use domain::TaskId;
    use learning::{GLOBAL_RANKER, global_ranker};

    use super::*;
    use crate::test_store::TestStore;

    #[tokio::test]
    async fn an_artifact_is_a_ranker_or_says_why_not() {
        let at = TestStore::new().await;
        let task = TaskId::experts();
        let good = at.publish(&task, 1, GLOBAL_RANKER).await;
        let loaded = load_ranker(&at.artifacts, &good).await.unwrap();
        assert_eq!(&loaded.ranker, global_ranker());
        assert_eq!(loaded.artifact, GLOBAL_RANKER);

        let other = at.publish(&task, 2, "{\"of\": \"other features\"}").await;
        let error = load_ranker(&at.artifacts, &other).await.unwrap_err();
        assert!(matches!(error, Unusable::Incompatible), "{error}");
        assert!(load_head(&at.artifacts, &other).await.is_err());

        let damaged = ModelVersion {
            checksum: other.checksum.clone(),
            ..good.clone()
        };
        let missing = ModelVersion {
            artifact_path: "nowhere.json".to_owned(),
            ..good
        };
        for model in [damaged, missing] {
            let error = load_ranker(&at.artifacts, &model).await.unwrap_err();
            assert!(matches!(error, Unusable::Artifact(_)), "{error}");
            assert!(!error.is_transient(), "{error}");
        }
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_transient() {
        let at = TestStore::new().await;
        let model = at.publish(&TaskId::experts(), 1, GLOBAL_RANKER).await;
        // A file stands where the store has its folder.
        let folder = at.folder.path().join("blocked");
        let config = ArtifactsConfig {
            path: folder.clone(),
        };
        let blocked = ArtifactStore::open(&config).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::write(&folder, "no folder").unwrap();
        let error = load_ranker(&blocked, &model).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
}
