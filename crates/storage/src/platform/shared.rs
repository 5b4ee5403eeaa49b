//! What the platform shares with a tenant: its own record, and the models of the tiers above it.

use domain::{Tenant, TenantContext};

use super::{Platform, TierModels};
use crate::{Result, StorageError};

/// What the platform shares with one tenant, read-only.
#[derive(Debug, Clone)]
pub struct SharedWithTenant {
    platform: Platform,
    tenant: Tenant,
}

impl SharedWithTenant {
    pub(crate) async fn read(platform: Platform, ctx: &TenantContext) -> Result<Self> {
        let found = platform.get_tenant(ctx.tenant()).await?;
        let tenant =
            found.ok_or_else(|| StorageError::not_found(format!("tenants/{}", ctx.tenant())))?;
        Ok(Self { platform, tenant })
    }

    /// The tenant, in whatever state.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The models of its vertical and the global ones: no other vertical's can be read.
    #[must_use]
    pub fn tiers(&self) -> TierModels {
        TierModels {
            platform: self.platform.clone(),
            vertical: Some(self.tenant.vertical.clone()),
        }
    }
}
