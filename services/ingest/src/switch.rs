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
use domain::{Clock, ErrorKind, JobKind, SpaceState, TaskId, TenantContext};
use embedding::Embedders;
use storage::{
    JobFailure, JobRunner, JobWork, NewJob, Outcome, Purpose, SpaceSwitch, Store, TenantTx,
};
use vectors::{Space, VectorError, VectorStore};

use crate::space_index::{Role, SpaceIndex, Written, retry, space_of};

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
impl JobRunner for SpaceSwitcher {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::SwitchSpace]
    }

    async fn run(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let ctx = TenantContext::for_background_work(work.tenant()?, "spaces");
        let mut outcome = Outcome::new();
        let active = loop {
            let tx = self.store.begin(&ctx).await.map_err(retry)?;
            let active = tx.spaces().active().await.map_err(retry)?;
            let wanted = tx.spaces().wanted().await.map_err(retry)?;
            drop(tx);
            if wanted == active {
                break active;
            }
            // One that is wanted no more is left where it is, and the next one begun.
            if let Written::All(items) = self.move_to(&ctx, work, &wanted).await? {
                outcome.push(("left".to_owned(), active));
                outcome.push(("indexed_items".to_owned(), items.to_string()));
                break wanted;
            }
        };
        outcome.push(("active".to_owned(), active));
        let dropped = self.drop_left(&ctx, work).await?;
        if !dropped.is_empty() {
            outcome.push(("dropped".to_owned(), dropped.join(", ")));
        }
        Ok(outcome)
    }
}

impl SpaceSwitcher {
    /// Fills the wanted space, and makes it the active one.
    async fn move_to(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        wanted: &str,
    ) -> Result<Written, JobFailure> {
        work.progress(0.0, format!("loading {wanted}"));
        let embedder = self.embedders.get(wanted).await.map_err(|error| {
            // Nothing but an operator can mend it; the space before serves on.
            match error.kind() {
                ErrorKind::FailedPrecondition => JobFailure::Fail(error.to_string()),
                _ => retry(error),
            }
        })?;
        let space = space_of(&embedder);
        self.vectors.ensure_space(&space).await.map_err(retry)?;
        // Its files may have been installed, or changed, since the start.
        let made_by = &embedder.space().fingerprint;
        let claimed = self
            .store
            .maintenance(Purpose::Indexing)
            .claim_space(wanted, made_by)
            .await;
        if claimed.map_err(retry)?.is_some() {
            return Err(JobFailure::Fail(format!(
                "the files of {wanted} are not those that other tenants' vectors were made with: an operator \
                 has to put the former files back"
            )));
        }
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let prepared = tx.spaces().prepare(Some(wanted), self.clock.now()).await;
        prepared.map_err(retry)?;
        tx.commit().await.map_err(retry)?;
        let index = SpaceIndex {
            store: &self.store,
            vectors: self.vectors.as_ref(),
            ctx,
            embedder,
            space,
            role: Role::Wanted,
        };
        let mut items = 0;
        loop {
            match index.catch_up(work).await? {
                Written::All(written) => items += written,
                Written::Left => return Ok(Written::Left),
            }
            match self.switch(ctx, &index).await? {
                SpaceSwitch::Done => return Ok(Written::All(items)),
                SpaceSwitch::Behind => {}
                SpaceSwitch::Unwanted => return Ok(Written::Left),
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
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        tx.spaces().hold_writers().await.map_err(retry)?;
        if !index.last_step(&tx).await? {
            return Ok(SpaceSwitch::Behind);
        }
        self.finish(ctx, tx, &index.space.name).await.map_err(retry)
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
        let index = NewJob::indexing(JobKind::IndexItems);
        tx.jobs().enqueue(index, now).await?;
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
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let active = tx.spaces().active().await.map_err(retry)?;
        if tx.spaces().wanted().await.map_err(retry)? == active {
            // What was being prepared for a wish that was taken back is left, too.
            tx.spaces().prepare(None, now).await.map_err(retry)?;
        }
        let spaces = tx.spaces().list().await.map_err(retry)?;
        tx.commit().await.map_err(retry)?;
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
            let tx = self.store.begin(ctx).await.map_err(retry)?;
            let again = NewJob {
                // Not the key of a switch that is asked for: that one must not wait so long.
                dedup_key: Some(format!("{}:drop", JobKind::SwitchSpace.as_str())),
                ..NewJob::switch_space()
            };
            let jobs = tx.jobs();
            jobs.enqueue_due(again, due, now).await.map_err(retry)?;
            tx.commit().await.map_err(retry)?;
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
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let begun = tx.spaces().begin_drop(name, self.clock.now()).await;
        if !begun.map_err(retry)? {
            return Ok(false);
        }
        tx.commit().await.map_err(retry)?;
        if let Some(dimensions) = Embedders::dimensions(name) {
            let space = Space {
                name: name.to_owned(),
                dimensions,
            };
            match self.vectors.delete_tenant(&space, ctx.tenant()).await {
                Ok(_) => self.vectors.flush(&space).await.map_err(retry)?,
                Err(VectorError::UnknownSpace { .. }) => {}
                Err(error) => return Err(retry(error)),
            }
        }
        loop {
            if work.should_stop() {
                return Err(JobFailure::Cancelled);
            }
            let tx = self.store.begin(ctx).await.map_err(retry)?;
            let forgotten = tx.embeddings().forget(name, FORGOTTEN_AT_A_TIME).await;
            let forgotten = forgotten.map_err(retry)?;
            if forgotten < FORGOTTEN_AT_A_TIME {
                tx.spaces().finish_drop(name).await.map_err(retry)?;
                tx.commit().await.map_err(retry)?;
                tracing::info!(tenant = %ctx.tenant(), space = name, "dropped an embedding space");
                return Ok(true);
            }
            tx.commit().await.map_err(retry)?;
        }
    }
}

/// Has everything trained again that was trained before: in the space that was left.
async fn retrain_all(tx: &TenantTx, now: DateTime<Utc>) -> storage::Result<()> {
    let tasks = tx.tasks().list(None, TASKS).await?;
    let tasks = tasks.into_iter().map(|task| task.definition.id);
    for task in [TaskId::experts()].into_iter().chain(tasks) {
        if !tx.models().list(Some(&task), None, 1).await?.is_empty() {
            tx.jobs().enqueue(NewJob::retrain(&task), now).await?;
        }
    }
    Ok(())
}
