//! The RPCs of `TenantService`: context, permission, command, one call, convert.

use api::v1::tenant_service_server::TenantService;
use api::v1::{self};
use domain::{ErrorKind, OperatorContext, ResourceName, TenantContext, TenantId, TenantState};
use jobs::specs::space_jobs;
use jobs::{EraseTenant, JobSpec};
use prost::Message as _;
use server::{Caller, Reply, ServiceError, operator, page, parse_page_token};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::Tenants;
use crate::commands::{CreateTenant, apply_update};
use crate::keys::page_limit;

#[tonic::async_trait]
impl TenantService for Tenants {
    type ExportTenantStream = ReceiverStream<Result<v1::ExportTenantResponse, Status>>;

    async fn create_tenant(
        &self,
        request: Request<v1::CreateTenantRequest>,
    ) -> Reply<v1::CreateTenantResponse> {
        let operator = operator(request.extensions())?;
        let tenant = self.create(request.into_inner(), &operator).await?;
        let ctx = operator.in_tenant(&tenant.id);
        Ok(Response::new(v1::CreateTenantResponse {
            tenant: Some(self.with_space(&ctx, tenant).await?),
        }))
    }

    async fn get_tenant(
        &self,
        request: Request<v1::GetTenantRequest>,
    ) -> Reply<v1::GetTenantResponse> {
        let caller = Caller::of(request.extensions())?;
        let id = tenant_name("name", &request.get_ref().name)?;
        let ctx = self.gate.enter_any_state(caller, &id)?;
        let tenant = self.own_tenant(&ctx).await?;
        Ok(Response::new(v1::GetTenantResponse {
            tenant: Some(self.with_space(&ctx, tenant).await?),
        }))
    }

