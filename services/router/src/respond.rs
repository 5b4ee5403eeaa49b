//! Responses: an answer under an id that feedback can name, counted, logged, and converted.

use api::v1;
use domain::{ItemId, ServedBy, TenantContext, Tier};
use metering::usage;
use server::ServiceError;
use serving::experts::{ExpertAnswer, ExpertQuery, ItemQuery};
use serving::tasks::{Classified, TaskQuery};
use storage::{Classification, ClassificationOutcome, NewAnswer, OpenPosition, Shadow};

use crate::Router;
use crate::convert::{
    classification_to_wire, open_item_to_wire, recommendation_to_wire, similar_to_wire,
};

impl Router {
    /// Answers a question.
    pub(crate) async fn recommend(
        &self,
        ctx: &TenantContext,
        query: ExpertQuery,
    ) -> Result<v1::RecommendExpertsResponse, ServiceError> {
        let answer = self.parts.experts.recommend(ctx, &query).await?;
        Ok(self.respond(ctx, query.text, None, answer))
    }

    /// Answers a question that is stored as an item.
    pub(crate) async fn recommend_item(
        &self,
        ctx: &TenantContext,
        query: ItemQuery,
    ) -> Result<v1::RecommendExpertsResponse, ServiceError> {
        let (item, answer) = self.parts.experts.recommend_item(ctx, query).await?;
        let content = item.content;
        Ok(self.respond(ctx, content.text, Some(content.id), answer))
    }

    /// The answer to `text`, or to the item that holds it, as its caller gets it.
    pub(crate) fn respond(
        &self,
        ctx: &TenantContext,
        text: String,
        item: Option<ItemId>,
        answer: ExpertAnswer,
    ) -> v1::RecommendExpertsResponse {
        let request_id = uuid::Uuid::now_v7().to_string();
        let served_by = &answer.recommended.served_by;
        metrics::counter!(
            "tenantry_recommend_total",
            "tier" => served_by.tier().as_str(),
            "reason" => served_by.reason().code(),
        )
        .increment(1);
        let (model, tier, reason) = logged(served_by);
        usage::served_by(&model, tier);
        let experts = answer.recommended.experts.iter();
        let experts: Vec<_> = experts.map(|one| (one.id.clone(), one.score)).collect();
        let shadow = answer.shadow.as_ref().map(|shadow| Shadow {
            model: shadow.model.clone(),
            experts: shadow.experts.iter().take(experts.len()).cloned().collect(),
        });
        let logged = NewAnswer {
            request_id: request_id.clone(),
            text,
            model,
            tier,
            reason,
            shadow,
            experts,
            answered_at: self.parts.clock.now(),
            item,
        };
        self.parts.answers.put(ctx.tenant(), logged);
        recommendation_to_wire(ctx, request_id, answer)
    }

    /// Open items from `after` on, each with where it stands, and with what was computed for it ahead.
    pub(crate) async fn open_items(
        &self,
        ctx: &TenantContext,
        after: Option<OpenPosition>,
        limit: u32,
    ) -> Result<Vec<(OpenPosition, v1::OpenItem)>, ServiceError> {
        let found = self.parts.experts.open_items(ctx, after, limit).await?;
        let items = found.into_iter();
        let items = items.map(|(position, item)| (position, open_item_to_wire(ctx, item)));
        Ok(items.collect())
    }

    /// The items most similar to a text.
    pub(crate) async fn similar(
        &self,
        ctx: &TenantContext,
        text: String,
        limit: usize,
    ) -> Result<v1::FindSimilarItemsResponse, ServiceError> {
        let found = self.parts.experts.similar(ctx, text, limit).await?;
        Ok(similar_to_wire(ctx, found))
    }

    /// Answers what a task asks of a text.
    pub(crate) async fn classify(
        &self,
        ctx: &TenantContext,
        query: TaskQuery,
    ) -> Result<v1::ClassifyResponse, ServiceError> {
        let answer = self.parts.tasks.classify(ctx, &query).await?;
        let request_id = uuid::Uuid::now_v7().to_string();
        let classified = &answer.classified;
        metrics::counter!(
            "tenantry_classify_total",
            "tier" => classified.served_by.tier().as_str(),
            "abstained" => if classified.abstained.is_some() { "true" } else { "false" },
        )
        .increment(1);
        let (model, tier, reason) = logged(&classified.served_by);
        let logged = Classification {
            request_id: request_id.clone(),
            task: query.task,
            text: query.text,
            model,
            tier,
            reason,
            outcome: outcome(classified),
            answered_at: self.parts.clock.now(),
        };
        self.parts.answers.put_classification(ctx.tenant(), logged);
        Ok(classification_to_wire(ctx, request_id, answer))
    }
}

/// What corrections join.
fn outcome(classified: &Classified) -> ClassificationOutcome {
    let chosen = classified.labels.iter().filter(|one| one.chosen);
    let labels = chosen.map(|one| (one.label.clone(), one.confidence));
    ClassificationOutcome {
        labels: labels.collect(),
        value: classified.value.map(|value| value.value),
        abstained: classified.abstained.is_some(),
    }
}

/// The model, its tier and the reason, as the answer log has them.
fn logged(served_by: &ServedBy) -> (String, Tier, String) {
    let reason = served_by.reason().code();
    (served_by.name(), served_by.tier(), reason.to_owned())
}
