//! `tenantry models compare`: two models by what they did after their training.

use api::v1;
use serde::Serialize;

use crate::args::{TenantArg, enum_name};
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Output, Row, pairs, time};

/// Options of `models compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// What is predicted
    #[arg(long, default_value = "experts")]
    task: String,
    /// The version's number, or its whole name [default: the champion, or the tier above]
    #[arg(long, value_name = "MODEL")]
    baseline: Option<String>,
    /// The version's number, or its whole name [default: the challenger]
    #[arg(long, value_name = "MODEL")]
    candidate: Option<String>,
}

/// A mean with its interval, as it is printed.
#[derive(Debug, Clone, Serialize)]
pub struct IntervalView {
    observations: u64,
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl From<v1::Interval> for IntervalView {
    fn from(interval: v1::Interval) -> Self {
        Self {
            observations: interval.observations,
            mean: interval.mean,
            low: interval.low,
            high: interval.high,
        }
    }
}

impl IntervalView {
    fn words(&self, unit: &str) -> String {
        let ends = match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => "too few to say".to_owned(),
        };
        match self.observations {
            0 => "nothing yet".to_owned(),
            n => format!("{:.3} ({ends}) on {n} {unit}", self.mean),
        }
    }

    fn gain_words(&self, unit: &str) -> String {
        let ends = match (self.low, self.high) {
            (Some(low), Some(high)) => format!("{low:+.3} to {high:+.3}"),
            _ => "too few to say".to_owned(),
        };
        match self.observations {
            0 => "nothing yet".to_owned(),
            n => format!("{:+.3} ({ends}) on {n} {unit}", self.mean),
        }
    }
}

/// How a version does on the items that came after its training, as it is printed.
#[derive(Debug, Clone, Serialize)]
pub struct OnlineView {
    reference_model: String,
    questions: u64,
    mrr: f64,
    reference_mrr: f64,
    gain: IntervalView,
    covered_until: Option<String>,
}

impl From<v1::OnlineEvaluation> for OnlineView {
    fn from(live: v1::OnlineEvaluation) -> Self {
        Self {
            covered_until: time(live.covered_until.as_ref()),
            reference_model: live.reference_model,
            questions: live.questions,
            mrr: live.mrr,
            reference_mrr: live.reference_mrr,
            gain: live.gain.unwrap_or_default().into(),
        }
    }
}

impl OnlineView {
    /// The score as a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "MRR {:.3}, and {:.3} of {}, on the items that came after its training; difference {}",
            self.mrr,
            self.reference_mrr,
            self.reference_model,
            self.gain.gain_words("questions")
        )
    }
}

/// What a model did in front of people, as it is printed.
#[derive(Debug, Serialize)]
struct ServedView {
    role: &'static str,
    model: String,
    answers: u64,
    judged: u64,
    take_rate: IntervalView,
    mrr: IntervalView,
    online_evaluation: Option<OnlineView>,
}

impl Row for ServedView {
    const COLUMNS: &'static [&'static str] = &[
        "role",
        "model",
        "answers",
        "judged",
        "take rate",
        "MRR",
        "MRR since training",
    ];
    fn cells(&self) -> Vec<String> {
        let live = self
            .online_evaluation
            .as_ref()
            .map(|live| format!("{:.3} on {}", live.mrr, live.questions));
        vec![
            self.role.to_owned(),
            self.model.clone(),
            self.answers.to_string(),
            self.judged.to_string(),
            self.take_rate.words("answers"),
            self.mrr.words("judged"),
            live.unwrap_or_default(),
        ]
    }
}

#[derive(Debug, Serialize)]
struct CompareView {
    outcome: String,
    served: Vec<ServedView>,
    take_rate_gain: IntervalView,
    served_gain: IntervalView,
    shadow_gain: IntervalView,
}

impl From<v1::CompareModelsResponse> for CompareView {
    fn from(answer: v1::CompareModelsResponse) -> Self {
        let outcome = enum_name(
            answer.outcome,
            v1::compare_models_response::Outcome::short_name,
        );
        let roles = ["baseline", "candidate"];
        let served = roles.into_iter().zip(answer.served);
        let served = served.map(|(role, served)| ServedView {
            role,
            model: served.model,
            answers: served.answers,
            judged: served.judged,
            take_rate: served.take_rate.unwrap_or_default().into(),
            mrr: served.mrr.unwrap_or_default().into(),
            online_evaluation: served.online_evaluation.map(OnlineView::from),
        });
        Self {
            outcome: outcome.to_owned(),
            served: served.collect(),
            take_rate_gain: answer.take_rate_gain.unwrap_or_default().into(),
            served_gain: answer.served_gain.unwrap_or_default().into(),
            shadow_gain: answer.shadow_gain.unwrap_or_default().into(),
        }
    }
}

impl CompareView {
    fn words(&self, table: &str) -> String {
        let outcome = match self.outcome.as_str() {
            "BETTER" => "BETTER: the candidate is significantly better",
            "WORSE" => "WORSE: the candidate is significantly worse",
            _ => "UNDECIDED: nothing can be said yet",
        };
        let fields = [
            ("outcome", outcome.to_owned()),
            (
                "same questions, MRR",
                self.shadow_gain.gain_words("questions of the shadow"),
            ),
            (
                "own answers, MRR",
                self.served_gain.gain_words("judged answers"),
            ),
            (
                "own answers, take rate",
                self.take_rate_gain.gain_words("answers"),
            ),
        ];
        let fields = fields.map(|(head, value)| (head.to_owned(), value));
        format!(
            "{}\n{table}\nCandidate minus baseline; intervals hold with 95 % however often you look.\n",
            pairs(fields.into_iter())
        )
    }
}

/// Runs `models compare`.
///
/// # Errors
/// What the person should be told.
pub async fn run(client: &Client, args: CompareArgs, out: &mut Output) -> Result<(), CliError> {
    let parent = args.tenant.parent()?;
    let name = |model: Option<String>| match model {
        Some(short) if !short.contains('/') => {
            format!("{parent}/models/{}/versions/{short}", args.task)
        }
        whole => whole.unwrap_or_default(),
    };
    let request = v1::CompareModelsRequest {
        baseline: name(args.baseline),
        candidate: name(args.candidate),
        task: args.task.clone(),
        parent: parent.clone(),
    };
    let answer = client
        .training()
        .compare_models(client.timed(request))
        .await;
    let view = CompareView::from(client.answer(answer)?);
    out.document(&view, &view.served, |out| {
        view.words(&out.table(&view.served))
    })
}
