//! `tenantry classify`: what a task says of a text, how sure it is, and why.

use std::time::Instant;

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::answers::route::RouteView;
use crate::args::{TenantArg, filled, item_id, last};
use crate::error::{CliError, Exit};
use crate::output::{Row, one_line, time};

/// Labels told beside the chosen ones; JSON has all.
const TOLD: usize = 3;

/// Options of `classify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry classify -t acme intent 'Where is my refund?'
  tenantry classify -t acme intent 'Where is my refund?' --model baseline:knn
  tenantry classify -t acme intent 'Where is my refund?' -o json | jq -r '.predictions[0].label'")]
pub struct ClassifyArgs {
    /// The task's id
    task: String,
    /// The text
    text: String,
    #[command(flatten)]
    tenant: TenantArg,
    /// Answer with this model instead of the routed one (needs a tenant administrator's key): a
    /// version's name, or baseline:keywords, baseline:zero-shot, baseline:knn, baseline:median
    #[arg(long, value_name = "MODEL", default_value = "")]
    model: String,
    /// What makes a canary sticky, for example who asks; else the text does
    #[arg(long, value_name = "KEY", default_value = "")]
    routing_key: String,
}

#[derive(Debug, Serialize)]
struct AnswerView {
    request_id: String,
    task: String,
    predictions: Vec<PredictionView>,
    value: Option<ValueView>,
    abstained: bool,
    abstain_reason: Option<String>,
    out_of_scope: bool,
    threshold: f64,
    truncated: bool,
    method: String,
    route: RouteView,
    evidence: Vec<EvidenceView>,
    round_trip_ms: f64,
}

#[derive(Debug, Serialize)]
struct PredictionView {
    label: String,
    confidence: f64,
    chosen: bool,
}

#[derive(Debug, Serialize)]
struct ValueView {
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Debug, Serialize)]
struct EvidenceView {
    item: String,
    similarity: f64,
    at: Option<String>,
}

impl Row for PredictionView {
    const COLUMNS: &'static [&'static str] = &["label", "confidence", "chosen"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.label.clone(),
            format!("{:.4}", self.confidence),
            self.chosen.to_string(),
        ]
    }
}

impl AnswerView {
    fn of(answer: v1::ClassifyResponse, task: &str, round_trip_ms: f64) -> Self {
        let predictions = answer.predictions.into_iter().map(|one| PredictionView {
            label: one.label,
            confidence: one.confidence,
            chosen: one.chosen,
        });
        let evidence = answer.evidence.into_iter().map(|item| EvidenceView {
            at: time(item.occur_time.as_ref()),
            item: item.item,
            similarity: item.similarity,
        });
        Self {
            request_id: answer.request_id,
            task: task.to_owned(),
            predictions: predictions.collect(),
            value: answer.value.map(|value| ValueView {
                value: value.value,
                low: value.low,
                high: value.high,
            }),
            abstained: answer.abstained,
            abstain_reason: filled(answer.abstain_reason),
            out_of_scope: answer.out_of_scope,
            threshold: answer.threshold,
            truncated: answer.truncated,
            method: answer.method,
            route: answer.route.unwrap_or_default().into(),
            evidence: evidence.collect(),
            round_trip_ms,
        }
    }

    fn words(&self, tenant: &str) -> String {
        let mut text = String::new();
        if let Some(value) = &self.value {
            text.push_str(&format!(
                "{:.2}, nine times in ten between {:.2} and {:.2}\n",
                value.value, value.low, value.high
            ));
        }
        let chosen = self.predictions.iter().filter(|one| one.chosen);
        for one in chosen {
            text.push_str(&one_line(&one.words(), 200));
            text.push('\n');
        }
        if self.abstained {
            let why = match self.abstain_reason.as_deref() {
                Some("OUT_OF_SCOPE") => "the task probably has no label for this text",
                Some("NO_EXAMPLES") => "there is nothing to answer from yet",
                _ => "too unsure to act upon",
            };
            let reason = self.abstain_reason.as_deref().unwrap_or_default();
            text.push_str(&format!("a person should decide: {why} [{reason}]\n"));
        }
        let others = self.predictions.iter().filter(|one| !one.chosen).take(TOLD);
        for one in others {
            text.push_str(&one_line(&format!("  rather not: {}", one.words()), 200));
            text.push('\n');
        }
        text.push_str(&format!("\nmethod    {}\n", self.method));
        if self.truncated {
            text.push_str("beware    the text is longer than the model reads; only its beginning was looked at\n");
        }
        text.push_str(&format!("route     {}\n", self.route.words()));
        for (place, item) in self.evidence.iter().enumerate() {
            let head = if place == 0 { "evidence" } else { "" };
            let near = format!("{}, similarity {:.2}", item_id(&item.item), item.similarity);
            text.push_str(&format!("{head:8}  {near}\n"));
        }
        text.push_str(&format!(
            "time      {:.1} ms there and back\n",
            self.round_trip_ms
        ));
        let right = match &self.value {
            Some(_) => "--value NUMBER",
            None => "--label LABEL",
        };
        text.push_str(&format!(
            "feedback  tenantry feedback correct-label -t {tenant} {} --request {} {right}\n",
            self.task, self.request_id
        ));
        text
    }
}

impl PredictionView {
    fn words(&self) -> String {
        format!(
            "{}: {:.0} % likely to be right",
            self.label,
            self.confidence * 100.0
        )
    }
}

/// Runs `classify`.
///
/// # Errors
/// What the person should be told.
pub async fn run(args: ClassifyArgs, context: &mut Context) -> Result<Exit, CliError> {
    let parent = args.tenant.parent()?;
    let client = context.client().await?;
    let request = v1::ClassifyRequest {
        parent: parent.clone(),
        task: args.task.clone(),
        text: args.text,
        model_override: args.model,
        routing_key: args.routing_key,
    };
    let mut router = client.router();
    let asked = Instant::now();
    let answer = router.classify(client.timed(request)).await;
    let round_trip = asked.elapsed().as_secs_f64() * 1_000.0;
    let answer = client.answer(answer);
    let answer = answer.map_err(|error| {
        error.when_missing("`tenantry tasks list -t TENANT` shows the tasks there are")
    })?;
    let view = AnswerView::of(answer, &args.task, round_trip);
    context
        .out
        .document(&view, &view.predictions, |_| view.words(last(&parent)))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsure_answer_says_that_a_person_should_decide() {
        let answer = v1::ClassifyResponse {
            request_id: "r-1".into(),
            predictions: vec![
                v1::Prediction {
                    label: "refund".into(),
                    confidence: 0.61,
                    chosen: true,
                },
                v1::Prediction {
                    label: "bug".into(),
                    confidence: 0.2,
                    chosen: false,
                },
            ],
            abstained: true,
            abstain_reason: "LOW_CONFIDENCE".into(),
            method: "knn".into(),
            truncated: true,
            ..Default::default()
        };
        let text = AnswerView::of(answer, "intent", 4.0).words("acme");
        assert!(
            text.starts_with("refund: 61 % likely to be right\na person should decide"),
            "{text}"
        );
        assert!(text.contains("rather not: bug: 20 %"), "{text}");
        assert!(text.contains("longer than the model reads"), "{text}");
        assert!(
            text.contains("correct-label -t acme intent --request r-1 --label LABEL"),
            "{text}"
        );
    }
}
