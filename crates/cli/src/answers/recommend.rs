//! `tenantry recommend`: who should answer this, with the evidence and the route.

use std::path::PathBuf;
use std::time::Instant;

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::answers::questionnaire;
use crate::answers::route::RouteView;
use crate::args::{TenantArg, filled, item_id, last};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::import::args::TableArgs;
use crate::output::{Row, one_line, short_time, time};

/// So many reasons and pieces of evidence are told; JSON has all.
const TOLD: usize = 3;
const EVIDENCE_CHARS: usize = 90;

/// Options of `recommend`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry recommend -t acme 'Do you encrypt backups at rest?'
  tenantry recommend -t acme 'Describe your SSO options' --top-k 3 --show-texts
  tenantry recommend -t acme 'Do you log access?' --model baseline:dense-knn
  tenantry recommend -t acme 'Do you log access?' -o json | jq -r '.recommendations[0].expert_id'
  tenantry recommend -t acme --item q-17
  tenantry recommend -t acme --batch questionnaire.csv -o csv --spreadsheet > experts.csv
  tenantry recommend -t acme --batch caiq.xlsx --out caiq-answered.xlsx
  tenantry recommend -t acme --batch rfp.xlsx --sheet Questions --column text=Requirement -o json")]
pub struct RecommendArgs {
    /// The question
    #[arg(required_unless_present_any = ["item", "batch"], conflicts_with_all = ["item", "batch"])]
    question: Option<String>,
    /// An item's id, instead of a question; answered from what was computed ahead, while that holds
    #[arg(long, value_name = "ITEM", conflicts_with = "batch")]
    item: Option<String>,
    /// With --item: what was computed ahead will do although something has changed since
    #[arg(long, requires = "item", conflicts_with_all = ["question", "batch"])]
    allow_stale: bool,
    /// A file of questions (XLSX, CSV or JSONL, `-` for standard input), whose columns are known by
    /// usual names such as Question and ID; see `items ingest --help`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["area", "model", "show_texts"])]
    batch: Option<PathBuf>,
    /// With --batch: write the answers to this workbook, beside the questions: into a copy of a
    /// workbook that was read, else into a new one
    #[arg(long, value_name = "FILE.xlsx", requires = "batch")]
    out: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    tenant: TenantArg,
    /// How many experts
    #[arg(short = 'k', long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(i32).range(1..=100))]
    top_k: i32,
    /// The question's area, where it is known
    #[arg(long, default_value = "")]
    area: String,
    /// Answer with this model instead of the routed one (needs a tenant administrator's key): a
    /// version's name, or baseline:most-popular, baseline:recently-active, baseline:keyword-rules,
    /// baseline:lexical-knn, baseline:dense-knn
    #[arg(long, value_name = "MODEL", default_value = "")]
    model: String,
    /// What makes a canary sticky, for example a user's or a project's id [default: the question]
    #[arg(long, value_name = "KEY", default_value = "")]
    routing_key: String,
    /// Show the beginning of each piece of evidence (one more call for each)
    #[arg(long)]
    show_texts: bool,
}

#[derive(Debug, Serialize)]
struct AnswerView {
    request_id: String,
    recommendations: Vec<RecommendationView>,
    route: RouteView,
    timings: TimingsView,
    precompute_time: Option<String>,
    stale: bool,
    /// The question is longer than the model reads: its end did not count by its meaning.
    truncated: bool,
}

/// One expert, as it is printed.
#[derive(Debug, Serialize)]
pub struct RecommendationView {
    rank: usize,
    /// The expert.
    pub expert_id: String,
    display_name: String,
    /// Calibrated, from 0 to 1.
    pub probability: f64,
    score: f64,
    contributions: Vec<ContributionView>,
    evidence: Vec<EvidenceView>,
}

#[derive(Debug, Serialize)]
struct ContributionView {
    feature: String,
    value: f64,
    contribution: f64,
}

#[derive(Debug, Serialize)]
struct EvidenceView {
    item: String,
    similarity: f64,
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Milliseconds.
#[derive(Debug, Serialize)]
struct TimingsView {
    embedding_queued_ms: f64,
    embedding_ms: f64,
    search_ms: f64,
    ranking_ms: f64,
    total_ms: f64,
    round_trip_ms: f64,
}

impl AnswerView {
    fn of(answer: v1::RecommendExpertsResponse, round_trip_ms: f64) -> Self {
        let recommendations = answer.recommendations.into_iter().enumerate();
        Self {
            request_id: answer.request_id,
            recommendations: recommendations.map(RecommendationView::of).collect(),
            route: answer.route.unwrap_or_default().into(),
            timings: TimingsView::of(answer.timings.unwrap_or_default(), round_trip_ms),
            precompute_time: time(answer.precompute_time.as_ref()),
            stale: answer.stale,
            truncated: answer.truncated,
        }
    }

