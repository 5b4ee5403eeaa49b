//! The RPCs of `CostService`: context, permission, command, one call, convert.

use api::v1;
use api::v1::cost_service_server::CostService;
use domain::AccessScope;
use server::{Reply, ServiceError, operator, sendable};
use tonic::{Request, Response};

use crate::Costs;
use crate::export::{Parts, in_parts};
use crate::prices::InForce;
use crate::usage::UsageQuery;

#[tonic::async_trait]
impl CostService for Costs {
    type ExportCostsStream = Parts;

    async fn get_cost_report(
        &self,
        request: Request<v1::GetCostReportRequest>,
    ) -> Reply<v1::GetCostReportResponse> {
        let (_, extensions, request) = request.into_parts();
        let scope = self.scope(&extensions, &request.parent)?;
        let month = self.month(&request.month)?;
        let made = self
            .report(scope.tenant(), month, request.by().into())
            .await?;
        let answer = v1::GetCostReportResponse {
            report: Some(made.to_wire(scope.tenant())),
        };
        let remedy = "ask without parts (`by`), for one tenant, or with ExportCosts";
        Ok(Response::new(sendable(answer, remedy)?))
    }

    async fn list_usage(
        &self,
        request: Request<v1::ListUsageRequest>,
    ) -> Reply<v1::ListUsageResponse> {
        let (_, extensions, request) = request.into_parts();
        let AccessScope::Tenant(ctx) = self.scope(&extensions, &request.parent)? else {
            let message = "names all tenants; name one: their usage together is the report's";
            return Err(ServiceError::invalid("parent", message).into());
        };
        let query = UsageQuery::parse(&request, self.clock.now())?;
        Ok(Response::new(self.usage(&ctx, query).await?))
    }

    async fn export_costs(
        &self,
        request: Request<v1::ExportCostsRequest>,
    ) -> Reply<Self::ExportCostsStream> {
        let (_, extensions, request) = request.into_parts();
        let scope = self.scope(&extensions, &request.parent)?;
        let month = self.month(&request.month)?;
        let bytes = self.export(scope.tenant(), month, request.format()).await?;
        Ok(Response::new(in_parts(&bytes)))
    }

    async fn get_price_book(
        &self,
        request: Request<v1::GetPriceBookRequest>,
    ) -> Reply<v1::GetPriceBookResponse> {
        operator(request.extensions())?;
        let prices = match request.get_ref().example {
            true => InForce::example(),
            false => self.prices_in_force().await?,
        };
        Ok(Response::new(v1::GetPriceBookResponse {
            price_book: Some(prices.to_wire()),
        }))
    }

    async fn update_price_book(
        &self,
        request: Request<v1::UpdatePriceBookRequest>,
    ) -> Reply<v1::UpdatePriceBookResponse> {
        let operator = operator(request.extensions())?;
        let updated = self.update_prices(request.into_inner(), &operator).await?;
        Ok(Response::new(updated))
    }

    async fn set_budget(
        &self,
        request: Request<v1::SetBudgetRequest>,
    ) -> Reply<v1::SetBudgetResponse> {
        let operator = operator(request.extensions())?;
        let set = Costs::set_budget(self, request.into_inner(), &operator).await?;
        Ok(Response::new(set))
    }
}
