//! The platform's operator: onboards tenants and hands out keys.

use anyhow::Result;
use api::v1;
use api::v1::api_key::Role;
use api::v1::tenant_service_client::TenantServiceClient;

use super::{Authorized, connect, refused};
use crate::content::Tenant;

/// Holds an OPERATOR key.
#[derive(Debug, Clone)]
pub struct Operator {
    tenants: TenantServiceClient<Authorized>,
}

impl Operator {
    /// Connects with an operator's key.
    ///
    /// # Errors
    /// When the server is out of reach.
    pub async fn connect(endpoint: &str, key: &str) -> Result<Self> {
        Ok(Self {
            tenants: TenantServiceClient::new(connect(endpoint, key).await?),
        })
    }

    /// Creates a tenant that shares nothing.
    ///
    /// # Errors
    /// The server's.
    pub async fn create_tenant(&self, tenant: &Tenant) -> Result<()> {
        self.create_sharing_tenant(tenant, false).await
    }

    /// Creates a tenant, which may let the tiers above learn from it.
    ///
    /// # Errors
    /// The server's.
    pub async fn create_sharing_tenant(&self, tenant: &Tenant, share: bool) -> Result<()> {
        let request = v1::CreateTenantRequest {
            tenant_id: tenant.id.clone(),
            display_name: tenant.display_name.clone(),
            vertical: tenant.vertical.clone(),
            settings: Some(v1::TenantSettings {
                share_for_training: share,
                ..Default::default()
            }),
            request_id: format!("create-{}", tenant.id),
        };
        let answer = self.tenants.clone().create_tenant(request).await;
        answer.map_err(refused("CreateTenant")).map(|_| ())
    }

    /// Makes a key of one tenant, and returns its secret.
    ///
    /// # Errors
    /// The server's.
    pub async fn create_key(&self, tenant: &Tenant, role: Role, name: &str) -> Result<String> {
        let request = v1::CreateApiKeyRequest {
            parent: tenant.name(),
            role: role.into(),
            display_name: name.to_owned(),
        };
        let answer = self.tenants.clone().create_api_key(request).await;
        Ok(answer.map_err(refused("CreateApiKey"))?.into_inner().secret)
    }
}
