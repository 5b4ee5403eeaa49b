//! Publishing: the one way in which a trained version comes into the registry, whoever owns it.

use artifacts::ArtifactStore;
use chrono::{DateTime, Utc};
use domain::{
    AliasMoveCause, INPUTS, JobId, Lineage, ModelName, ModelOwner, TaskId, TenantContext, Trial,
    Verdict,
};
use jobs::{JobSpec, PruneModels};
use storage::{AliasMove, NewModel, Signal, Store};

use crate::alias::{Judged, Placement, place};
use crate::inputs::Inputs;
use crate::{Owner, Result};

/// A trained version that is to be published.
#[derive(Debug)]
pub struct Candidate {
    /// What it predicts.
    pub task: TaskId,
    /// Its artifact.
    pub artifact: Vec<u8>,
    /// How the name of the artifact's file ends.
    pub extension: &'static str,
    /// Where it comes from. A reference to `inputs` is added.
    pub lineage: Lineage,
    /// What the gate decided.
    pub verdict: Verdict,
    /// The decision in words.
    pub reason: String,
    /// The evaluation report, serialized.
    pub report: String,
    /// The version that served when it was weighed, and keeps its place.
    pub held_by: Option<u64>,
    /// What a tenant's training read besides its dataset.
    pub inputs: Option<Inputs>,
    /// The trials of its search.
    pub trials: Vec<Trial>,
    /// What the tenant shares for training the tiers above.
    pub signal: Option<Signal>,
}

/// A version that is in the registry.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its name.
    pub name: ModelName,
    /// What the gate decided.
    pub verdict: Verdict,
    /// The decision in words.
    pub reason: String,
    /// Where the evidence put it.
    pub placement: Placement,
    /// Trials of its search.
    pub trials: usize,
}

/// Stores the artifact and, in one transaction, the row with its lineage, inputs and trials, and moves
/// the aliases as the evidence says; then has old versions looked for. `job` is what trained it: the
/// same job again finds its own file.
///
/// # Errors
/// The store or the artifact store fails.
pub async fn publish(
    store: &Store,
    artifacts: &ArtifactStore,
    (owner, job): (&Owner, &JobId),
    candidate: Candidate,
    now: DateTime<Utc>,
) -> Result<Published> {
    match owner {
        Owner::Tenant(ctx) => of_tenant(store, artifacts, ctx, candidate, now).await,
        Owner::Tier {
            owner: tier,
            actor,
            platform,
        } => {
            let path = tier_path(tier, job, &candidate);
            let new = stored(artifacts, (path, 0), &candidate).await?;
            let serves = candidate.verdict == Verdict::Promote;
            let by = AliasMove {
                cause: AliasMoveCause::GatePassed,
                reason: &candidate.reason,
                actor,
                now,
            };
            let registered = platform.tiers().register(tier, new, serves, by).await?;
            let prune = PruneModels::default().new_job();
            platform.enqueue(prune, now).await?;
            let placement = Placement {
                serves,
                champion_stays: None,
            };
            Ok(published(registered.name, candidate, placement))
        }
    }
}

async fn of_tenant(
    store: &Store,
    artifacts: &ArtifactStore,
    ctx: &TenantContext,
    mut candidate: Candidate,
    now: DateTime<Utc>,
) -> Result<Published> {
    let task = candidate.task.clone();
    let tx = store.begin(ctx).await?;
    let version = tx.models().next_version(&task).await?;
    let name = Owner::Tenant(ctx.clone()).name(&task, version);
    if let Some((text, hash)) = candidate.inputs.as_ref().map(Inputs::to_text) {
        tx.inputs().put(&hash, &text, now).await?;
        let parameters = &mut candidate.lineage.parameters;
        parameters.push((INPUTS.to_owned(), hash));
    }
    // The path has the content in it: a worker that died after storing finds its own file.
    let path = format!("{name}-{}.{}", digest(&candidate), candidate.extension);
    let new = stored(artifacts, (path, version), &candidate).await?;
    tx.models().insert(new, now).await?;
    tx.trials()
        .add(&task, version, &candidate.trials, now)
        .await?;
    let judged = Judged {
        task: &task,
        version,
        dataset: candidate.lineage.dataset,
        verdict: candidate.verdict,
        reason: &candidate.reason,
        held_by: candidate.held_by,
    };
    let placement = place(&tx, judged, ctx.actor(), now).await?;
    if let Some(signal) = candidate.signal.take() {
        tx.signals().put(&task, signal, now).await?;
    }
    let prune = PruneModels::default().new_job();
    tx.jobs().enqueue(prune, now).await?;
    tx.commit().await?;
    Ok(published(name, candidate, placement))
}

