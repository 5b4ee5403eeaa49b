//! The tier above a tenant: its vertical's champion, else the global one, else what ships with the
//! code.

use artifacts::ArtifactStore;
use domain::{ModelName, ModelOwner, ModelVersion, TaskId, VerticalId};
use learning::{Ranker, global_ranker};
use storage::Store;

/// A ranker that serves, by its name.
pub(crate) struct Above {
    pub name: ModelName,
    pub ranker: Ranker,
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
    let tiers = store.platform().tiers();
    let vertical = vertical.cloned().map(ModelOwner::Vertical);
    for owner in vertical.into_iter().chain([ModelOwner::Global]) {
        let Some(version) = tiers.champion(&owner, &task).await? else {
            continue;
        };
        let name = ModelName {
            owner,
            task: task.clone(),
            version,
        };
        if let Some(model) = tiers.get(&name).await?
            && let Some(ranker) = read(artifacts, &model).await
        {
            return Ok(Above { name, ranker });
        }
    }
    Ok(Above {
        name: ModelName {
            owner: ModelOwner::Global,
            task,
            version: 0,
        },
        ranker: global_ranker().clone(),
    })
}

/// A version's ranker; none, with a line in the log, when it cannot be used.
pub(crate) async fn read(artifacts: &ArtifactStore, model: &ModelVersion) -> Option<Ranker> {
    let bytes = artifacts.get(&model.artifact_path, &model.checksum).await;
    let ranker = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Ranker>(&bytes).ok());
    let sound = ranker.filter(Ranker::is_sound);
    if sound.is_none() {
        tracing::error!(model = %model.name, "a tier's model cannot be used; the next one stands in");
    }
    sound
}