    async fn list_tenants(
        &self,
        request: Request<v1::ListTenantsRequest>,
    ) -> Reply<v1::ListTenantsResponse> {
        let operator = operator(request.extensions())?;
        let request = request.into_inner();
        let limit = page_limit(request.page_size)?;
        let after = parse_page_token::<TenantId>(&request.page_token)?;
        let vertical = match request.vertical.as_str() {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|error| ServiceError::id("vertical", &error))?,
            ),
        };
        let found = self
            .store
            .platform(&operator)
            .list_tenants(after, limit, vertical)
            .await;
        let tenants = found.map_err(ServiceError::from)?;
        let page = page(tenants, limit, |tenant| {
            (tenant.id.to_string(), tenant.into())
        });
        Ok(Response::new(v1::ListTenantsResponse {
            tenants: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_tenant(
        &self,
        request: Request<v1::UpdateTenantRequest>,
    ) -> Reply<v1::UpdateTenantResponse> {
        let operator = operator(request.extensions())?;
        let tenant = self.update(request.into_inner(), &operator).await?;
        let ctx = operator.in_tenant(&tenant.id);
        Ok(Response::new(v1::UpdateTenantResponse {
            tenant: Some(self.with_space(&ctx, tenant).await?),
        }))
    }

    async fn delete_tenant(
        &self,
        request: Request<v1::DeleteTenantRequest>,
    ) -> Reply<v1::DeleteTenantResponse> {
        let operator = operator(request.extensions())?;
        let id = tenant_name("name", &request.get_ref().name)?;
        let job = self.erase(&operator, &id).await?;
        Ok(Response::new(v1::DeleteTenantResponse {
            job: Some(job.into()),
        }))
    }

    async fn export_tenant(
        &self,
        request: Request<v1::ExportTenantRequest>,
    ) -> Reply<Self::ExportTenantStream> {
        let caller = Caller::of(request.extensions())?;
        let id = tenant_name("name", &request.get_ref().name)?;
        let ctx = self.gate.enter_tenant(caller, &id).await?;
        let tenant = self.own_tenant(&ctx).await?;
        Ok(Response::new(crate::export::stream(
            self.store.clone(),
            ctx,
            tenant,
        )))
    }

    async fn create_api_key(
        &self,
        request: Request<v1::CreateApiKeyRequest>,
    ) -> Reply<v1::CreateApiKeyResponse> {
        let (_, extensions, message) = request.into_parts();
        Ok(Response::new(self.make_key(&extensions, message).await?))
    }

    async fn list_api_keys(
        &self,
        request: Request<v1::ListApiKeysRequest>,
    ) -> Reply<v1::ListApiKeysResponse> {
        let (_, extensions, message) = request.into_parts();
        Ok(Response::new(self.keys(&extensions, message).await?))
    }

    async fn revoke_api_key(
        &self,
        request: Request<v1::RevokeApiKeyRequest>,
    ) -> Reply<v1::RevokeApiKeyResponse> {
        let (_, extensions, message) = request.into_parts();
        Ok(Response::new(self.revoke(&extensions, message).await?))
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Reply<v1::ListAuditEventsResponse> {
        let (_, extensions, request) = request.into_parts();
        let scope = self.scope(&extensions, "parent", &request.parent)?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<i64>(&request.page_token)?;
        let events = self.store.audit_events(&scope, before, limit).await;
        let events = events.map_err(ServiceError::from)?;
        let page = page(events, limit, |event| {
            (event.sequence.to_string(), event.into())
        });
        Ok(Response::new(v1::ListAuditEventsResponse {
            audit_events: page.entries,
            next_page_token: page.next_page_token,
        }))
    }
}

impl Tenants {
    async fn own_tenant(&self, ctx: &TenantContext) -> Result<domain::Tenant, ServiceError> {
        Ok(self.store.shared_with(ctx).await?.tenant().clone())
    }

    async fn find(
        &self,
        operator: &OperatorContext,
        id: &TenantId,
    ) -> Result<domain::Tenant, ServiceError> {
        let found = self.store.platform(operator).get_tenant(id).await?;
        found.ok_or_else(|| ServiceError::not_found(format_args!("tenants/{id}")))
    }

    /// Creates a tenant. A repeat with the same request id and the same contents is answered with
    /// the tenant that the first one made.
    async fn create(
        &self,
        message: v1::CreateTenantRequest,
        operator: &OperatorContext,
    ) -> Result<domain::Tenant, ServiceError> {
        let fingerprint = v1::CreateTenantRequest {
            request_id: String::new(),
            ..message.clone()
        };
        let command = CreateTenant::try_from(message)?;
        if let Some(model) = command.tenant.settings.named_model() {
            self.check_model(model).await?;
            self.make_space(model).await?;
        }
        let id = command.tenant.id.clone();
        let ctx = operator.in_tenant(&id);
        let method = "CreateTenant";
        if let Some(request_id) = &command.request_id {
            let tx = self.store.begin(&ctx).await?;
            let print = fingerprint.encode_to_vec();
            if tx
                .requests()
                .find(method, request_id, &print)
                .await?
                .is_some()
            {
                return self.find(operator, &id).await;
            }
        }
        let now = self.clock.now();
        let tenant = self
            .store
            .platform(operator)
            .create_tenant(command.tenant, operator.actor(), now)
            .await?;
        if let Some(request_id) = &command.request_id {
            let tx = self.store.begin(&ctx).await?;
            let print = fingerprint.encode_to_vec();
            tx.requests()
                .save(method, request_id, &print, Vec::new(), now)
                .await?;
            tx.commit().await?;
        }
        Ok(tenant)
    }

    async fn update(
        &self,
        request: v1::UpdateTenantRequest,
        operator: &OperatorContext,
    ) -> Result<domain::Tenant, ServiceError> {
        let wanted = request
            .tenant
            .ok_or_else(|| ServiceError::invalid("tenant", "is missing"))?;
        let id = tenant_name("tenant.name", &wanted.name)?;
        let mask = request
            .update_mask
            .map(|mask| mask.paths)
            .unwrap_or_default();
        let mut tenant = self.find(operator, &id).await?;
        if tenant.state == TenantState::Erasing {
            let message = format!("tenants/{id} is being erased");
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "TENANT_ERASING",
                message,
            ));
        }
        let before = tenant.settings.embedding_model().to_owned();
        apply_update(&mut tenant, &wanted, &mask)?;
        if let Some(named) = tenant
            .settings
            .named_model()
            .filter(|named| *named != before)
        {
            self.check_model(named).await?;
        }
        let now = self.clock.now();
        let updated = self
            .store
            .platform(operator)
            .update_tenant(&tenant, space_jobs(), operator.actor(), now)
            .await?;
        self.gate.forget(&id).await;
        Ok(updated)
    }

    async fn erase(
        &self,
        operator: &OperatorContext,
        id: &TenantId,
    ) -> Result<domain::Job, ServiceError> {
        let mut tenant = self.find(operator, id).await?;
        let now = self.clock.now();
        // From here on nothing is served and nothing new can be written.
        if tenant.state != TenantState::Erasing {
            tenant.state = TenantState::Erasing;
            self.store
                .platform(operator)
                .update_tenant(&tenant, space_jobs(), operator.actor(), now)
                .await?;
            self.gate.forget(id).await;
        }
        let tx = self.store.begin(&operator.in_tenant(id)).await?;
        let job = tx.jobs().enqueue(EraseTenant {}.new_job(), now).await?;
        tx.commit().await?;
        Ok(job)
    }
}

fn tenant_name(field: &str, name: &str) -> Result<TenantId, ServiceError> {
    ResourceName::tenant(name).map_err(|error| ServiceError::name(field, &error))
}
