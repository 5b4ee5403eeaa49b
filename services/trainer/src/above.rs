//! The tier above a tenant: its vertical's champion, else the global one, else what ships with the
//! code.

use artifacts::ArtifactStore;
use domain::{ModelName, ModelOwner, ModelVersion, TaskId, VerticalId};
use learning::{GLOBAL_RANKER, Ranker, global_ranker};
use storage::{Purpose, Store, TierModels};

/// A ranker that serves, by its name.
pub(crate) struct Above {
    pub name: ModelName,
    pub ranker: Ranker,
    /// The artifact as it is: what was trained towards it keeps a copy.
    pub artifact: String,
}

/// The ranker that serves where the tenants of `vertical` (none: all tenants) have none of their
/// own.
///
/// # Errors
/// The store fails. A damaged artifact is passed over: the next tier stands in.
pub(crate) async fn above(
    store: &Store,
    artifacts: &ArtifactStore,
    vertical: Option<&VerticalId>,
) -> storage::Result<Above> {
    let task = TaskId::experts();
    let tiers = store.maintenance(Purpose::Training).tiers();
    for name in serving_above(&tiers, vertical, &task).await? {
        if let Some(model) = tiers.get(&name).await?
            && let Some((ranker, artifact)) = read(artifacts, &model).await
        {
            return Ok(Above {
                name,
                ranker,
                artifact,
            });
        }
    }
    Ok(Above {
        name: shipped(task),
        ranker: global_ranker().clone(),
        artifact: GLOBAL_RANKER.to_owned(),
    })
}

/// The models that serve in the tiers above, the nearest first; without the one that ships.
pub(crate) async fn serving_above(
    tiers: &TierModels,
    vertical: Option<&VerticalId>,
    task: &TaskId,
) -> storage::Result<Vec<ModelName>> {
    let vertical = vertical.cloned().map(ModelOwner::Vertical);
    let mut names = Vec::new();
    for owner in vertical.into_iter().chain([ModelOwner::Global]) {
        if let Some(version) = tiers.champion(&owner, task).await? {
            names.push(ModelName {
                owner,
                task: task.clone(),
                version,
            });
        }
    }
    Ok(names)
}

/// The name of the model that ships with the code.
pub(crate) fn shipped(task: TaskId) -> ModelName {
    ModelName {
        owner: ModelOwner::Global,
        task,
        version: 0,
    }
}

/// The ranker in a stored artifact.
pub(crate) fn parse(artifact: &str) -> Option<Ranker> {
    let ranker = serde_json::from_str::<Ranker>(artifact).ok();
    ranker.filter(Ranker::is_sound)
}

/// A version's ranker, and its artifact as it is.
pub(crate) async fn read(
    artifacts: &ArtifactStore,
    model: &ModelVersion,
) -> Option<(Ranker, String)> {
    let bytes = artifacts.get(&model.artifact_path, &model.checksum).await;
    let text = bytes
        .ok()
        .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let sound = text.and_then(|text| Some((parse(&text)?, text)));
    if sound.is_none() {
        tracing::error!(model = %model.name, "a tier's model cannot be used; the next one stands in");
    }
    sound
}
