//! The RPCs of `RouterService`: context, permission, command, one call, convert.

use api::v1;
use api::v1::router_service_server::RouterService;
use domain::{Permission, RoutingPolicy, TaskId};
use server::{Authorized, Caller, Reply, ServiceError, deadline, fitting, page, parse_page_token};
use serving::experts::{ExpertQuery, ItemQuery};
use serving::tasks::TaskQuery;
use storage::OpenPosition;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Router;
use crate::classify_commands::{Correct, Withdraw, task_query};
use crate::commands::{expert_query, item_query, limit, question, routed_task, routing_key};
use crate::convert::route_to_wire;
use crate::feedback::Feedback;

const SIMILAR_DEFAULT: usize = 10;

#[tonic::async_trait]
impl RouterService for Router {
    type BatchRecommendExpertsStream =
        ReceiverStream<Result<v1::BatchRecommendExpertsResponse, Status>>;

    async fn recommend_experts(
        &self,
        request: Request<v1::RecommendExpertsRequest>,
    ) -> Reply<v1::RecommendExpertsResponse> {
        let call = self.parts.gate.authorize(request).await?;
        if !call.request.model_override.is_empty() {
            call.demand(Permission::Administer)?;
        }
        let Authorized {
            ctx,
            deadline,
            request,
        } = call;
        let answer = if request.item.is_empty() {
            let query = expert_query(&request)?;
            let query = ExpertQuery { deadline, ..query };
            self.recommend(&ctx, query).await?
        } else {
            let query = item_query(ctx.tenant(), &request)?;
            let query = ItemQuery { deadline, ..query };
            self.recommend_item(&ctx, query).await?
        };
        Ok(Response::new(answer))
    }

    async fn batch_recommend_experts(
        &self,
        request: Request<Streaming<v1::BatchRecommendExpertsRequest>>,
    ) -> Reply<Self::BatchRecommendExpertsStream> {
        let caller = Caller::of(request.extensions())?.clone();
        let deadline = deadline(request.metadata());
        let questions = request.into_inner();
        let answers = self
            .clone()
            .serve_questionnaire(caller, deadline, questions);
        Ok(Response::new(answers))
    }

    async fn list_open_items(
        &self,
        request: Request<v1::ListOpenItemsRequest>,
    ) -> Reply<v1::ListOpenItemsResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let limit = api::page_limit(request.page_size, 100, 1_000)
            .map_err(|error| ServiceError::violations(vec![error]))?;
        let after = parse_page_token::<OpenPosition>(&request.page_token)?;
        let items = self.open_items(&ctx, after, limit).await?;
        let page = page(items, limit, |(position, item)| {
            (position.to_string(), item)
        });
        Ok(Response::new(v1::ListOpenItemsResponse {
            items: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn classify(&self, request: Request<v1::ClassifyRequest>) -> Reply<v1::ClassifyResponse> {
        let call = self.parts.gate.authorize(request).await?;
        if !call.request.model_override.is_empty() {
            call.demand(Permission::Administer)?;
        }
        let Authorized {
            ctx,
            deadline,
            request,
        } = call;
        let query = TaskQuery {
            deadline,
            ..task_query(&request)?
        };
        Ok(Response::new(Router::classify(self, &ctx, query).await?))
    }

    async fn correct_label(
        &self,
        request: Request<v1::CorrectLabelRequest>,
    ) -> Reply<v1::CorrectLabelResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let confirmed = self.correct(&ctx, Correct::try_from(request)?).await?;
        Ok(Response::new(v1::CorrectLabelResponse { confirmed }))
    }

    async fn withdraw_correction(
        &self,
        request: Request<v1::WithdrawCorrectionRequest>,
    ) -> Reply<v1::WithdrawCorrectionResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let withdrawn = self.withdraw(&ctx, Withdraw::try_from(request)?).await?;
        Ok(Response::new(v1::WithdrawCorrectionResponse { withdrawn }))
    }

    async fn find_similar_items(
        &self,
        request: Request<v1::FindSimilarItemsRequest>,
    ) -> Reply<v1::FindSimilarItemsResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let text = question(&request.text)?;
        let limit = limit(request.top_k, SIMILAR_DEFAULT)?;
        let found = self.similar(&ctx, text, limit).await?;
        Ok(Response::new(v1::FindSimilarItemsResponse {
            items: fitting(found.items),
            ..found
        }))
    }

    async fn send_feedback(
        &self,
        request: Request<v1::SendFeedbackRequest>,
    ) -> Reply<v1::SendFeedbackResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let kept = self
            .record_feedback(&ctx, Feedback::try_from(request)?)
            .await?;
        Ok(Response::new(kept))
    }

    async fn explain_route(
        &self,
        request: Request<v1::ExplainRouteRequest>,
    ) -> Reply<v1::ExplainRouteResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let task = routed_task("task", &request.task)?;
        let key = routing_key(&request.routing_key)?;
        let key = key.unwrap_or_default();
        let explained = if task == TaskId::experts() {
            self.parts.experts.explain_route(&ctx, &key).await
        } else {
            self.parts.tasks.explain_route(&ctx, &task, &key).await
        };
        let (route, considered) = explained.map_err(ServiceError::from)?;
        Ok(Response::new(v1::ExplainRouteResponse {
            route: Some(route_to_wire(&route)),
            considered,
        }))
    }

    async fn warm_tenant(
        &self,
        request: Request<v1::WarmTenantRequest>,
    ) -> Reply<v1::WarmTenantResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let task = routed_task("task", &request.task)?;
        let bytes = if task == TaskId::experts() {
            self.parts.experts.warm(&ctx).await
        } else {
            self.parts.tasks.warm(&ctx, &task).await
        };
        let bytes = bytes.map_err(ServiceError::from)?;
        Ok(Response::new(v1::WarmTenantResponse {
            resident_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        }))
    }

    async fn get_routing_policy(
        &self,
        request: Request<v1::GetRoutingPolicyRequest>,
    ) -> Reply<v1::GetRoutingPolicyResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let task = routed_task("task", &request.task)?;
        let policy = Some(self.policy(&ctx, &task).await?);
        Ok(Response::new(v1::GetRoutingPolicyResponse { policy }))
    }

    async fn update_routing_policy(
        &self,
        request: Request<v1::UpdateRoutingPolicyRequest>,
    ) -> Reply<v1::UpdateRoutingPolicyResponse> {
        let Authorized { ctx, request, .. } = self.parts.gate.authorize(request).await?;
        let wire = request
            .policy
            .ok_or_else(|| ServiceError::invalid("policy", "is missing; send the whole policy"))?;
        let task = routed_task("policy.task", &wire.task)?;
        let policy = RoutingPolicy::try_from(&wire)
            .map_err(|violation| ServiceError::violations(vec![violation]))?;
        let policy = Some(self.set_policy(&ctx, &task, &policy).await?);
        Ok(Response::new(v1::UpdateRoutingPolicyResponse { policy }))
    }
}
