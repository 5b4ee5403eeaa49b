//! A model version as it is printed: what it is worth, and where it comes from.

use std::collections::BTreeMap;

use api::v1;
use serde::Serialize;

use crate::args::{enum_name, filled, last};
use crate::models::classification_view::ClassificationView;
use crate::models::compare::OnlineView;
use crate::output::{Output, Row, pairs, short_time, time};

/// A model version as it is printed.
#[derive(Debug, Serialize)]
pub struct ModelView {
    name: String,
    version: String,
    tier: String,
    aliases: Vec<String>,
    verdict: &'static str,
    verdict_reason: Option<String>,
    checksum: String,
    size_bytes: u64,
    lineage: LineageView,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<EvaluationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification: Option<ClassificationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online_evaluation: Option<OnlineView>,
}

#[derive(Debug, Serialize)]
struct LineageView {
    dataset: String,
    dataset_hash: String,
    code_version: String,
    seed: u64,
    space: String,
    parameters: BTreeMap<String, String>,
    parent: Option<String>,
}

#[derive(Debug, Serialize)]
struct EvaluationView {
    queries: u64,
    history: u64,
    gain: f64,
    gain_low: f64,
    gain_high: f64,
    calibration_error: f64,
    windows: u64,
    interpolation_weight: f64,
    methods: Vec<MethodView>,
    slices: Vec<SliceView>,
    weights: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    champion: Option<ChampionView>,
}

/// Candidate and the version that served, on what came after that one's training.
#[derive(Debug, Serialize)]
struct ChampionView {
    model: String,
    queries: u64,
    champion_mrr: f64,
    candidate_mrr: f64,
    gain: f64,
    gain_low: f64,
    gain_high: f64,
    holds: bool,
}

/// Candidate and tier above on a part of the questions.
#[derive(Debug, Clone, Serialize)]
pub struct SliceView {
    kind: String,
    name: String,
    queries: u64,
    candidate_mrr: f64,
    incumbent_mrr: f64,
}

/// How well one method did.
#[derive(Debug, Clone, Serialize)]
pub struct MethodView {
    method: String,
    role: String,
    queries: u64,
    hit_at_1: f64,
    hit_at_5: f64,
    mrr: f64,
    ndcg_at_10: f64,
}

impl From<v1::Model> for ModelView {
    fn from(model: v1::Model) -> Self {
        let lineage = model.lineage.unwrap_or_default();
        Self {
            version: last(&model.name).to_owned(),
            tier: tier_name(model.tier),
            verdict: enum_name(model.verdict, v1::Verdict::short_name),
            verdict_reason: filled(model.verdict_reason),
            create_time: time(model.create_time.as_ref()),
            name: model.name,
            aliases: model.aliases,
            checksum: model.checksum,
            size_bytes: model.size_bytes,
            lineage: LineageView {
                dataset: lineage.dataset,
                dataset_hash: lineage.dataset_hash,
                code_version: lineage.code_version,
                seed: lineage.seed,
                space: lineage.space,
                parameters: lineage.parameters.into_iter().collect(),
                parent: filled(lineage.parent),
            },
            evaluation: model.evaluation.map(EvaluationView::from),
            classification: model.classification.map(ClassificationView::from),
            online_evaluation: model.online_evaluation.map(OnlineView::from),
        }
    }
}

impl From<v1::EvaluationReport> for EvaluationView {
    fn from(report: v1::EvaluationReport) -> Self {
        let methods = report.methods.into_iter().map(|result| {
            let metrics = result.metrics.unwrap_or_default();
            MethodView {
                method: result.method,
                role: result.role,
                queries: metrics.queries,
                hit_at_1: metrics.hit_at_1,
                hit_at_5: metrics.hit_at_5,
                mrr: metrics.mrr,
                ndcg_at_10: metrics.ndcg_at_10,
            }
        });
        let slices = report.slices.into_iter().map(|slice| SliceView {
            kind: slice.kind,
            name: slice.name,
            queries: slice.queries,
            candidate_mrr: slice.candidate_mrr,
            incumbent_mrr: slice.incumbent_mrr,
        });
        Self {
            queries: report.queries,
            history: report.history,
            gain: report.gain,
            gain_low: report.gain_low,
            gain_high: report.gain_high,
            calibration_error: report.calibration_error,
            windows: report.windows,
            interpolation_weight: report.interpolation_weight,
            methods: methods.collect(),
            slices: slices.collect(),
            weights: report.weights.into_iter().collect(),
            champion: report.champion.map(|one| ChampionView {
                model: one.model,
                queries: one.queries,
                champion_mrr: one.champion_mrr,
                candidate_mrr: one.candidate_mrr,
                gain: one.gain,
                gain_low: one.gain_low,
                gain_high: one.gain_high,
                holds: one.holds,
            }),
        }
    }
}

impl Row for ModelView {
    const COLUMNS: &'static [&'static str] = &[
        "version", "aliases", "tier", "verdict", "reason", "dataset", "size", "created",
    ];
    const WHOLE: &'static [&'static str] = &["reason"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.version.clone(),
            self.aliases.join(" "),
            self.tier.clone(),
            self.verdict.to_owned(),
            self.verdict_reason.clone().unwrap_or_default(),
            last(&self.lineage.dataset).to_owned(),
            indicatif::HumanBytes(self.size_bytes).to_string(),
            short_time(self.create_time.as_ref()),
        ]
    }
}

