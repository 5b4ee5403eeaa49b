//! The store as a whole: opening, closing, and the doors to what is in it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::{AccessScope, AuditEvent, JobId, OperatorContext, TenantContext};
use sea_orm::ConnectionTrait;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::connect::Pools;
use crate::listen::Listener;
use crate::session::{Scope, Session};
use crate::tenant::audit;
use crate::{Changes, Keys, Platform, Purpose, Result, SharedWithTenant, StorageError, TenantTx};

/// Where the store is.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    /// `sqlite:///path/to/file.db` (made when missing) or `postgres://user@host/database`.
    pub url: String,
    /// The most connections: on SQLite for readers (writers share one), on PostgreSQL for all.
    pub max_connections: u32,
}

/// The relational store. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub pools: Pools,
    pub changes: Changes,
    /// Tells this process's notifications from those of others.
    pub origin: Uuid,
    ids: Mutex<ContextV7>,
    /// Ends with the store.
    listener: Option<Listener>,
}

impl Store {
    /// Opens the store and brings its schema up to date.
    ///
    /// # Errors
    /// [`StorageError::Config`] when the URL cannot be used, [`StorageError::Unavailable`] when
    /// nobody answers there, [`StorageError::Database`] when a migration fails.
    pub async fn open(config: &StorageConfig) -> Result<Self> {
        let pools = Pools::open(config).await?;
        let changes = Changes::new();
        let origin = Uuid::new_v4();
        let listener = match pools.is_postgres() {
            true => Some(Listener::start(config.url.clone(), changes.clone(), origin)),
            false => None,
        };
        let ids = Mutex::new(ContextV7::new());
        Ok(Self {
            inner: Arc::new(Inner {
                pools,
                changes,
                origin,
                ids,
                listener,
            }),
        })
    }

    /// Begins a transaction bound to the tenant of `ctx`: the only way to tenants' data.
    ///
    /// Nothing is asked of the database before the first use, and reading does not wait for
    /// writers. Dropped without [`TenantTx::commit`], it leaves no trace.
    ///
    /// # Errors
    /// None now; the first use may fail with [`StorageError::Unavailable`].
    #[allow(
        clippy::unused_async,
        reason = "opening a connection here must not change callers"
    )]
    pub async fn begin(&self, ctx: &TenantContext) -> Result<TenantTx> {
        let scope = Scope::Tenant(ctx.tenant().clone());
        Ok(TenantTx::new(
            Session::new(self.inner.clone(), scope),
            ctx.clone(),
        ))
    }

    /// What goes across tenants, for an operator's request.
    #[must_use]
    pub fn platform(&self, _proof: &OperatorContext) -> Platform {
        Platform::new(self.inner.clone())
    }

    /// What goes across tenants, for background work that no operator called.
    #[must_use]
    pub fn maintenance(&self, purpose: Purpose) -> Platform {
        tracing::trace!(?purpose, "across tenants");
        Platform::new(self.inner.clone())
    }

    /// What the platform shares with the tenant of `ctx`, read-only.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when the tenant is not there; the database fails.
    pub async fn shared_with(&self, ctx: &TenantContext) -> Result<SharedWithTenant> {
        SharedWithTenant::read(Platform::new(self.inner.clone()), ctx).await
    }

    /// The keys of a tenant, or the operators'.
    #[must_use]
    pub fn keys(&self, scope: &AccessScope) -> Keys {
        Keys::new(self.inner.clone(), scope.clone())
    }

    /// At most `limit` audit events, newest first, those before the sequence `before`: of one tenant,
    /// or of all and the platform itself.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "audit_events", skip_all)]
    pub async fn audit_events(
        &self,
        scope: &AccessScope,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>> {
        let session = Session::new(self.inner.clone(), Scope::of(scope));
        audit::list(&session, scope.tenant(), before, limit).await
    }

    /// What was committed, for those who hold copies.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] or [`StorageError::Database`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.inner
            .pools
            .reader
            .execute_unprepared("SELECT 1")
            .await?;
        Ok(())
    }

    /// Closes all connections, once those in use are given back. Clones are closed too.
    pub async fn close(&self) {
        if let Some(listener) = &self.inner.listener {
            listener.stop();
        }
        for pool in [&self.inner.pools.reader, &self.inner.pools.writer] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(%error, "a connection pool did not close");
            }
        }
    }
}

impl Inner {
    /// A new id that sorts after all earlier ones of this process.
    pub(crate) fn new_job_id(&self, now: DateTime<Utc>) -> Result<JobId> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let time = Timestamp::from_unix(&*ids, seconds, now.timestamp_subsec_nanos());
        JobId::parse(Uuid::new_v7(time).to_string())
            .map_err(|error| StorageError::corrupt("jobs.id", error))
    }
}
