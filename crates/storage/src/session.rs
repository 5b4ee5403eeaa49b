//! A transaction that begins when it is first used, and tells of its changes when it is committed.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{AccessScope, Change, JobKind, TenantId, TenantState};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseExecutor, DatabaseTransaction, DbBackend, EntityTrait,
    QueryFilter, QuerySelect, Statement,
};
use tokio::sync::OnceCell;

use crate::convert::named;
use crate::listen::notify;
use crate::rows::tenants;
use crate::store::Inner;
use crate::{Result, StorageError};

/// For whom a session works: what PostgreSQL's row-level security lets it see.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    Tenant(TenantId),
    Platform,
}

impl Scope {
    /// For whom a caller of this scope works.
    pub(crate) fn of(scope: &AccessScope) -> Self {
        match scope {
            AccessScope::Tenant(ctx) => Self::Tenant(ctx.tenant().clone()),
            AccessScope::Platform(_) => Self::Platform,
        }
    }
}

/// A transaction of one tenant or of the platform.
///
/// Reads and writes may run on two connections. On SQLite a session that only reads must not wait
/// for writers, and one that has begun to read cannot begin to write there: so the first write
/// opens a second transaction, on the writer's connection, and all later reads go there. What was
/// read before may have changed by then, as it may under PostgreSQL's `READ COMMITTED`, where both
/// are the same transaction: take a lock (the tenant's counters) before a read that a write
/// depends on.
#[derive(Debug)]
pub(crate) struct Session {
    store: Arc<Inner>,
    scope: Scope,
    reader: OnceCell<DatabaseTransaction>,
    writer: OnceCell<DatabaseTransaction>,
    writable: OnceCell<()>,
    notes: Mutex<Vec<Change>>,
    /// Kinds of jobs that may be takeable after this.
    takeable: Mutex<Vec<JobKind>>,
}

impl Session {
    pub(crate) fn new(store: Arc<Inner>, scope: Scope) -> Self {
        Self {
            store,
            scope,
            reader: OnceCell::new(),
            writer: OnceCell::new(),
            writable: OnceCell::new(),
            notes: Mutex::default(),
            takeable: Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<Inner> {
        &self.store
    }

    /// The transaction to read in. Sees what this session has written.
    pub(crate) async fn read(&self) -> Result<&DatabaseTransaction> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        if self.store.pools.is_postgres() {
            return self.write().await;
        }
        self.reader
            .get_or_try_init(|| self.store.pools.begin_read())
            .await
    }

    /// Where to run the one statement that a session is made for: on SQLite without a transaction around
    /// it, whose beginning and end would take longer than the statement.
    pub(crate) async fn read_once(&self) -> Result<DatabaseExecutor<'_>> {
        if self.store.pools.is_postgres() || self.writer.initialized() {
            return Ok(self.read().await?.into());
        }
        Ok((&self.store.pools.reader).into())
    }

    /// The transaction to write in, whatever the state of the tenant.
    pub(crate) async fn write(&self) -> Result<&DatabaseTransaction> {
        self.writer
            .get_or_try_init(|| async {
                let transaction = self.store.pools.begin_write().await?;
                if self.store.pools.is_postgres() {
                    enter_scope(&transaction, &self.scope).await?;
                }
                Ok(transaction)
            })
            .await
    }

    /// The transaction to write a tenant's data in.
    ///
    /// # Errors
    /// The tenant does not exist, or is being erased. Until the commit it stays as it is now: on
    /// PostgreSQL by a shared lock on its row, on SQLite because there is no other writer.
    pub(crate) async fn write_data(&self) -> Result<&DatabaseTransaction> {
        let transaction = self.write().await?;
        self.writable
            .get_or_try_init(|| async {
                match &self.scope {
                    Scope::Tenant(tenant) => check_writable(transaction, tenant).await,
                    Scope::Platform => Ok(()),
                }
            })
            .await?;
        Ok(transaction)
    }

    /// Remembers what to tell once this is committed.
    pub(crate) fn note(&self, change: Change) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&change) {
            notes.push(change);
        }
    }

    /// Remembers whose workers to wake once this is committed.
    pub(crate) fn note_takeable(&self, kinds: &[JobKind]) {
        let mut takeable = self.takeable.lock().unwrap_or_else(PoisonError::into_inner);
        takeable.extend(kinds);
    }

    /// Commits, then tells.
    ///
    /// Runs to its end even when the caller goes away meanwhile: what is committed is told.
    pub(crate) async fn commit(self) -> Result<()> {
        let Self {
            store,
            reader,
            writer,
            notes,
            takeable,
            ..
        } = self;
        if let Some(reader) = reader.into_inner() {
            reader.rollback().await?;
        }
        let Some(writer) = writer.into_inner() else {
            return Ok(());
        };
        let notes = notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let takeable = takeable
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let work = async move {
            if store.pools.is_postgres() {
                notify(&writer, store.origin, &notes).await?;
            }
            writer.commit().await?;
            store.changes.publish_own(notes, &takeable);
            Ok(())
        };
        match tokio::spawn(work).await {
            Ok(done) => done,
            Err(panicked) => Err(StorageError::Database(Box::new(panicked))),
        }
    }
}

/// Tells PostgreSQL's row-level security who is asking, until the end of the transaction.
async fn enter_scope(transaction: &DatabaseTransaction, scope: &Scope) -> Result<()> {
    let (setting, value) = match scope {
        Scope::Tenant(tenant) => ("tenantry.tenant", tenant.as_str()),
        Scope::Platform => ("tenantry.platform", "on"),
    };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT set_config($1, $2, true)",
        [setting.into(), value.into()],
    );
    transaction.execute_raw(statement).await?;
    Ok(())
}

async fn check_writable(transaction: &DatabaseTransaction, tenant: &TenantId) -> Result<()> {
    let state: Option<String> = tenants::Entity::find()
        .select_only()
        .column(tenants::Column::State)
        .filter(tenants::Column::Id.eq(tenant.as_str()))
        .lock_shared()
        .into_tuple()
        .one(transaction)
        .await?;
    let state = state.ok_or_else(|| StorageError::not_found(format!("tenants/{tenant}")))?;
    match named("tenants.state", &state, TenantState::parse)? {
        TenantState::Erasing => Err(StorageError::Erasing {
            tenant: tenant.to_string(),
        }),
        TenantState::Active | TenantState::Inactive => Ok(()),
    }
}