impl Row for MethodView {
    const COLUMNS: &'static [&'static str] = &[
        "method",
        "role",
        "hit@1",
        "hit@5",
        "MRR",
        "nDCG@10",
        "questions",
    ];
    fn cells(&self) -> Vec<String> {
        let metrics = [self.hit_at_1, self.hit_at_5, self.mrr, self.ndcg_at_10];
        let mut cells = vec![self.method.clone(), self.role.clone()];
        cells.extend(metrics.map(|metric| format!("{metric:.3}")));
        cells.push(self.queries.to_string());
        cells
    }
}

impl Row for SliceView {
    const COLUMNS: &'static [&'static str] =
        &["slice", "", "candidate MRR", "tier above", "questions"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.kind.clone(),
            self.name.clone(),
            format!("{:.3}", self.candidate_mrr),
            format!("{:.3}", self.incumbent_mrr),
            self.queries.to_string(),
        ]
    }
}

impl ModelView {
    /// Each method's metrics; none where the model has no report.
    #[must_use]
    pub fn methods(&self) -> &[MethodView] {
        self.evaluation
            .as_ref()
            .map_or(&[], |report| &report.methods)
    }

    /// The model for a person: the verdict first, then what it rests on, then where it comes from.
    #[must_use]
    pub fn words(&self, out: &Output) -> String {
        let aliases = if self.aliases.is_empty() {
            "none".to_owned()
        } else {
            self.aliases.join(" ")
        };
        let mut fields = vec![
            ("model", self.name.clone()),
            ("aliases", aliases),
            ("verdict", self.verdict_words()),
        ];
        if let Some(report) = &self.evaluation {
            fields.push(("gain", report.gain_words(&self.tier)));
            if let Some(champion) = &report.champion {
                fields.push(("champion", champion.words()));
            }
            fields.push((
                "calibration",
                format!(
                    "reported probabilities are off by {:.3} on average",
                    report.calibration_error
                ),
            ));
        }
        if let Some(online) = &self.online_evaluation {
            fields.push(("since then", online.words()));
        }
        fields.push(("created", short_time(self.create_time.as_ref())));
        let mut text = text_of(fields);
        if let Some(report) = &self.evaluation {
            text.push('\n');
            text.push_str(&out.table(&report.methods));
            if !report.slices.is_empty() {
                text.push('\n');
                text.push_str(&out.table(&report.slices));
            }
            if !report.weights.is_empty() {
                text.push_str("\nweights\n");
                text.push_str(&report.weight_lines());
            }
        }
        if let Some(report) = &self.classification {
            text.push_str(&report.words(out));
        }
        text.push_str("\nlineage\n");
        text.push_str(&self.lineage_lines());
        text
    }

    fn verdict_words(&self) -> String {
        let words = match self.verdict {
            "PROMOTE" => "proven better than the tier above",
            "KEEP" => "not proven better than the tier above, or than the version that served",
            "INSUFFICIENT_DATA" => "too few questions to tell",
            _ => "none",
        };
        match &self.verdict_reason {
            Some(reason) => format!("{}: {reason}", self.verdict),
            None => format!("{}: {words}", self.verdict),
        }
    }

    fn lineage_lines(&self) -> String {
        let lineage = &self.lineage;
        let parameters: Vec<_> = lineage
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let size = indicatif::HumanBytes(self.size_bytes);
        let fields = vec![
            (
                "  dataset",
                format!("{} {}", lineage.dataset, lineage.dataset_hash),
            ),
            ("  parent", lineage.parent.clone().unwrap_or_default()),
            ("  space", lineage.space.clone()),
            ("  parameters", parameters.join(" ")),
            ("  seed", lineage.seed.to_string()),
            ("  code", lineage.code_version.clone()),
            ("  artifact", format!("{size}, sha256 {}", self.checksum)),
        ];
        text_of(fields)
    }
}

impl ChampionView {
    fn words(&self) -> String {
        let end = match self.holds {
            true => "; that one is significantly better and keeps its place",
            false => "",
        };
        format!(
            "{:+.3} MRR against version {}, which served then (95 % interval {:+.3} to {:+.3}), on the {} of \
             these questions that came after that one's training{end}",
            self.gain,
            last(&self.model),
            self.gain_low,
            self.gain_high,
            self.queries
        )
    }
}

impl EvaluationView {
    fn gain_words(&self, tier: &str) -> String {
        let Self {
            queries,
            windows,
            history,
            ..
        } = self;
        let above = match tier {
            "TENANT" => "the tier above",
            _ => "what served then",
        };
        let asked = match tier {
            "TENANT" => format!(
                "{queries} held-out questions of {windows} windows, newer ones weighing more; \
                 {history} items to learn from; it goes {:.0} % of the way from the tier above to the \
                 tenant's own questions",
                self.interpolation_weight * 100.0
            ),
            _ => format!("{queries} questions of {history} tenants, left out in {windows} groups"),
        };
        format!(
            "{:+.3} MRR against {above} (95 % interval {:+.3} to {:+.3}), on {asked}",
            self.gain, self.gain_low, self.gain_high,
        )
    }

    fn weight_lines(&self) -> String {
        let mut weights: Vec<_> = self.weights.iter().collect();
        weights.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        pairs(
            weights
                .into_iter()
                .map(|(name, weight)| (format!("  {name}"), format!("{weight:+.3}"))),
        )
    }
}

/// `GLOBAL`, `VERTICAL` or `TENANT`.
#[must_use]
pub fn tier_name(tier: i32) -> String {
    enum_name(tier, v1::Tier::short_name).to_owned()
}

fn text_of(fields: Vec<(&str, String)>) -> String {
    let filled = fields
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty());
    pairs(filled.map(|(head, value)| (head.to_owned(), value)))
}
