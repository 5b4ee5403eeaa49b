//! Pruning: versions that nothing needs go, and with them what else only grows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use artifacts::ArtifactStore;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Alias, ModelName, ModelOwner, ModelRetention, RoutingMode, TaskId, TenantContext, prunable,
};
use jobs::PruneModels;
use storage::{PruneNote, Purpose, Store, TenantTx, VersionSummary};

use crate::Result;
use crate::alias::{EVENTS, roll_back_targets};

/// Roll-backs in a row that always find their version.
const ROLL_BACKS: usize = 3;
/// A file that no version names may be of a training that is about to register it: so long it stays.
const ORPHANED: TimeDelta = TimeDelta::days(1);
/// Who prunes.
const ACTOR: &str = "trainer";

/// What of the registry stays, and of what only grows beside it.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Versions that nothing needs.
    pub models: ModelRetention,
    /// How long answers wait for their feedback.
    pub answers: TimeDelta,
    /// How long jobs can be looked at after they ended.
    pub jobs: TimeDelta,
    /// How long a repeated request gets its first answer.
    pub requests: TimeDelta,
}

/// Prunes models, and forgets what only grows.
#[derive(Debug)]
pub struct Pruner {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// What stays.
    pub retention: Retention,
    /// The time that ages are counted to.
    pub now: DateTime<Utc>,
}

/// What pruning did, or would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// `{task}/{version}`, for tiers with their owner before it.
    pub versions: Vec<String>,
    /// Versions that stay.
    pub kept: usize,
    /// Bytes of the versions' artifacts.
    pub bytes: u64,
    /// Files that were deleted.
    pub files: u64,
}

/// Rows that were forgotten because of their age.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Answers.
    pub answers: u64,
    /// Jobs.
    pub jobs: u64,
    /// Requests.
    pub requests: u64,
}

impl Pruner {
    /// Prunes a tenant's own models.
    ///
    /// # Errors
    /// The store or the artifact store fails.
    pub async fn tenant(&self, ctx: &TenantContext, job: &PruneModels) -> Result<Pruned> {
        let tx = self.store.begin(ctx).await?;
        let summaries = tx.models().summaries().await?;
        let mut going = Vec::new();
        for (task, versions) in by_task(&summaries) {
            let needed = needed(&tx, task).await?;
            let gone = self.choose(&versions, &needed, job.keep);
            if !gone.is_empty() {
                going.push((task.clone(), gone));
            }
        }
        drop(tx);
        let mut pruned = Pruned::default();
        if job.dry_run {
            for (task, versions) in &going {
                pruned.count(&summaries, task, versions, "");
            }
            pruned.kept = summaries.len() - pruned.versions.len();
            return Ok(pruned);
        }
        // Rows first, in one transaction with their events, files after: killed in between, files are
        // left that nobody names, and the sweep of a later run finds them. The other way round a
        // version would be left that promises an artifact it does not have.
        let tx = self.store.begin(ctx).await?;
        let reason = self.reason(job.keep);
        for (task, versions) in &going {
            let note = PruneNote {
                reason: &reason,
                actor: ctx.actor(),
                now: self.now,
            };
            let gone = tx.models().prune(task, versions, note).await;
            pruned.count(&summaries, task, &gone?, "");
        }
        tx.commit().await?;
        pruned.kept = summaries.len() - pruned.versions.len();
        let owner = ModelOwner::Tenant(ctx.tenant().clone());
        let tx = self.store.begin(ctx).await?;
        let left = tx.models().summaries().await?;
        drop(tx);
        pruned.files = self.sweep(&owner, &summaries, &left).await?;
        Ok(pruned)
    }

