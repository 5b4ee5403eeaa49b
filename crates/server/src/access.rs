//! The gate that every handler passes first: caller and tenant in, tenant context out.

use std::sync::Arc;
use std::time::Duration;

use api::HasParent;
use async_trait::async_trait;
use domain::{
    AccessScope, ErrorKind, Permission, ResourceName, TenantContext, TenantId, TenantState,
};
use moka::future::Cache;

use crate::auth::{denied, operator};
use crate::deadline::deadline;
use crate::{Caller, ServiceError};

/// A state that a change notification missed is wrong for this long at the most.
const STATE_TTL: Duration = Duration::from_secs(10);

/// Where the state of a tenant is looked up.
#[async_trait]
pub trait TenantDirectory: Send + Sync + 'static {
    /// The tenant's state; none when there is no such tenant.
    async fn state(&self, tenant: &TenantId) -> Result<Option<TenantState>, ServiceError>;
}

/// A request that was let into a tenant.
#[derive(Debug)]
pub struct Authorized<M> {
    /// The tenant, and who calls.
    pub ctx: TenantContext,
    /// Time that the caller gave the request; none when it waits without end.
    pub deadline: Option<Duration>,
    /// The message.
    pub request: M,
}

impl<M> Authorized<M> {
    /// Demands more than the RPC declares, for a part of the request that needs it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub fn demand(&self, permission: Permission) -> Result<(), ServiceError> {
        let held = self.ctx.role().holds(permission);
        held.then_some(()).ok_or_else(denied)
    }
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
    ) -> Result<TenantContext, ServiceError> {
        let caller = Caller::of(extensions)?;
        let tenant =
            ResourceName::tenant(parent).map_err(|error| ServiceError::name("parent", &error))?;
        self.enter_tenant(caller, &tenant).await
    }

    /// Lets a request into the tenant that its `parent` names.
    ///
    /// # Errors
    /// As [`Gatekeeper::enter`].
    pub async fn authorize<M: HasParent>(
        &self,
        request: tonic::Request<M>,
    ) -> Result<Authorized<M>, ServiceError> {
        let (metadata, extensions, request) = request.into_parts();
        Ok(Authorized {
            ctx: self.enter(&extensions, request.parent()).await?,
            deadline: deadline(&metadata),
            request,
        })
    }

    /// The same for a tenant id that was read from another resource's name.
    ///
    /// # Errors
    /// As [`Gatekeeper::enter`].
    pub async fn enter_tenant(
        &self,
        caller: &Caller,
        tenant: &TenantId,
    ) -> Result<TenantContext, ServiceError> {
        let context = self.enter_any_state(caller, tenant)?;
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
    ) -> Result<TenantContext, ServiceError> {
        let context = TenantContext::enter(&caller.key, tenant, caller.permission);
        let context = context.ok_or_else(denied)?;
        metering::usage::set_tenant(tenant);
        Ok(context)
    }

    /// The tenant that `parent` names, in whatever state; or the platform, where it is `platform`, which
    /// only operators may name.
    ///
    /// # Errors
    /// As [`Gatekeeper::enter_any_state`].
    pub fn scope(
        &self,
        extensions: &http::Extensions,
        (field, parent): (&str, &str),
        platform: &str,
    ) -> Result<AccessScope, ServiceError> {
        if parent == platform {
            return operator(extensions).map(AccessScope::Platform);
        }
        let caller = Caller::of(extensions)?;
        let tenant =
            ResourceName::tenant(parent).map_err(|error| ServiceError::name(field, &error))?;
        self.enter_any_state(caller, &tenant)
            .map(AccessScope::Tenant)
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
