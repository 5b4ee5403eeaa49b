//! The platform's operator: onboards tenants and hands out keys.

use anyhow::Result;
use api::v1;
use api::v1::api_key::Role;
use api::v1::get_cost_report_request::By;

use super::{Client, refused};
use crate::content::Tenant;

/// Holds an OPERATOR key.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
}

impl Operator {
    /// Connects with an operator's key.
    ///
    /// # Errors
    /// When the server is out of reach.
    pub async fn connect(endpoint: &str, key: &str) -> Result<Self> {
        Ok(Self {
            client: Client::connect(endpoint, Some(key)).await?,
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
        let answer = self.client.tenants().create_tenant(request).await;
        answer.map_err(refused("CreateTenant")).map(|_| ())
    }

    /// Says what one accepted answer is worth to a tenant, in the currency of the price book.
    ///
    /// # Errors
    /// The server's.
    pub async fn value_answers(&self, tenant: &Tenant, amount: &str) -> Result<()> {
        let request = v1::UpdateTenantRequest {
            tenant: Some(v1::Tenant {
                name: tenant.name(),
                settings: Some(v1::TenantSettings {
                    value_per_accepted: amount.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["settings.value_per_accepted".to_owned()],
            }),
        };
        let answer = self.client.tenants().update_tenant(request).await;
        answer.map_err(refused("UpdateTenant")).map(|_| ())
    }

    /// What all tenants cost and earn this month, with each row's parts by meter.
    ///
    /// # Errors
    /// The server's.
    pub async fn cost_report(&self) -> Result<v1::CostReport> {
        let request = v1::GetCostReportRequest {
            parent: "tenants/-".to_owned(),
            month: String::new(),
            by: By::Meter.into(),
        };
        let answer = self.client.costs().get_cost_report(request).await;
        let report = answer
            .map_err(refused("GetCostReport"))?
            .into_inner()
            .report;
        Ok(report.unwrap_or_default())
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
        let answer = self.client.tenants().create_api_key(request).await;
        Ok(answer.map_err(refused("CreateApiKey"))?.into_inner().secret)
    }
}
