//! Keys: making, finding, listing, revoking.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{AccessScope, ApiKey, Change, KeyId, ResourceName, Role, TenantId, TenantState};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::Platform;
use crate::convert::{micros, storable};
use crate::rows::api_keys::{Column, Entity, Model};
use crate::rows::tenants;
use crate::session::{Scope, Session};
use crate::store::Inner;
use crate::tenant::audit::{Event, record};
use crate::{Result, StorageError};

/// A key, and the hash of its secret.
pub type FoundKey = (ApiKey, [u8; 32]);

/// A key to make.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The key's public half.
    pub id: KeyId,
    /// What it is for.
    pub role: Role,
    /// Name for people.
    pub display_name: String,
    /// SHA-256 of the secret half.
    pub secret_hash: [u8; 32],
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// The keys of a tenant, or the operators'. Each method is a transaction of its own.
#[derive(Debug, Clone)]
pub struct Keys {
    store: Arc<Inner>,
    scope: AccessScope,
}

impl Keys {
    pub(crate) fn new(store: Arc<Inner>, scope: AccessScope) -> Self {
        Self { store, scope }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] when the id is taken; [`StorageError::NotFound`] when the
    /// tenant is not there; the database fails.
    #[tracing::instrument(level = "debug", name = "keys.create", skip_all)]
    pub async fn create(&self, new: NewKey, now: DateTime<Utc>) -> Result<ApiKey> {
        let (tenant, actor) = (self.scope.tenant(), self.scope.actor());
        create(self.session(), tenant, new, actor, now).await
    }

    /// At most `limit` keys by id, those after `after`. Revoked ones are among them.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "keys.list", skip_all)]
    pub async fn list(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<ApiKey>> {
        let session = self.session();
        let mut query = keys_of(self.scope.tenant()).order_by_asc(Column::Id);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.as_str()));
        }
        let rows = query
            .limit(u64::from(limit))
            .all(session.read().await?)
            .await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    /// Revokes a key. One that is revoked stays as it is. None when there is no such key in this
    /// scope.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "keys.revoke", skip_all)]
    pub async fn revoke(&self, id: &KeyId, now: DateTime<Utc>) -> Result<Option<ApiKey>> {
        let session = self.session();
        let db = session.write().await?;
        let query = keys_of(self.scope.tenant())
            .filter(Column::Id.eq(id.as_str()))
            .lock_exclusive();
        let Some(mut row) = query.one(db).await? else {
            return Ok(None);
        };
        if row.revoked_at.is_none() {
            row.revoked_at = Some(micros(now));
            let changed = row.clone().into_active_model().reset_all();
            Entity::update(changed).exec(db).await?;
            let name = ResourceName::ApiKey(self.scope.tenant().cloned(), id.clone());
            audited(db, &row, self.scope.actor(), "keys.revoke", &name, now).await?;
            session.note(Change::Key(id.clone()));
        }
        session.commit().await?;
        ApiKey::try_from(row).map(Some)
    }

    fn session(&self) -> Session {
        Session::new(self.store.clone(), Scope::of(&self.scope))
    }
}

impl Platform {
    /// Makes an operator's key for `actor`, who has no key of their own: at the first start.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] when the id is taken; the database fails.
    #[tracing::instrument(level = "debug", name = "platform.create_operator_key", skip_all)]
    pub async fn create_operator_key(
        &self,
        new: NewKey,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<ApiKey> {
        create(self.session(), None, new, actor, now).await
    }

    /// The key, and the hash of its secret.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.find_key", skip_all)]
    pub async fn find_key(&self, id: &KeyId) -> Result<Option<FoundKey>> {
        let session = self.session();
        let db = session.read().await?;
        let Some(row) = Entity::find_by_id(id.as_str()).one(db).await? else {
            return Ok(None);
        };
        let hash =
            row.secret_hash.as_slice().try_into().map_err(|_| {
                StorageError::corrupt("api_keys.secret_hash", "is not 32 bytes long")
            })?;
        Ok(Some((ApiKey::try_from(row)?, hash)))
    }

    /// How many operators' keys work: none on a new platform.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "platform.count_operator_keys", skip_all)]
    pub async fn count_operator_keys(&self) -> Result<u64> {
        let session = self.session();
        let working = keys_of(None).filter(Column::RevokedAt.is_null());
        Ok(working.count(session.read().await?).await?)
    }
}

async fn create(
    session: Session,
    tenant: Option<&TenantId>,
    new: NewKey,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<ApiKey> {
    let db = session.write().await?;
    if let Some(tenant) = tenant {
        check_tenant(db, tenant).await?;
    }
    let row = Model {
        id: new.id.to_string(),
        tenant_id: tenant.map(ToString::to_string),
        role: new.role.as_str().to_owned(),
        display_name: storable(&new.display_name),
        secret_hash: new.secret_hash.to_vec(),
        created_at: micros(now),
        revoked_at: None,
    };
    let inserted = Entity::insert(row.clone().into_active_model())
        .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    let name = ResourceName::ApiKey(tenant.cloned(), new.id.clone());
    if inserted == 0 {
        return Err(StorageError::already_exists(name.to_string()));
    }
    audited(db, &row, actor, "keys.create", &name, now).await?;
    session.note(Change::Key(new.id));
    session.commit().await?;
    ApiKey::try_from(row)
}

fn keys_of(tenant: Option<&TenantId>) -> Select<Entity> {
    match tenant {
        Some(tenant) => Entity::find().filter(Column::TenantId.eq(tenant.as_str())),
        None => Entity::find().filter(Column::TenantId.is_null()),
    }
}

async fn check_tenant(db: &DatabaseTransaction, tenant: &TenantId) -> Result<()> {
    let row = tenants::Entity::find_by_id(tenant.as_str())
        .lock_shared()
        .one(db)
        .await?;
    match row {
        None => Err(StorageError::not_found(format!("tenants/{tenant}"))),
        Some(row) if row.state == TenantState::Erasing.as_str() => Err(StorageError::Erasing {
            tenant: tenant.to_string(),
        }),
        Some(_) => Ok(()),
    }
}

async fn audited(
    db: &DatabaseTransaction,
    key: &Model,
    actor: &str,
    action: &str,
    name: &ResourceName,
    now: DateTime<Utc>,
) -> Result<()> {
    let event = Event {
        tenant: key.tenant_id.as_deref(),
        actor,
        action,
        resource: &name.to_string(),
        detail: &format!("{} {:?}", key.role, key.display_name),
    };
    record(db, event, now).await
}
