//! `tenantry route`: which model would serve, and why.

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::TenantArg;
use crate::error::{CliError, Exit};
use crate::models::view::tier_name;
use crate::output::Row;

/// Options of `route`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tenantry route -t acme")]
pub struct RouteArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// What is predicted
    #[arg(long, default_value = "experts")]
    task: String,
    /// As in `recommend`: what makes a canary sticky
    #[arg(long, value_name = "KEY", default_value = "")]
    routing_key: String,
}

/// The choice of one model, as it is printed.
#[derive(Debug, Clone, Serialize)]
pub struct RouteView {
    model: String,
    tier: String,
    reason: String,
    fallbacks: Vec<String>,
}

impl From<v1::Route> for RouteView {
    fn from(route: v1::Route) -> Self {
        Self {
            tier: tier_name(route.tier),
            model: route.model,
            reason: route.reason,
            fallbacks: route.fallbacks,
        }
    }
}

impl RouteView {
    /// The route as a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let because = match self.reason.as_str() {
            "PROVEN_BETTER" => "it is proven better than the tier above on held-out questions",
            "NOT_ENOUGH_DATA" => "the tenant has too little data to prove a model of its own",
            "NOT_PROVEN" => "no model of the tenant's own is proven better",
            "ROLLED_BACK" => "an administrator rolled the tenant's model back",
            "STEPPED_BACK" => "the tenant's model fell behind on what came after its training",
            "PINNED" => "the routing policy pins it",
            "KILL_SWITCH" => "the tenant's kill switch is on",
            "CANARY" => "this request belongs to the canary's share",
            "FALLBACK_UNAVAILABLE" => "the model that was meant could not be used",
            "FALLBACK_DEADLINE" => "the model that was meant would have been too late",
            "REQUESTED" => "the request names it",
            "SPACE_CHANGED" => {
                "the model that was meant waits for its training in the new embedding space"
            }
            "TASK_CHANGED" => {
                "the model that was meant was trained before the task's labels, source or kind changed, and \
                 waits for its retrain"
            }
            "COST_NOT_JUSTIFIED" => "a model of the tenant's own would cost more than it is worth",
            // The code alone: a newer server may have reasons that this program has no words for.
            _ => "",
        };
        let (model, tier, reason) = (&self.model, &self.tier, &self.reason);
        let mut text = match because {
            "" => format!("{model} ({tier}): {reason}"),
            because => format!("{model} ({tier}): {because} [{reason}]"),
        };
        if !self.fallbacks.is_empty() {
            text.push_str(&format!("; tried before it: {}", self.fallbacks.join(", ")));
        }
        text
    }
}

#[derive(Debug, Serialize)]
struct ExplainedView {
    route: RouteView,
    considered: Vec<String>,
}

impl Row for ExplainedView {
    const COLUMNS: &'static [&'static str] =
        &["model", "tier", "reason", "fallbacks", "considered"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.route.model.clone(),
            self.route.tier.clone(),
            self.route.reason.clone(),
            self.route.fallbacks.join(";"),
            self.considered.join("; "),
        ]
    }
}

/// Runs `route`.
///
/// # Errors
/// What the person should be told.
pub async fn run(args: RouteArgs, context: &mut Context) -> Result<Exit, CliError> {
    let parent = args.tenant.parent()?;
    let client = context.client().await?;
    let request = client.timed(v1::ExplainRouteRequest {
        parent,
        task: args.task,
        routing_key: args.routing_key,
    });
    let answer = client.answer(client.router().explain_route(request).await)?;
    let view = ExplainedView {
        route: answer.route.unwrap_or_default().into(),
        considered: answer.considered,
    };
    context
        .out
        .document(&view, std::slice::from_ref(&view), |_| {
            let mut text = format!("serves: {}\n", view.route.words());
            for model in &view.considered {
                text.push_str(&format!("  looked at: {model}\n"));
            }
            text
        })?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(reason: &str) -> String {
        let route = v1::Route {
            model: "tenants/acme/models/experts/versions/3".to_owned(),
            tier: v1::Tier::Tenant.into(),
            reason: reason.to_owned(),
            ..v1::Route::default()
        };
        RouteView::from(route).words()
    }

    #[test]
    fn a_reason_is_told_in_words_and_a_new_one_by_its_code() {
        assert!(words("PINNED").ends_with("(TENANT): the routing policy pins it [PINNED]"));
        assert!(words("OF_TOMORROW").ends_with("(TENANT): OF_TOMORROW"));
    }
}
