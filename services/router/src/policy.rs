//! The routing policy as the tenant's administrators see and set it.

use api::v1;
use domain::{ResourceName, RoutingMode, RoutingPolicy, TaskId, TenantContext};
use registry::resolve::{builtin_model, model_of_chain};
use server::ServiceError;
use storage::StoredPolicy;

use crate::Router;

impl Router {
    /// The policy of a task; `AUTO` when none was set.
    pub(crate) async fn policy(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
    ) -> Result<v1::RoutingPolicy, ServiceError> {
        self.check_task(ctx, task).await?;
        let tx = self.parts.store.begin(ctx).await?;
        let kept = tx.routing().get(task).await?;
        Ok(match kept {
            Some(kept) => to_wire(task, &kept),
            None => v1::RoutingPolicy {
                task: task.to_string(),
                ..(&RoutingPolicy::default()).into()
            },
        })
    }

    /// Replaces the policy of a task.
    pub(crate) async fn set_policy(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        policy: &RoutingPolicy,
    ) -> Result<v1::RoutingPolicy, ServiceError> {
        policy
            .validate(ctx.tenant(), task)
            .map_err(|violation| ServiceError::violations(vec![violation]))?;
        self.check_task(ctx, task).await?;
        if let RoutingMode::PinnedVersion(name) = &policy.mode
            && *name != builtin_model(task)
        {
            model_of_chain(&self.parts.store, ctx, name).await?;
        }
        let tx = self.parts.store.begin(ctx).await?;
        let kept = tx
            .routing()
            .set(task, policy, self.parts.clock.now())
            .await?;
        tx.commit().await?;
        // Whoever asks this process next is routed by the new policy: a kill switch must not wait.
        if *task == TaskId::experts() {
            self.parts.experts.renew(ctx).await;
        } else {
            self.parts.tasks.renew(ctx, task).await;
        }
        Ok(to_wire(task, &kept))
    }

    /// Refuses a task that the tenant has not.
    async fn check_task(&self, ctx: &TenantContext, task: &TaskId) -> Result<(), ServiceError> {
        if *task == TaskId::experts() {
            return Ok(());
        }
        let tx = self.parts.store.begin(ctx).await?;
        match tx.tasks().get(task).await? {
            Some(_) => Ok(()),
            None => {
                let name = ResourceName::Task(ctx.tenant().clone(), task.clone());
                Err(ServiceError::not_found(name))
            }
        }
    }
}

fn to_wire(task: &TaskId, kept: &StoredPolicy) -> v1::RoutingPolicy {
    v1::RoutingPolicy {
        task: task.to_string(),
        update_time: Some(api::timestamp(kept.updated_at)),
        updated_by: kept.actor.clone(),
        ..(&kept.policy).into()
    }
}
