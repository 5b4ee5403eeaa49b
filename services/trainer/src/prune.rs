//! Pruning: versions that nothing needs go, and with them what else only grows.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use artifacts::ArtifactStore;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Alias, JobKind, ModelName, ModelOwner, ModelRetention, RoutingMode, TaskId, TenantContext,
    prunable,
};
use registry::alias::{EVENTS, roll_back_targets};
use server::Clock;
use server::config::RetentionSection;
use storage::{
    JobFailure, JobRunner, JobWork, NewJob, Outcome, PruneNote, Store, TenantTx, VersionOnShelf,
};
use tokio_util::sync::CancellationToken;

use crate::commands::PrunePayload;
use crate::trainer::retry;

/// Roll-backs in a row that always find their version.
const ROLL_BACKS: usize = 3;
/// A file that no version names may be of a training that is about to register it: so long it stays.
const ORPHANED: TimeDelta = TimeDelta::days(1);
/// Who prunes.
const ACTOR: &str = "trainer";
/// Versions named in a job's outcome.
const NAMED: usize = 50;

/// Prunes models, and forgets what only grows.
pub struct Pruner {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The clock.
    pub clock: Clock,
    /// What is kept.
    pub retention: RetentionSection,
}

/// What pruning did, or would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// `{task}/{version}`, for tiers with their owner before it.
    versions: Vec<String>,
    kept: usize,
    /// Bytes of the versions' artifacts.
    bytes: u64,
    files: u64,
}

#[async_trait]
impl JobRunner for Pruner {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::PruneModels]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let unreadable = || JobFailure::Fail("the job cannot be read; start it again".to_owned());
        let payload: PrunePayload =
            serde_json::from_value(work.payload.clone()).map_err(|_| unreadable())?;
        work.progress(0.1, "looking at versions");
        if let Some(tenant) = &work.job.tenant {
            let ctx = TenantContext::for_background_work(tenant, ACTOR);
            return Ok(self.tenant(&ctx, &payload).await?.outcome(payload.dry_run));
        }
        let owner = payload.owner.as_deref().map(ModelOwner::parse);
        let owner = owner.transpose().map_err(|_| unreadable())?;
        let pruned = self.tiers(owner.as_ref(), &payload).await?;
        let mut outcome = pruned.outcome(payload.dry_run);
        if owner.is_none() && !payload.dry_run {
            work.progress(0.5, "forgetting old answers and jobs");
            outcome.extend(self.forget().await?);
        }
        Ok(outcome)
    }
}

impl Pruner {
    /// Prunes a tenant's own models.
    pub(crate) async fn tenant(
        &self,
        ctx: &TenantContext,
        payload: &PrunePayload,
    ) -> Result<Pruned, JobFailure> {
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let shelf = tx.models().shelf().await.map_err(retry)?;
        let mut going = Vec::new();
        for (task, versions) in by_task(&shelf) {
            let needed = needed(&tx, task).await.map_err(retry)?;
            let gone = self.choose(&versions, &needed, payload.keep);
            if !gone.is_empty() {
                going.push((task.clone(), gone));
            }
        }
        drop(tx);
        let mut pruned = Pruned::default();
        if payload.dry_run {
            for (task, versions) in &going {
                pruned.count(&shelf, task, versions, "");
            }
            pruned.kept = shelf.len() - pruned.versions.len();
            return Ok(pruned);
        }
        // Rows first, in one transaction with their events, files after: killed in between, files are
        // left that nobody names, and the sweep of a later run finds them. The other way round a
        // version would be left that promises an artifact it does not have.
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let reason = self.reason(payload.keep);
        for (task, versions) in &going {
            let note = PruneNote {
                reason: &reason,
                actor: ctx.actor(),
                now: self.clock.now(),
            };
            let gone = tx.models().prune(task, versions, note).await;
            pruned.count(&shelf, task, &gone.map_err(retry)?, "");
        }
        tx.commit().await.map_err(retry)?;
        pruned.kept = shelf.len() - pruned.versions.len();
        let owner = ModelOwner::Tenant(ctx.tenant().clone());
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let left = tx.models().shelf().await.map_err(retry)?;
        drop(tx);
        pruned.files = self.sweep(&owner, &shelf, &left).await?;
        Ok(pruned)
    }

