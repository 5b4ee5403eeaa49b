//! Embedding spaces across tenants: which are in use, and what made their vectors.

use domain::DEFAULT_EMBEDDING_MODEL;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::Platform;
use crate::Result;
use crate::rows::{space_makers, tenant_spaces, tenants};

impl Platform {
    /// The embedding spaces that some tenant is in or on its way to, by name, each once. Spaces of
    /// tenants that never left the default one are not told.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.spaces", skip_all)]
    pub async fn spaces(&self) -> Result<Vec<String>> {
        let session = self.session();
        let found = tenant_spaces::Entity::find()
            .select_only()
            .column(tenant_spaces::Column::Space)
            .distinct()
            .order_by_asc(tenant_spaces::Column::Space)
            .into_tuple()
            .all(session.read().await?)
            .await?;
        Ok(found)
    }

    /// Says that vectors of `space` are made by what `fingerprint` stands for, from now on. None: that is
    /// what made those that are there. Else the fingerprint of what did, and nothing is changed; a space
    /// that no tenant is in has no such past, and of one that was never claimed the first claim is believed.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.claim_space", skip_all)]
    pub async fn claim_space(&self, space: &str, fingerprint: &str) -> Result<Option<String>> {
        let session = self.session();
        let db = session.write().await?;
        let kept = space_makers::Entity::find_by_id(space).one(db).await?;
        match kept {
            Some(kept) if kept.fingerprint == fingerprint => return Ok(None),
            Some(kept) if in_use(db, space).await? => return Ok(Some(kept.fingerprint)),
            _ => {}
        }
        let row = space_makers::Model {
            space: space.to_owned(),
            fingerprint: fingerprint.to_owned(),
        };
        space_makers::Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::column(space_makers::Column::Space)
                    .update_column(space_makers::Column::Fingerprint)
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        session.commit().await?;
        Ok(None)
    }
}

/// Whether a tenant may have vectors in the space. Who never left the default one has no row.
async fn in_use(db: &DatabaseTransaction, space: &str) -> Result<bool> {
    let there = tenant_spaces::Entity::find()
        .filter(tenant_spaces::Column::Space.eq(space))
        .count(db)
        .await?;
    if there > 0 || space != DEFAULT_EMBEDDING_MODEL {
        return Ok(there > 0);
    }
    Ok(tenants::Entity::find().count(db).await? > 0)
}
