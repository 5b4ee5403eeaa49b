//! Looks up keys and tenants for the gate, with a short memory.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Change, KeyId, TenantId, TenantState};
use moka::future::Cache;
use server::{Gatekeeper, KeyDirectory, KeyRecord, ServiceError, TenantDirectory};
use storage::{Purpose, Store};
use tokio_util::sync::CancellationToken;

/// A revocation that another process made is seen after this long at the latest.
const KEY_TTL: Duration = Duration::from_secs(10);

/// Keys and tenants of the store.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    keys: Cache<KeyId, KeyRecord>,
}

impl Directory {
    /// A directory on `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let keys = Cache::builder()
            .max_capacity(100_000)
            .time_to_live(KEY_TTL)
            .build();
        Self { store, keys }
    }

    /// Forgets what changes until `stop`, so that a revoked key is refused at once.
    pub async fn follow_changes(self, gate: Gatekeeper, stop: CancellationToken) {
        let mut changes = self.store.changes().subscribe();
        loop {
            let change = tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => change,
            };
            match change {
                Ok(Change::Key(id)) => self.keys.invalidate(&id).await,
                Ok(Change::Tenant(tenant)) => {
                    gate.forget(&tenant).await;
                    self.keys.invalidate_all();
                }
                Ok(_) => {}
                // Some were missed: forget everything rather than guess.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                    self.keys.invalidate_all();
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

#[async_trait]
impl KeyDirectory for Directory {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, ServiceError> {
        if let Some(record) = self.keys.get(id).await {
            return Ok(Some(record));
        }
        let found = self
            .store
            .maintenance(Purpose::Authentication)
            .find_key(id)
            .await?;
        let Some((key, secret_hash)) = found else {
            return Ok(None);
        };
        let record = KeyRecord { key, secret_hash };
        self.keys.insert(id.clone(), record.clone()).await;
        Ok(Some(record))
    }
}

#[async_trait]
impl TenantDirectory for Directory {
    async fn state(&self, tenant: &TenantId) -> Result<Option<TenantState>, ServiceError> {
        Ok(self
            .store
            .maintenance(Purpose::Authentication)
            .get_tenant(tenant)
            .await?
            .map(|tenant| tenant.state))
    }
}