    /// Prunes the versions of one tier, or of all.
    pub(crate) async fn tiers(
        &self,
        wanted: Option<&ModelOwner>,
        payload: &PrunePayload,
    ) -> Result<Pruned, JobFailure> {
        let tiers = self.store.platform().tiers();
        let everywhere = tiers.needed().await.map_err(retry)?;
        let mut pruned = Pruned::default();
        for (owner, shelf) in tiers.shelf().await.map_err(retry)? {
            if wanted.is_some_and(|wanted| *wanted != owner) {
                continue;
            }
            let before = pruned.versions.len();
            for (task, versions) in by_task(&shelf) {
                let champion = tiers.champion(&owner, task).await.map_err(retry)?;
                let events = tiers.events(&owner, task, EVENTS).await.map_err(retry)?;
                let mut needed = roll_back_targets(&events, ROLL_BACKS);
                needed.extend(champion);
                let here = |name: &&ModelName| name.owner == owner && name.task == *task;
                needed.extend(everywhere.iter().filter(here).map(|name| name.version));
                let mut gone = self.choose(&versions, &needed, payload.keep);
                if !payload.dry_run {
                    let reason = self.reason(payload.keep);
                    let note = PruneNote {
                        reason: &reason,
                        actor: ACTOR,
                        now: self.clock.now(),
                    };
                    // Rows first, as for a tenant.
                    let done = tiers.prune(&owner, task, &gone, note).await;
                    gone = done.map_err(retry)?;
                }
                pruned.count(&shelf, task, &gone, &format!("{owner}/"));
            }
            pruned.kept += shelf.len() - (pruned.versions.len() - before);
            if !payload.dry_run {
                let left = tiers.shelf().await.map_err(retry)?;
                let left = left.get(&owner).map_or(&[][..], Vec::as_slice);
                pruned.files += self.sweep(&owner, &shelf, left).await?;
            }
        }
        Ok(pruned)
    }

    fn choose(
        &self,
        versions: &[(u64, DateTime<Utc>)],
        needed: &BTreeSet<u64>,
        keep: Option<u32>,
    ) -> Vec<u64> {
        let retention = ModelRetention {
            newest: keep.unwrap_or(self.retention.models_newest),
            younger: TimeDelta::days(i64::from(self.retention.models_days)),
        };
        prunable(versions, needed, retention, self.clock.now())
    }

    fn reason(&self, keep: Option<u32>) -> String {
        format!(
            "not needed, not among the newest {}, older than {} days",
            keep.unwrap_or(self.retention.models_newest),
            self.retention.models_days
        )
    }

    /// Deletes the files of versions that were there `before` and are not `left`, and files that no
    /// version has named for long: of a run that was killed after its rows, or a training that was
    /// killed before its row.
    async fn sweep(
        &self,
        owner: &ModelOwner,
        before: &[VersionOnShelf],
        left: &[VersionOnShelf],
    ) -> Result<u64, JobFailure> {
        let named: HashSet<&str> = left.iter().map(|one| one.artifact_path.as_str()).collect();
        let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
        for one in left {
            let version = newest.entry(one.task.as_str()).or_default();
            *version = one.version.max(*version);
        }
        let gone: HashSet<&str> = before
            .iter()
            .map(|one| one.artifact_path.as_str())
            .collect();
        let now = self.clock.now();
        let folder = format!("{owner}/models");
        let mut deleted = 0;
        let files = self.artifacts.list(&folder).await.map_err(retry)?;
        for (path, changed) in files {
            let orphaned =
                now.signed_duration_since(changed) >= ORPHANED && of_version(owner, &path, &newest);
            let goes = gone.contains(path.as_str()) || orphaned;
            if goes && !named.contains(path.as_str()) {
                deleted += u64::from(self.artifacts.delete(&path).await.map_err(retry)?);
            }
        }
        Ok(deleted)
    }

    /// Forgets what only grows.
    async fn forget(&self) -> Result<Outcome, JobFailure> {
        let platform = self.store.platform();
        let now = self.clock.now();
        let before = |days: u32| now - TimeDelta::days(i64::from(days));
        let kept = &self.retention;
        let answers = platform.forget_answers(before(kept.answers_days)).await;
        let jobs = platform.forget_jobs(before(kept.jobs_days)).await;
        let requests = platform.forget_requests(before(kept.requests_days)).await;
        let mut outcome = Outcome::new();
        for (name, count) in [("answers", answers), ("jobs", jobs), ("requests", requests)] {
            let count = count.map_err(retry)?;
            outcome.push((format!("forgotten_{name}"), count.to_string()));
        }
        Ok(outcome)
    }
}

impl Pruned {
    fn count(&mut self, shelf: &[VersionOnShelf], task: &TaskId, versions: &[u64], prefix: &str) {
        for one in shelf {
            if one.task == *task && versions.contains(&one.version) {
                self.versions
                    .push(format!("{prefix}{task}/{}", one.version));
                self.bytes += one.size;
            }
        }
    }

