//! `TrainingService`: model versions and verdicts.

use domain::{Estimate, ModelOwner, ModelVersion, OnlineEvaluation, ResourceName, Verdict};

use crate::{timestamp, v1};

impl From<Verdict> for v1::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Promote => Self::Promote,
            Verdict::Keep => Self::Keep,
            Verdict::InsufficientData => Self::InsufficientData,
        }
    }
}

impl From<Estimate> for v1::Interval {
    fn from(estimate: Estimate) -> Self {
        let end = |value: f64| value.is_finite().then_some(value);
        Self {
            observations: estimate.count,
            mean: estimate.mean,
            low: end(estimate.low),
            high: end(estimate.high),
        }
    }
}

impl From<&OnlineEvaluation> for v1::OnlineEvaluation {
    fn from(score: &OnlineEvaluation) -> Self {
        let tally = &score.tally;
        Self {
            reference_model: score.reference_model.clone(),
            questions: tally.gain().count,
            mrr: tally.own.mean(),
            reference_mrr: tally.other.mean(),
            gain: Some(tally.gain().into()),
            covered_until: Some(timestamp(score.covered_until)),
        }
    }
}

impl From<&ModelVersion> for v1::Model {
    /// Everything but the evaluation and the verdict's reason, which are in the report.
    fn from(model: &ModelVersion) -> Self {
        let lineage = &model.lineage;
        let dataset = match &model.name.owner {
            ModelOwner::Tenant(tenant) => {
                ResourceName::Dataset(tenant.clone(), lineage.dataset).to_string()
            }
            ModelOwner::Global | ModelOwner::Vertical(_) => String::new(),
        };
        Self {
            name: model.name.to_string(),
            tier: v1::Tier::from(model.name.tier()).into(),
            aliases: model
                .aliases
                .iter()
                .map(|alias| alias.as_str().to_owned())
                .collect(),
            checksum: model.checksum.clone(),
            size_bytes: model.size,
            lineage: Some(v1::Lineage {
                dataset,
                dataset_hash: lineage.dataset_hash.clone(),
                code_version: lineage.code_version.clone(),
                seed: lineage.seed,
                space: lineage.space.clone(),
                parameters: lineage.parameters.iter().cloned().collect(),
                parent: lineage.parent.clone().unwrap_or_default(),
            }),
            verdict: v1::Verdict::from(model.verdict).into(),
            verdict_reason: String::new(),
            create_time: Some(timestamp(model.created_at)),
            evaluation: None,
            classification: None,
            online_evaluation: None,
        }
    }
}