    fn words(&self, tenant: &str) -> String {
        let mut text = String::new();
        if self.recommendations.is_empty() {
            text.push_str("nobody: the tenant has no active and available experts to recommend\n");
        }
        for one in &self.recommendations {
            text.push_str(&one.words());
        }
        text.push_str(&format!("\nroute     {}\n", self.route.words()));
        text.push_str(&format!("time      {}\n", self.timings.words()));
        if let Some(at) = &self.precompute_time {
            let since = match self.stale {
                true => "; something has changed since",
                false => "",
            };
            text.push_str(&format!("computed  before it was asked, at {at}{since}\n"));
        }
        if self.truncated {
            text.push_str(
                "cut       the question is longer than the model reads; its end did not count\n",
            );
        }
        let first = self
            .recommendations
            .first()
            .map_or("EXPERT", |one| one.expert_id.as_str());
        text.push_str(&format!(
            "feedback  tenantry feedback -t {tenant} --request {} --accepted {first}\n",
            self.request_id
        ));
        text
    }
}

impl RecommendationView {
    /// The expert at a place, from 0.
    #[must_use]
    pub fn of((place, one): (usize, v1::Recommendation)) -> Self {
        let contributions = one.contributions.into_iter().map(|part| ContributionView {
            feature: part.feature,
            value: part.value,
            contribution: part.contribution,
        });
        let evidence = one.evidence.into_iter().map(|item| EvidenceView {
            at: time(item.occur_time.as_ref()),
            item: item.item,
            similarity: item.similarity,
            text: None,
        });
        Self {
            rank: place + 1,
            expert_id: one.expert_id,
            display_name: one.display_name,
            probability: one.probability,
            score: one.score,
            contributions: contributions.collect(),
            evidence: evidence.collect(),
        }
    }

    fn words(&self) -> String {
        let name = if self.display_name.is_empty() || self.display_name == self.expert_id {
            self.expert_id.clone()
        } else {
            format!("{} ({})", self.display_name, self.expert_id)
        };
        // A baseline has a score, and no calibrated probability.
        let worth = if self.probability > 0.0 {
            format!("{:.0} % likely to be right", self.probability * 100.0)
        } else {
            format!("score {:.3}", self.score)
        };
        let mut text = one_line(&format!("{}. {name}: {worth}", self.rank), 200);
        text.push('\n');
        if let Some(because) = self.because() {
            text.push_str(&format!("     because   {because}\n"));
        }
        for (place, item) in self.evidence.iter().take(TOLD).enumerate() {
            let head = if place == 0 { "evidence" } else { "" };
            text.push_str(&format!("     {head:8}  {}\n", item.words()));
        }
        text
    }

    /// What spoke for the expert, the strongest first, and what spoke against.
    fn because(&self) -> Option<String> {
        let said = |part: &ContributionView| {
            one_line(
                &format!("{} ({:+.2})", part.feature, part.contribution),
                120,
            )
        };
        let pick = |keep: fn(f64) -> bool| -> Vec<String> {
            let kept = self
                .contributions
                .iter()
                .filter(|part| keep(part.contribution));
            kept.take(TOLD).map(said).collect()
        };
        let (speaks_for, against) = (pick(|c| c >= 0.005), pick(|c| c <= -0.005));
        match (speaks_for.is_empty(), against.is_empty()) {
            (true, true) => None,
            (false, true) => Some(speaks_for.join(", ")),
            (true, false) => Some(format!("nothing; against: {}", against.join(", "))),
            (false, false) => Some(format!(
                "{}; against: {}",
                speaks_for.join(", "),
                against.join(", ")
            )),
        }
    }

    fn evidence_ids(&self) -> String {
        let ids = self.evidence.iter().map(|item| item_id(&item.item));
        ids.collect::<Vec<_>>().join(";")
    }
}

impl EvidenceView {
    fn words(&self) -> String {
        let near = if self.similarity == 0.0 {
            "found by its words".to_owned()
        } else {
            format!("similarity {:.2}", self.similarity)
        };
        let mut said = format!("{}, {near}", item_id(&self.item));
        let at = short_time(self.at.as_ref());
        if let Some(day) = at.get(..10) {
            said.push_str(&format!(", {day}"));
        }
        if let Some(text) = &self.text {
            said.push_str(&format!(": {}", one_line(text, EVIDENCE_CHARS)));
        }
        said
    }
}

impl TimingsView {
    fn of(timings: v1::Timings, round_trip_ms: f64) -> Self {
        Self {
            embedding_queued_ms: milliseconds(timings.embedding_queued),
            embedding_ms: milliseconds(timings.embedding),
            search_ms: milliseconds(timings.search),
            ranking_ms: milliseconds(timings.ranking),
            total_ms: milliseconds(timings.total),
            round_trip_ms,
        }
    }

