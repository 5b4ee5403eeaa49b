//! Whose costs a request is about.

use domain::{AccessScope, TenantId};
use server::ServiceError;
use storage::Purpose;

use crate::Costs;

/// The parent that means all tenants together.
pub(crate) const ALL: &str = "tenants/-";

impl Costs {
    /// The scope that `parent` names, if the caller may enter it. A tenant that is not there is found
    /// out later: what an erased one used is still asked for.
    pub(crate) fn scope(
        &self,
        extensions: &http::Extensions,
        parent: &str,
    ) -> Result<AccessScope, ServiceError> {
        self.gate.scope(extensions, ("parent", parent), ALL)
    }

    /// Says that a tenant which neither is nor was there is not found.
    pub(crate) async fn check_known(&self, tenant: &TenantId) -> Result<(), ServiceError> {
        let platform = self.store.maintenance(Purpose::Costs);
        let known = platform.get_tenant(tenant).await?.is_some()
            || platform.certificate(tenant).await?.is_some();
        match known {
            true => Ok(()),
            false => Err(ServiceError::not_found(format_args!("tenants/{tenant}"))),
        }
    }
}