    fn outcome(self, dry_run: bool) -> Outcome {
        let mut named = self.versions[..self.versions.len().min(NAMED)].join(" ");
        if self.versions.len() > NAMED {
            named.push_str(&format!(" and {} more", self.versions.len() - NAMED));
        }
        let outcome = [
            ("dry_run", dry_run.to_string()),
            ("pruned", self.versions.len().to_string()),
            ("versions", named),
            ("kept", self.kept.to_string()),
            ("bytes", self.bytes.to_string()),
            ("files", self.files.to_string()),
        ];
        outcome.map(|(key, value)| (key.to_owned(), value)).into()
    }
}

/// Each task's versions with the time they were made.
fn by_task(shelf: &[VersionOnShelf]) -> BTreeMap<&TaskId, Vec<(u64, DateTime<Utc>)>> {
    let mut tasks: BTreeMap<&TaskId, Vec<_>> = BTreeMap::new();
    for one in shelf {
        let versions = tasks.entry(&one.task).or_default();
        versions.push((one.version, one.created_at));
    }
    tasks
}

/// What of a tenant's versions something needs: aliases, the policy, the next roll-backs.
async fn needed(tx: &TenantTx, task: &TaskId) -> storage::Result<BTreeSet<u64>> {
    let models = tx.models();
    let champion = models.alias(task, Alias::Champion).await?;
    let events = models.events(task, Some(Alias::Champion), EVENTS).await?;
    let mut needed = roll_back_targets(&events, ROLL_BACKS);
    needed.extend(champion);
    needed.extend(models.alias(task, Alias::Challenger).await?);
    let policy = tx.routing().get(task).await?.map(|kept| kept.policy);
    if let Some(RoutingMode::PinnedVersion(name)) = policy.map(|policy| policy.mode) {
        let own = matches!(&name.owner, ModelOwner::Tenant(owner) if owner == tx.tenant());
        needed.extend(own.then_some(name.version));
    }
    Ok(needed)
}

/// Whether a path is of a version's artifact as trainings name it, and of a version that is not newer
/// than the newest of its task. What others keep in the folder is not ours to delete.
fn of_version(owner: &ModelOwner, path: &str, newest: &BTreeMap<&str, u64>) -> bool {
    let below = path.strip_prefix(&format!("{owner}/models/"));
    let Some(below) = below else { return false };
    let parts: Vec<&str> = below.split('/').collect();
    match (&parts[..], owner) {
        ([task, "versions", file], ModelOwner::Tenant(_)) => {
            let version = file.split_once('-').and_then(|(n, _)| n.parse().ok());
            let newest = newest.get(task).copied();
            version.is_some_and(|version: u64| newest.is_some_and(|newest| version <= newest))
        }
        ([file], ModelOwner::Global | ModelOwner::Vertical(_)) => newest
            .keys()
            .any(|task| file.starts_with(&format!("{task}-")) && file.ends_with(".json")),
        _ => false,
    }
}

fn job(payload: &PrunePayload) -> NewJob {
    // The type holds nothing that JSON cannot say.
    let payload = serde_json::to_value(payload).unwrap_or_default();
    NewJob {
        kind: JobKind::PruneModels,
        dedup_key: Some(format!("prune:{payload}")),
        payload,
        max_attempts: 5,
    }
}

/// Enqueues a look for a tenant's versions that may go, unless one waits: after a training.
pub(crate) async fn enqueue(tx: &TenantTx, now: DateTime<Utc>) -> storage::Result<domain::Job> {
    enqueue_with(tx, &PrunePayload::default(), now).await
}

/// The same, with options.
pub(crate) async fn enqueue_with(
    tx: &TenantTx,
    payload: &PrunePayload,
    now: DateTime<Utc>,
) -> storage::Result<domain::Job> {
    tx.jobs().enqueue(job(payload), now).await
}

/// Enqueues a look for what of the platform may go, unless one waits.
pub(crate) async fn enqueue_for_platform(
    store: &Store,
    now: DateTime<Utc>,
) -> storage::Result<domain::Job> {
    enqueue_for_tiers(store, &PrunePayload::default(), now).await
}

/// The same, with options.
pub(crate) async fn enqueue_for_tiers(
    store: &Store,
    payload: &PrunePayload,
    now: DateTime<Utc>,
) -> storage::Result<domain::Job> {
    store.platform().enqueue(job(payload), now).await
}

/// Looks for what of the platform may go, now and after each `every`, until it is told to stop. On
/// several replicas a look too many is made at times, which does no harm.
pub async fn keep_house(store: Store, clock: Clock, every: Duration, stop: CancellationToken) {
    loop {
        if let Err(error) = enqueue_for_platform(&store, clock.now()).await {
            tracing::warn!(%error, "old rows could not be looked for");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
