//! Which tenants have precomputed answers.

use domain::TenantId;
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

use super::Platform;
use crate::Result;
use crate::convert::parsed;
use crate::rows::precomputed_answers::{Column, Entity};

impl Platform {
    /// The tenants that have at least one precomputed answer, by id.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.tenants_with_precomputed", skip_all)]
    pub async fn tenants_with_precomputed(&self) -> Result<Vec<TenantId>> {
        let session = self.session();
        let found: Vec<String> = Entity::find()
            .select_only()
            .column(Column::TenantId)
            .distinct()
            .order_by_asc(Column::TenantId)
            .into_tuple()
            .all(session.read().await?)
            .await?;
        found
            .into_iter()
            .map(|id| parsed("precomputed_answers.tenant_id", || TenantId::parse(id)))
            .collect()
    }
}
