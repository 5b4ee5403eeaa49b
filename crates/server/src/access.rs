//! The gate that every handler passes first: caller and tenant in, tenant context out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{ErrorKind, Permission, ResourceName, TenantContext, TenantId, TenantState};
use moka::future::Cache;

use crate::auth::denied;
use crate::{Caller, ServiceError};

/// A state that a change notification missed is wrong for this long at the most.
const STATE_TTL: Duration = Duration::from_secs(10);

/// Where the state of a tenant is looked up.
#[async_trait]
pub trait TenantDirectory: Send + Sync + 'static {
    /// The tenant's state; none when there is no such tenant.
    async fn state(&self, tenant: &TenantId) -> Result<Option<TenantState>, ServiceError>;
}

/// Hands out tenant contexts to callers who may have them.
#[derive(Clone)]
pub struct Gatekeeper {
    directory: Arc<dyn TenantDirectory>,
    states: Cache<TenantId, TenantState>,
}

impl Gatekeeper {
    /// A gatekeeper that looks tenants up in `directory`.
    #[must_use]
    pub fn new(directory: Arc<dyn TenantDirectory>) -> Self {
        let states = Cache::builder()
            .max_capacity(100_000)
            .time_to_live(STATE_TTL)
            .build();
        Self { directory, states }
    }

    /// The context of the request's caller in the tenant that `parent` names.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a caller; `PERMISSION_DENIED` when the key is for another tenant
    /// (there or not: the answer is the same) or its role is too small; `NOT_FOUND` for an operator
    /// who names no tenant; `FAILED_PRECONDITION` when the tenant is not served now.
    pub async fn enter(
        &self,
        extensions: &http::Extensions,
        parent: &str,
        permission: Permission,
    ) -> Result<TenantContext, ServiceError> {
        let caller = Caller::of(extensions)?;
        let tenant =
            ResourceName::tenant(parent).map_err(|error| ServiceError::name("parent", &error))?;
        self.enter_tenant(caller, &tenant, permission).await
    }

    /// The same for a tenant id that was read from another resource's name.
    ///
    /// # Errors
    /// As [`Gatekeeper::enter`].
    pub async fn enter_tenant(
        &self,
        caller: &Caller,
        tenant: &TenantId,
        permission: Permission,
    ) -> Result<TenantContext, ServiceError> {
        let context = self.enter_any_state(caller, tenant, permission)?;
        match self.state(tenant).await? {
            Some(TenantState::Active) => Ok(context),
            Some(state) => Err(not_served(tenant, state)),
            None => Err(ServiceError::not_found(format_args!("tenants/{tenant}"))),
        }
    }

    /// The same whatever state the tenant is in, for those who look at it or change it.
    ///
    /// # Errors
    /// As [`Gatekeeper::enter`], but for the state.
    pub fn enter_any_state(
        &self,
        caller: &Caller,
        tenant: &TenantId,
        permission: Permission,
    ) -> Result<TenantContext, ServiceError> {
        let context = TenantContext::enter(&caller.key, tenant, permission).ok_or_else(denied)?;
        metering::usage::set_tenant(tenant);
        Ok(context)
    }

    /// Forgets what is known of a tenant, after a change.
    pub async fn forget(&self, tenant: &TenantId) {
        self.states.invalidate(tenant).await;
    }

    async fn state(&self, tenant: &TenantId) -> Result<Option<TenantState>, ServiceError> {
        if let Some(state) = self.states.get(tenant).await {
            return Ok(Some(state));
        }
        let state = self.directory.state(tenant).await?;
        if let Some(state) = state {
            self.states.insert(tenant.clone(), state).await;
        }
        Ok(state)
    }
}

fn not_served(tenant: &TenantId, state: TenantState) -> ServiceError {
    let (reason, remedy) = match state {
        TenantState::Erasing => ("TENANT_ERASING", "it is being erased"),
        _ => ("TENANT_INACTIVE", "an operator can set its state to ACTIVE"),
    };
    let message = format!("tenants/{tenant} is not served: {remedy}");
    ServiceError::new(ErrorKind::FailedPrecondition, reason, message)
}
