//! Switching a tenant to the embedding space that it wants.
//!
//! The job takes no input: it looks at what is wanted and what is there. Items are embedded and
//! indexed in the wanted space beside the active one. When the wanted space has every item, it becomes
//! the active one in one transaction, under the lock that writers of items take. The space before it
//! is kept for a while, because requests that began in it may still be under way, and then dropped.
//! Killed anywhere, the job goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock, JobKind, SpaceState, TaskId, TenantContext};
use embedding::Embedders;
use encoding::Encoder;
use jobs::specs::SpaceSwitched;
use jobs::{IndexItems, JobFailure, JobHandler, JobSpec, JobWork, Retrain, SwitchSpace};
use storage::{NewJob, Purpose, SpaceSwitch, Store, TenantTx};
use vectors::{Space, VectorError, VectorStore};

use crate::space_index::{Role, SpaceIndex};

/// Cached vectors of a space that are forgotten in one transaction.
const FORGOTTEN_AT_A_TIME: u64 = 2_000;
/// Tasks looked at for models that need a retrain. A tenant has fewer.
const TASKS: u32 = 1_000;

/// Brings tenants into the embedding space that they want.
pub struct SpaceSwitcher {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The embedding models.
    pub embedders: Embedders,
    /// How long a space that a tenant has left is kept: longer than a request takes, and than another
    /// process takes to hear of the switch.
    pub grace: Duration,
    /// The clock.
    pub clock: Clock,
}

#[async_trait]
impl JobHandler<SwitchSpace> for SpaceSwitcher {
    async fn run(&self, work: &JobWork, _: SwitchSpace) -> Result<SpaceSwitched, JobFailure> {
        let ctx = work.context("spaces")?;
        let mut outcome = SpaceSwitched::default();
        outcome.active = loop {
            let tx = self.store.begin(&ctx).await?;
            let active = tx.spaces().active().await?;
            let wanted = tx.spaces().wanted().await?;
            drop(tx);
            if wanted == active {
                break active;
            }
            // One that is wanted no more is left where it is, and the next one begun.
            if let Some(items) = self.move_to(&ctx, work, &wanted).await? {
                outcome.left = Some(active);
                outcome.indexed_items = Some(items);
                break wanted;
            }
        };
        let dropped = self.drop_left(&ctx, work).await?;
        outcome.dropped = (!dropped.is_empty()).then(|| dropped.join(", "));
        Ok(outcome)
    }
}

impl SpaceSwitcher {
    /// Fills the wanted space with so many items, and makes it the active one; none where it is wanted no more.
    async fn move_to(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        wanted: &str,
    ) -> Result<Option<u64>, JobFailure> {
        work.progress(0.0, format!("loading {wanted}"));
        // A model that is not installed fails the job: nothing but an operator can change that, and the
        // space before serves on.
        let embedder = self.embedders.get(wanted).await?;
        let made_by = embedder.space().fingerprint.clone();
        let encoder = Encoder::new(self.store.clone(), embedder);
        self.vectors.ensure_space(encoder.space()).await?;
        // Its files may have been installed, or changed, since the start.
        let claimed = self
            .store
            .maintenance(Purpose::Indexing)
            .claim_space(wanted, &made_by)
            .await?;
        if claimed.is_some() {
            return Err(JobFailure::fail(format!(
                "the files of {wanted} are not those that other tenants' vectors were made with: an operator \
                 has to put the former files back"
            )));
        }
        let tx = self.store.begin(ctx).await?;
        tx.spaces().prepare(Some(wanted), self.clock.now()).await?;
        tx.commit().await?;
        let index = SpaceIndex {
            store: &self.store,
            vectors: self.vectors.as_ref(),
            ctx,
            encoder,
            role: Role::Wanted,
        };
        let mut items = 0;
        loop {
            let Some(done) = index.catch_up(work).await? else {
                return Ok(None);
            };
            items += done.items;
            done.tx.commit().await?;
            match self.switch(ctx, &index).await? {
                SpaceSwitch::Done => return Ok(Some(items)),
                SpaceSwitch::Behind => {}
                SpaceSwitch::Unwanted => return Ok(None),
            }
        }
    }

    /// The switch itself, with all that follows from it, in one transaction. What was written since the
    /// last look is taken in while writers wait, so that one who never pauses does not keep the tenant
    /// where it is.
    async fn switch(
        &self,
        ctx: &TenantContext,
        index: &SpaceIndex<'_>,
    ) -> Result<SpaceSwitch, JobFailure> {
        let tx = self.store.begin(ctx).await?;
        tx.spaces().hold_writers().await?;
        if !index.last_step(&tx).await? {
            return Ok(SpaceSwitch::Behind);
        }
        Ok(self.finish(ctx, tx, index.encoder.name()).await?)
    }

