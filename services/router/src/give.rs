//! Giving an answer out: under an id that feedback can name, counted, and kept in the log.

use api::v1;
use domain::{ExpertId, ItemId, TenantContext};
use metering::usage;
use storage::{NewAnswer, Shadow};

use crate::Router;
use crate::recommend::Computed;
use crate::wire::{tier_name, tier_of};

impl Router {
    /// The answer to `text`, or to the item that holds it, as its caller gets it.
    pub(crate) fn give(
        &self,
        ctx: &TenantContext,
        text: String,
        item: Option<ItemId>,
        computed: Computed,
    ) -> v1::RecommendExpertsResponse {
        let Computed { response, shadow } = computed;
        let response = v1::RecommendExpertsResponse {
            request_id: uuid::Uuid::now_v7().to_string(),
            ..response
        };
        let route = response.route.clone().unwrap_or_default();
        metrics::counter!(
            "tenantry_recommend_total",
            "tier" => tier_name(route.tier),
            "reason" => route.reason.clone(),
        )
        .increment(1);
        let tier = tier_of(&route);
        usage::served_by(&route.model, tier);
        let given = response.recommendations.iter();
        let experts: Vec<(ExpertId, f64)> = given
            // They were ids before they were put on the wire.
            .filter_map(|one| Some((ExpertId::parse(one.expert_id.as_str()).ok()?, one.score)))
            .collect();
        let answer = NewAnswer {
            request_id: response.request_id.clone(),
            text,
            model: route.model,
            tier,
            reason: route.reason,
            shadow: shadow.map(|shadow| Shadow {
                experts: shadow.experts.into_iter().take(experts.len()).collect(),
                ..shadow
            }),
            experts,
            answered_at: self.parts.clock.now(),
            item,
        };
        self.parts.answers.put(ctx.tenant(), answer);
        response
    }
}