    /// Prunes the versions of one tier, or of all.
    ///
    /// # Errors
    /// The store or the artifact store fails.
    pub async fn tiers(&self, wanted: Option<&ModelOwner>, job: &PruneModels) -> Result<Pruned> {
        let tiers = self.store.maintenance(Purpose::Retention).tiers();
        let everywhere = tiers.needed().await?;
        let mut pruned = Pruned::default();
        for (owner, summaries) in tiers.summaries().await? {
            if wanted.is_some_and(|wanted| *wanted != owner) {
                continue;
            }
            let before = pruned.versions.len();
            for (task, versions) in by_task(&summaries) {
                let champion = tiers.champion(&owner, task).await?;
                let events = tiers.events(&owner, task, EVENTS).await?;
                let mut needed = roll_back_targets(&events, ROLL_BACKS);
                needed.extend(champion);
                let here = |name: &&ModelName| name.owner == owner && name.task == *task;
                needed.extend(everywhere.iter().filter(here).map(|name| name.version));
                let mut gone = self.choose(&versions, &needed, job.keep);
                if !job.dry_run {
                    let reason = self.reason(job.keep);
                    let note = PruneNote {
                        reason: &reason,
                        actor: ACTOR,
                        now: self.now,
                    };
                    // Rows first, as for a tenant.
                    let done = tiers.prune(&owner, task, &gone, note).await;
                    gone = done?;
                }
                pruned.count(&summaries, task, &gone, &format!("{owner}/"));
            }
            pruned.kept += summaries.len() - (pruned.versions.len() - before);
            if !job.dry_run {
                let left = tiers.summaries().await?;
                let left = left.get(&owner).map_or(&[][..], Vec::as_slice);
                pruned.files += self.sweep(&owner, &summaries, left).await?;
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
        prunable(versions, needed, self.models(keep), self.now)
    }

    fn models(&self, keep: Option<u32>) -> ModelRetention {
        let models = self.retention.models;
        ModelRetention {
            newest: keep.unwrap_or(models.newest),
            ..models
        }
    }

    fn reason(&self, keep: Option<u32>) -> String {
        let ModelRetention { newest, younger } = self.models(keep);
        let days = younger.num_days();
        format!("not needed, not among the newest {newest}, older than {days} days")
    }

    /// Deletes the files of versions that were there `before` and are not `left`, and files that no
    /// version has named for long: of a run that was killed after its rows, or a training that was
    /// killed before its row.
    async fn sweep(
        &self,
        owner: &ModelOwner,
        before: &[VersionSummary],
        left: &[VersionSummary],
    ) -> Result<u64> {
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
        let folder = format!("{owner}/models");
        let mut deleted = 0;
        let files = self.artifacts.list(&folder).await?;
        for (path, changed) in files {
            let orphaned = self.now.signed_duration_since(changed) >= ORPHANED
                && of_version(owner, &path, &newest);
            let goes = gone.contains(path.as_str()) || orphaned;
            if goes && !named.contains(path.as_str()) {
                deleted += u64::from(self.artifacts.delete(&path).await?);
            }
        }
        Ok(deleted)
    }

    /// Forgets what only grows.
    ///
    /// # Errors
    /// The store fails.
    pub async fn forget(&self) -> Result<Forgotten> {
        let platform = self.store.maintenance(Purpose::Retention);
        let (now, kept) = (self.now, self.retention);
        Ok(Forgotten {
            answers: platform.forget_answers(now - kept.answers).await?,
            jobs: platform.forget_jobs(now - kept.jobs).await?,
            requests: platform.forget_requests(now - kept.requests).await?,
        })
    }
}

impl Pruned {
    fn count(
        &mut self,
        summaries: &[VersionSummary],
        task: &TaskId,
        versions: &[u64],
        prefix: &str,
    ) {
        for one in summaries {
            if one.task == *task && versions.contains(&one.version) {
                self.versions
                    .push(format!("{prefix}{task}/{}", one.version));
                self.bytes += one.size;
            }
        }
    }
}

/// Each task's versions with the time they were made.
fn by_task(summaries: &[VersionSummary]) -> BTreeMap<&TaskId, Vec<(u64, DateTime<Utc>)>> {
    let mut tasks: BTreeMap<&TaskId, Vec<_>> = BTreeMap::new();
    for one in summaries {
        let versions = tasks.entry(&one.task).or_default();
        versions.push((one.version, one.created_at));
    }
    tasks
}

/// What of a tenant's versions something needs: aliases, the policy, the next roll-backs.
async fn needed(tx: &TenantTx, task: &TaskId) -> Result<BTreeSet<u64>> {
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

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