    fn words(&self) -> String {
        format!(
            "{:.1} ms in the service (waiting for the embedding {:.1}, embedding {:.1}, search \
             {:.1}, ranking {:.1}); {:.1} ms with the way there and back",
            self.total_ms,
            self.embedding_queued_ms,
            self.embedding_ms,
            self.search_ms,
            self.ranking_ms,
            self.round_trip_ms
        )
    }
}

impl Row for RecommendationView {
    const COLUMNS: &'static [&'static str] = &[
        "rank",
        "expert",
        "display name",
        "probability",
        "score",
        "evidence",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.rank.to_string(),
            self.expert_id.clone(),
            self.display_name.clone(),
            format!("{:.4}", self.probability),
            format!("{:.4}", self.score),
            self.evidence_ids(),
        ]
    }
}

/// Runs `recommend`.
///
/// # Errors
/// What the person should be told.
pub async fn run(args: RecommendArgs, context: &mut Context) -> Result<Exit, CliError> {
    let parent = args.tenant.parent()?;
    if let Some(file) = &args.batch {
        let asked = questionnaire::Asked {
            parent: &parent,
            file,
            table: &args.table,
            out: args.out.as_deref(),
            top_k: args.top_k,
            routing_key: &args.routing_key,
        };
        return questionnaire::run(asked, context).await;
    }
    let item = match &args.item {
        Some(item) => args.tenant.name_of(item, "items")?,
        None => String::new(),
    };
    let client = context.client().await?;
    let request = v1::RecommendExpertsRequest {
        parent: parent.clone(),
        text: args.question.unwrap_or_default(),
        item,
        allow_stale: args.allow_stale,
        area: args.area,
        top_k: args.top_k,
        model_override: args.model,
        routing_key: args.routing_key,
    };
    let mut router = client.router();
    let asked = Instant::now();
    let answer = router.recommend_experts(client.timed(request)).await;
    let round_trip = asked.elapsed().as_secs_f64() * 1_000.0;
    let mut view = AnswerView::of(client.answer(answer)?, round_trip);
    if args.show_texts {
        fetch_texts(&client, &mut view).await?;
    }
    context
        .out
        .document(&view, &view.recommendations, |_| view.words(last(&parent)))?;
    Ok(Exit::Done)
}

async fn fetch_texts(client: &Client, view: &mut AnswerView) -> Result<(), CliError> {
    for one in &mut view.recommendations {
        for item in one.evidence.iter_mut().take(TOLD) {
            let request = client.timed(v1::GetItemRequest {
                name: item.item.clone(),
            });
            let answer = client.answer(client.ingest().get_item(request).await);
            match answer {
                Ok(answer) => item.text = filled(answer.item.unwrap_or_default().text),
                // Deleted since the answer was made.
                Err(error) if error.exit == Exit::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn milliseconds(duration: Option<prost_types::Duration>) -> f64 {
    let duration = duration.unwrap_or_default();
    // Durations of a request: far from where an f64 loses milliseconds.
    #[allow(clippy::cast_precision_loss)]
    let seconds = duration.seconds as f64;
    seconds * 1_000.0 + f64::from(duration.nanos) / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> v1::RecommendExpertsResponse {
        let part = |feature: &str, contribution| v1::Contribution {
            feature: feature.to_owned(),
            value: 0.5,
            contribution,
        };
        v1::RecommendExpertsResponse {
            request_id: "r-1".to_owned(),
            recommendations: vec![v1::Recommendation {
                expert_id: "anna".to_owned(),
                display_name: "Anna\u{202e} Berg".to_owned(),
                score: 2.5,
                probability: 0.724,
                contributions: vec![part("similar answers", 1.2), part("popularity", -0.3)],
                evidence: vec![v1::Evidence {
                    item: "tenants/acme/items/q-17".to_owned(),
                    similarity: 0.83,
                    occur_time: Some(prost_types::Timestamp {
                        seconds: 1_714_546_800,
                        nanos: 0,
                    }),
                }],
            }],
            route: Some(v1::Route {
                model: "tenants/acme/models/experts/versions/3".to_owned(),
                tier: v1::Tier::Tenant.into(),
                reason: "PROVEN_BETTER".to_owned(),
                fallbacks: vec![],
            }),
            ..Default::default()
        }
    }

    #[test]
    fn an_answer_is_told_in_words() {
        let text = AnswerView::of(answer(), 8.0).words("acme");
        assert!(
            text.starts_with("1. Anna\u{FFFD} Berg (anna): 72 % likely to be right\n"),
            "{text}"
        );
        assert!(
            text.contains("similar answers (+1.20); against: popularity (-0.30)"),
            "{text}"
        );
        assert!(text.contains("q-17, similarity 0.83, 2024-05-01"), "{text}");
        assert!(text.contains("--request r-1 --accepted anna"), "{text}");
    }

    #[test]
    fn json_has_all_of_it_by_stable_names() {
        let json = serde_json::to_value(AnswerView::of(answer(), 8.0)).unwrap();
        assert_eq!(json["recommendations"][0]["expert_id"], "anna");
        assert_eq!(
            json["recommendations"][0]["evidence"][0]["at"],
            "2024-05-01T07:00:00Z"
        );
        assert_eq!(json["route"]["tier"], "TENANT");
        assert_eq!(json["timings"]["round_trip_ms"], 8.0);
    }
}
