//! What goes across tenants: for the auth layer, for operators, for workers.

use std::sync::Arc;

use domain::{TenantId, TenantState};
use sea_orm::sea_query::{Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use crate::Result;
use crate::convert::{micros, parsed};
use crate::rows::{index_state, requests, tenant_counters, tenants};
use crate::session::{Scope, Session};
use crate::store::Inner;

mod erase;
mod forget;
mod jobs;
mod keys;
mod marks;
mod precomputed;
mod prices;
pub(crate) mod queue;
mod shared;
mod spaces;
mod stored;
mod take;
mod tenants_admin;
mod tier_prune;
mod tiers;
mod usage;

pub use erase::{ErasureCertificate, ErasureCounts};
pub use keys::{FoundKey, Keys, NewKey};
pub use prices::{Prices, StoredPriceBook};
pub use queue::{LeaseStatus, LeaseToken, LeasedJob, Outcome, Queue};
pub use shared::SharedWithTenant;
pub use stored::Stored;
pub use tenants_admin::{NewTenant, SpaceJobs};
pub use tiers::{TierModels, Tiers};
pub use usage::{Booked, ErasedTenant, Retain, Usage};

/// The door to what goes across tenants. Each method is a transaction of its own.
///
/// Handlers get it by [`crate::Store::platform`] with an operator's proof, background work by
/// [`crate::Store::maintenance`] with its purpose.
#[derive(Debug, Clone)]
pub struct Platform {
    store: Arc<Inner>,
}

impl Platform {
    pub(crate) fn new(store: Arc<Inner>) -> Self {
        Self { store }
    }

    /// The job queue, for one worker. Keep it: see [`Queue::wait`].
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue::new(self.store.clone())
    }

    /// The active tenants whose items the index of `space` has not all taken in.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.tenants_behind", skip_all)]
    pub async fn tenants_behind(&self, space: &str) -> Result<Vec<TenantId>> {
        let session = self.session();
        let indexed = index_state::Entity::find()
            .select_only()
            .column(index_state::Column::Watermark)
            .filter(index_state::Column::Space.eq(space))
            .filter(
                Expr::col((index_state::Entity, index_state::Column::TenantId))
                    .equals((tenant_counters::Entity, tenant_counters::Column::TenantId)),
            )
            .into_query();
        let indexed: SimpleExpr = SimpleExpr::SubQuery(None, Box::new(indexed.into()));
        let active = tenants::Entity::find()
            .select_only()
            .column(tenants::Column::Id)
            .filter(tenants::Column::State.eq(TenantState::Active.as_str()))
            .into_query();
        let behind: Vec<String> = tenant_counters::Entity::find()
            .select_only()
            .column(tenant_counters::Column::TenantId)
            .filter(tenant_counters::Column::TenantId.in_subquery(active))
            .filter(
                Expr::col((tenant_counters::Entity, tenant_counters::Column::ItemChange))
                    .gt(Func::coalesce([indexed, Expr::value(0_i64)])),
            )
            .order_by_asc(tenant_counters::Column::TenantId)
            .into_tuple()
            .all(session.read().await?)
            .await?;
        behind
            .into_iter()
            .map(|id| parsed("tenants.id", || TenantId::parse(id)))
            .collect()
    }

    /// Forgets the answers of mutations that are older than `before`; returns how many. Who repeats
    /// such a request later does the work again.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.forget_requests", skip_all)]
    pub async fn forget_requests(&self, before: chrono::DateTime<chrono::Utc>) -> Result<u64> {
        let session = self.session();
        let forgotten = requests::Entity::delete_many()
            .filter(requests::Column::SavedAt.lt(micros(before)))
            .exec(session.write().await?)
            .await?
            .rows_affected;
        session.commit().await?;
        Ok(forgotten)
    }

    fn session(&self) -> Session {
        Session::new(self.store.clone(), Scope::Platform)
    }
}