    async fn finish(
        &self,
        ctx: &TenantContext,
        tx: TenantTx,
        wanted: &str,
    ) -> storage::Result<SpaceSwitch> {
        let now = self.clock.now();
        let outcome = tx.spaces().switch(wanted, now + self.grace()).await?;
        if outcome != SpaceSwitch::Done {
            return Ok(outcome);
        }
        retrain_all(&tx, now).await?;
        tx.jobs().enqueue(IndexItems {}.new_job(), now).await?;
        let resource = format!("tenants/{}", ctx.tenant());
        let detail = format!("embedding space {wanted}");
        tx.audit()
            .record("tenants.switch_space", &resource, &detail, now)
            .await?;
        tx.commit().await?;
        tracing::info!(tenant = %ctx.tenant(), space = wanted, "switched the embedding space");
        Ok(outcome)
    }

    fn grace(&self) -> TimeDelta {
        TimeDelta::from_std(self.grace).unwrap_or(TimeDelta::MAX)
    }

    /// Drops the spaces that the tenant has left, where their time has come, and comes again for the
    /// others. Answers the names of those that are gone.
    async fn drop_left(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
    ) -> Result<Vec<String>, JobFailure> {
        let now = self.clock.now();
        let tx = self.store.begin(ctx).await?;
        let active = tx.spaces().active().await?;
        if tx.spaces().wanted().await? == active {
            // What was being prepared for a wish that was taken back is left, too.
            tx.spaces().prepare(None, now).await?;
        }
        let spaces = tx.spaces().list().await?;
        tx.commit().await?;
        let (mut dropped, mut next) = (Vec::new(), None::<DateTime<Utc>>);
        for space in spaces {
            if space.state != SpaceState::Retired {
                continue;
            }
            match space.drop_after.filter(|after| *after > now) {
                Some(later) => next = Some(next.map_or(later, |next| next.min(later))),
                None => {
                    if self.drop_space(ctx, work, &space.name).await? {
                        dropped.push(space.name);
                    }
                }
            }
        }
        if let Some(due) = next {
            let tx = self.store.begin(ctx).await?;
            let again = NewJob {
                // Not the key of a switch that is asked for: that one must not wait so long.
                dedup_key: Some(format!("{}:drop", JobKind::SwitchSpace.as_str())),
                ..SwitchSpace {}.new_job()
            };
            let jobs = tx.jobs();
            jobs.enqueue_due(again, due, now).await?;
            tx.commit().await?;
        }
        Ok(dropped)
    }

    /// Removes the tenant's points and cached vectors of a space. False when it is in use after all.
    async fn drop_space(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        name: &str,
    ) -> Result<bool, JobFailure> {
        work.progress(0.95, format!("dropping {name}"));
        let tx = self.store.begin(ctx).await?;
        let now = self.clock.now();
        if !tx.spaces().begin_drop(name, now).await? {
            return Ok(false);
        }
        tx.commit().await?;
        if let Some(dimensions) = Embedders::dimensions(name) {
            let space = Space {
                name: name.to_owned(),
                dimensions,
            };
            match self.vectors.delete_tenant(&space, ctx.tenant()).await {
                Ok(_) => self.vectors.flush(&space).await?,
                Err(VectorError::UnknownSpace { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        loop {
            work.proceed()?;
            let tx = self.store.begin(ctx).await?;
            let forgotten = tx.embeddings().forget(name, FORGOTTEN_AT_A_TIME).await?;
            if forgotten < FORGOTTEN_AT_A_TIME {
                tx.spaces().finish_drop(name).await?;
                tx.commit().await?;
                tracing::info!(tenant = %ctx.tenant(), space = name, "dropped an embedding space");
                return Ok(true);
            }
            tx.commit().await?;
        }
    }
}

/// Has everything trained again that was trained before: in the space that was left.
async fn retrain_all(tx: &TenantTx, now: DateTime<Utc>) -> storage::Result<()> {
    let tasks = tx.tasks().list(None, TASKS).await?;
    let tasks = tasks.into_iter().map(|task| task.definition.id);
    for task in [TaskId::experts()].into_iter().chain(tasks) {
        if !tx.models().list(Some(&task), None, 1).await?.is_empty() {
            tx.jobs().enqueue(Retrain::of(task).new_job(), now).await?;
        }
    }
    Ok(())
}