/// Puts the artifact where it belongs, and makes the row that names it.
async fn stored(
    artifacts: &ArtifactStore,
    (artifact_path, version): (String, u64),
    candidate: &Candidate,
) -> Result<NewModel> {
    let bytes = candidate.artifact.clone().into();
    let stored = artifacts.put(&artifact_path, bytes).await?;
    Ok(NewModel {
        task: candidate.task.clone(),
        version,
        artifact_path,
        checksum: stored.checksum,
        size: stored.size,
        lineage: candidate.lineage.clone(),
        verdict: candidate.verdict,
        report: candidate.report.clone(),
    })
}

/// The job is in the path too: no two versions share a file, so one can be pruned alone.
fn tier_path(owner: &ModelOwner, job: &JobId, candidate: &Candidate) -> String {
    let (task, digest) = (&candidate.task, digest(candidate));
    format!(
        "{owner}/models/{task}-{digest}-{job}.{}",
        candidate.extension
    )
}

fn digest(candidate: &Candidate) -> String {
    let digest = blake3::hash(&candidate.artifact).to_hex();
    digest[..16].to_owned()
}

fn published(name: ModelName, candidate: Candidate, placement: Placement) -> Published {
    tracing::info!(model = %name, verdict = candidate.verdict.as_str(), "published a version");
    Published {
        name,
        verdict: candidate.verdict,
        reason: candidate.reason,
        placement,
        trials: candidate.trials.len(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Alias, ErrorKind, Fault as _};
    use learning::GLOBAL_RANKER;
    use storage::Purpose;

    use super::*;
    use crate::load::load_ranker;
    use crate::resolve::ParentRanker;
    use crate::test_store::{TestStore, day, found_better};

    fn candidate(verdict: Verdict) -> Candidate {
        Candidate {
            task: TaskId::experts(),
            artifact: GLOBAL_RANKER.as_bytes().to_vec(),
            extension: "json",
            lineage: found_better(&TaskId::experts(), 1, String::new()).lineage,
            verdict,
            reason: "measured".to_owned(),
            report: "{}".to_owned(),
            held_by: None,
            inputs: Some(Inputs::of_ranker(&[], &ParentRanker::builtin())),
            trials: Vec::new(),
            signal: None,
        }
    }

    async fn publish_to(at: &TestStore, owner: &Owner, verdict: Verdict) -> Result<Published> {
        let job = JobId::parse("job-1").unwrap();
        let to = (owner, &job);
        publish(&at.store, &at.artifacts, to, candidate(verdict), day(1)).await
    }

    #[tokio::test]
    async fn a_tenants_version_comes_with_all_that_belongs_to_it() {
        let at = TestStore::new().await;
        let owner = Owner::Tenant(at.ctx.clone());
        let task = TaskId::experts();
        for (version, verdict) in [(1, Verdict::Promote), (2, Verdict::Keep)] {
            let published = publish_to(&at, &owner, verdict).await.unwrap();
            assert_eq!(published.name.version, version);
            assert_eq!(published.placement.serves, verdict == Verdict::Promote);
            let model = owner.model(&at.store, &task, version).await.unwrap();
            let loaded = load_ranker(&at.artifacts, &model).await.unwrap();
            assert_eq!(loaded.artifact, GLOBAL_RANKER);
            let hash = model.lineage.parameter(INPUTS).unwrap();
            let text = at.tx().await.inputs().get(hash).await.unwrap().unwrap();
            assert!(Inputs::from_text(&text, hash).is_some());
        }
        let tx = at.tx().await;
        let challenger = tx.models().alias(&task, Alias::Challenger).await.unwrap();
        assert_eq!(challenger, Some(2));
        let jobs = tx.jobs().list(None, 9, None, None).await.unwrap();
        assert_eq!(jobs.len(), 1, "one look for old versions waits");
    }

    #[tokio::test]
    async fn a_tiers_version_serves_when_it_is_proven() {
        let at = TestStore::new().await;
        let owner = Owner::Tier {
            owner: ModelOwner::Global,
            actor: "trainer".to_owned(),
            platform: at.store.maintenance(Purpose::Training),
        };
        let first = publish_to(&at, &owner, Verdict::Promote).await.unwrap();
        let tiers = at.store.maintenance(Purpose::Training).tiers();
        let parent = ParentRanker::read(&tiers, &at.artifacts, None).await;
        assert_eq!(parent.unwrap().name, first.name);
        let second = publish_to(&at, &owner, Verdict::Keep).await.unwrap();
        assert_eq!((second.name.version, second.placement.serves), (2, false));
    }

    #[tokio::test]
    async fn without_its_file_no_version_is_registered() {
        let at = TestStore::new().await;
        let folder = at.folder.path().join("models");
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::write(&folder, "no folder").unwrap();
        let owner = Owner::Tenant(at.ctx.clone());
        let error = publish_to(&at, &owner, Verdict::Promote).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let none = at.tx().await.models().list(None, None, 9).await.unwrap();
        assert!(none.is_empty());
    }
}
