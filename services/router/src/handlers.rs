//! The RPCs of `RouterService`: context, permission, command, one call, convert.

use api::v1;
use api::v1::batch_recommend_experts_response::Result as BatchResult;
use api::v1::router_service_server::RouterService;
use domain::{Ask, Permission, ResourceName, RoutingPolicy, TenantContext, bucket};
use server::{Caller, Reply, ServiceError, deadline};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Router;
use crate::classify_commands::{Classify, Correct};
use crate::commands::{Recommend, expert_task, limit, question, routing_key};
use crate::feedback::Feedback;
use crate::wire::route_to_wire;

const SIMILAR_DEFAULT: usize = 10;
/// Answers of a questionnaire that may wait for a slow reader.
const WAITING: usize = 16;

#[tonic::async_trait]
impl RouterService for Router {
    type BatchRecommendExpertsStream =
        ReceiverStream<Result<v1::BatchRecommendExpertsResponse, Status>>;

    async fn recommend_experts(
        &self,
        request: Request<v1::RecommendExpertsRequest>,
    ) -> Reply<v1::RecommendExpertsResponse> {
        let (metadata, extensions, request) = request.into_parts();
        let permission = match request.model_override.is_empty() {
            true => Permission::Serve,
            false => Permission::Administer,
        };
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, permission)
            .await?;
        let command = Recommend {
            deadline: deadline(&metadata),
            ..Recommend::try_from(&request)?
        };
        Ok(Response::new(self.recommend(&ctx, command).await?))
    }

    async fn batch_recommend_experts(
        &self,
        request: Request<Streaming<v1::BatchRecommendExpertsRequest>>,
    ) -> Reply<Self::BatchRecommendExpertsStream> {
        let caller = Caller::of(request.extensions())?.clone();
        let (sender, receiver) = mpsc::channel(WAITING);
        let router = self.clone();
        tokio::spawn(async move {
            if let Err(status) = router
                .answer_all(&caller, request.into_inner(), &sender)
                .await
            {
                // The client may be gone: then nobody wants to know.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn classify(&self, request: Request<v1::ClassifyRequest>) -> Reply<v1::ClassifyResponse> {
        let (_, extensions, request) = request.into_parts();
        let permission = match request.model_override.is_empty() {
            true => Permission::Serve,
            false => Permission::Administer,
        };
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, permission)
            .await?;
        let command = Classify::try_from(request)?;
        Ok(Response::new(Router::classify(self, &ctx, command).await?))
    }

    async fn correct_label(
        &self,
        request: Request<v1::CorrectLabelRequest>,
    ) -> Reply<v1::CorrectLabelResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, Permission::Serve)
            .await?;
        let confirmed = self.correct(&ctx, Correct::try_from(request)?).await?;
        Ok(Response::new(v1::CorrectLabelResponse { confirmed }))
    }

    async fn find_similar_items(
        &self,
        request: Request<v1::FindSimilarItemsRequest>,
    ) -> Reply<v1::FindSimilarItemsResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, Permission::Serve)
            .await?;
        let text = question(&request.text)?;
        let items = self
            .similar(&ctx, text, limit(request.top_k, SIMILAR_DEFAULT)?)
            .await?;
        Ok(Response::new(v1::FindSimilarItemsResponse { items }))
    }

    async fn send_feedback(
        &self,
        request: Request<v1::SendFeedbackRequest>,
    ) -> Reply<v1::SendFeedbackResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, Permission::Serve)
            .await?;
        let kept = self
            .keep_feedback(&ctx, Feedback::try_from(request)?)
            .await?;
        Ok(Response::new(kept))
    }

    async fn explain_route(
        &self,
        request: Request<v1::ExplainRouteRequest>,
    ) -> Reply<v1::ExplainRouteResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, Permission::Serve)
            .await?;
        expert_task(&request.task)?;
        let key = routing_key(&request.routing_key)?;
        let view = self.parts.residents.view(&ctx).await?;
        let ask = Ask {
            bucket: bucket(ctx.tenant().as_str(), key.as_deref().unwrap_or_default()),
            remaining: None,
        };
        Ok(Response::new(v1::ExplainRouteResponse {
            route: Some(route_to_wire(&view.chain.choose(ask).route)),
            considered: view.chain.considered(),
        }))
    }

    async fn get_routing_policy(
        &self,
        request: Request<v1::GetRoutingPolicyRequest>,
    ) -> Reply<v1::GetRoutingPolicyResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, Permission::ReadContent)
            .await?;
        let task = expert_task(&request.task)?;
        let policy = Some(self.policy(&ctx, &task).await?);
        Ok(Response::new(v1::GetRoutingPolicyResponse { policy }))
    }

    async fn update_routing_policy(
        &self,
        request: Request<v1::UpdateRoutingPolicyRequest>,
    ) -> Reply<v1::UpdateRoutingPolicyResponse> {
        let (_, extensions, request) = request.into_parts();
        let ctx = self
            .parts
            .gate
            .enter(&extensions, &request.parent, Permission::Administer)
            .await?;
        let wire = request
            .policy
            .ok_or_else(|| ServiceError::invalid("policy", "is missing; send the whole policy"))?;
        let task = expert_task(&wire.task)?;
        let policy = RoutingPolicy::try_from(&wire)
            .map_err(|violation| ServiceError::violations(vec![violation]))?;
        let policy = Some(self.set_policy(&ctx, &task, &policy).await?);
        Ok(Response::new(v1::UpdateRoutingPolicyResponse { policy }))
    }
}

impl Router {
    async fn answer_all(
        &self,
        caller: &Caller,
        mut questions: Streaming<v1::BatchRecommendExpertsRequest>,
        sender: &mpsc::Sender<Result<v1::BatchRecommendExpertsResponse, Status>>,
    ) -> Result<(), Status> {
        let mut parent = String::new();
        while let Some(asked) = questions.message().await? {
            if parent.is_empty() {
                parent.clone_from(&asked.parent);
            } else if !asked.parent.is_empty() && asked.parent != parent {
                let message = "must be the same for a whole stream";
                return Err(ServiceError::invalid("parent", message).into());
            }
            let ctx = self.stream_context(caller, &parent).await?;
            let result = match self.answer_one(&ctx, &asked).await {
                Ok(answer) => BatchResult::Answer(answer),
                Err(error) => BatchResult::Error(Status::from(error).message().to_owned()),
            };
            let correlation_id = asked.correlation_id;
            let answer = v1::BatchRecommendExpertsResponse {
                correlation_id,
                result: Some(result),
            };
            if sender.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn stream_context(
        &self,
        caller: &Caller,
        parent: &str,
    ) -> Result<TenantContext, ServiceError> {
        let tenant =
            ResourceName::tenant(parent).map_err(|error| ServiceError::name("parent", &error))?;
        self.parts
            .gate
            .enter_tenant(caller, &tenant, Permission::Serve)
            .await
    }

    async fn answer_one(
        &self,
        ctx: &TenantContext,
        asked: &v1::BatchRecommendExpertsRequest,
    ) -> Result<v1::RecommendExpertsResponse, ServiceError> {
        let command = Recommend::parse(
            &asked.text,
            &asked.area,
            asked.top_k,
            "",
            &asked.routing_key,
        )?;
        self.recommend(ctx, command).await
    }
}
