//! Whose models are meant, a tenant's or a tier's: the one place that chooses between their tables.

use chrono::{DateTime, Utc};
use domain::{
    Alias, FieldViolation, Job, ModelName, ModelOwner, ModelVersion, TaskId, TenantContext,
};
use storage::{AliasEvent, AliasMove, NewJob, Platform, Store};

use crate::{RegistryError, Result};

/// Whose models are meant.
#[derive(Debug, Clone)]
pub enum Owner {
    /// A tenant's own.
    Tenant(TenantContext),
    /// The global tier's or a vertical's.
    Tier {
        /// Which tier.
        owner: ModelOwner,
        /// Who acts on it.
        actor: String,
        /// What goes across tenants: to have it, whoever acts has shown a proof.
        platform: Platform,
    },
}

impl Owner {
    /// The name of a version.
    #[must_use]
    pub fn name(&self, task: &TaskId, version: u64) -> ModelName {
        let owner = match self {
            Self::Tenant(ctx) => ModelOwner::Tenant(ctx.tenant().clone()),
            Self::Tier { owner, .. } => owner.clone(),
        };
        ModelName {
            owner,
            task: task.clone(),
            version,
        }
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &str {
        match self {
            Self::Tenant(ctx) => ctx.actor(),
            Self::Tier { actor, .. } => actor,
        }
    }

    /// A version.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or [`RegistryError::Pruned`] of one that was there; the store
    /// fails.
    pub async fn model(&self, store: &Store, task: &TaskId, version: u64) -> Result<ModelVersion> {
        let name = self.name(task, version);
        let (found, pruned) = match self {
            Self::Tenant(ctx) => {
                let tx = store.begin(ctx).await?;
                let found = tx.models().get(task, version).await?;
                (found, tx.models().pruned(task, version).await?)
            }
            Self::Tier { platform, .. } => {
                let tiers = platform.tiers();
                (tiers.get(&name).await?, tiers.pruned(&name).await?)
            }
        };
        match (found, pruned) {
            (Some(model), _) => Ok(model),
            (None, Some((at, reason))) => Err(RegistryError::Pruned { name, at, reason }),
            (None, None) => Err(RegistryError::NotFound(name)),
        }
    }

    /// At most `limit` versions, newest first, those before `before`; a tenant's of one task or of
    /// all, a tier's of `experts` unless another task is named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn models(
        &self,
        store: &Store,
        task: Option<&TaskId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ModelVersion>> {
        Ok(match self {
            Self::Tenant(ctx) => {
                let tx = store.begin(ctx).await?;
                tx.models().list(task, before, limit).await?
            }
            Self::Tier {
                owner, platform, ..
            } => {
                let task = task.cloned().unwrap_or_else(TaskId::experts);
                let tiers = platform.tiers();
                tiers.list(owner, &task, before, limit).await?
            }
        })
    }

    /// At most `limit` moves of the champion, newest first.
    pub(crate) async fn champion_moves(
        &self,
        store: &Store,
        task: &TaskId,
        limit: u32,
    ) -> Result<Vec<AliasEvent>> {
        Ok(match self {
            Self::Tenant(ctx) => {
                let tx = store.begin(ctx).await?;
                let champion = Some(Alias::Champion);
                tx.models().events(task, champion, limit).await?
            }
            Self::Tier {
                owner, platform, ..
            } => {
                let tiers = platform.tiers();
                tiers.events(owner, task, limit).await?
            }
        })
    }

    /// Points an alias at a version, or at none.
    pub(crate) async fn point(
        &self,
        store: &Store,
        (task, alias): (&TaskId, Alias),
        version: Option<u64>,
        by: AliasMove<'_>,
    ) -> Result<()> {
        match self {
            Self::Tenant(ctx) => {
                let tx = store.begin(ctx).await?;
                tx.models().set_alias(task, alias, version, by).await?;
                tx.commit().await?;
            }
            Self::Tier { .. } if alias == Alias::Challenger => {
                let message = "a tier has no challenger; tenants try versions by their own policy";
                return Err(FieldViolation::new("alias", message).into());
            }
            Self::Tier {
                owner, platform, ..
            } => {
                let tiers = platform.tiers();
                tiers.set_champion(owner, task, version, by).await?;
            }
        }
        Ok(())
    }

    /// Enqueues a job about the owner's models, or returns the one that waits for the same.
    ///
    /// # Errors
    /// The store fails.
    pub async fn enqueue(&self, store: &Store, job: NewJob, now: DateTime<Utc>) -> Result<Job> {
        Ok(match self {
            Self::Tenant(ctx) => {
                let tx = store.begin(ctx).await?;
                let job = tx.jobs().enqueue(job, now).await?;
                tx.commit().await?;
                job
            }
            Self::Tier { platform, .. } => platform.enqueue(job, now).await?,
        })
    }
}
