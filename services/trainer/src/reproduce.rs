//! Making a version again from its lineage, and saying whether the bytes are the same.

use domain::{Correction, INPUTS, ModelName, ModelOwner, ModelVersion, TaskId, TenantContext};
use learning::classification::ClassifierParameters;
use learning::{Ranker, RankerRecipe, describe};
use storage::{JobFailure, JobWork, Outcome, Purpose};

use crate::above::parse;
use crate::classifier::{CORRECTIONS, HeadPlan, Taught};
use crate::commands::ReproducePayload;
use crate::dataset::{self, Pinned};
use crate::inputs::{
    CORRECTIONS_HASH, CORRECTIONS_UNTIL, Inputs, describe_corrections, sort_corrections,
};
use crate::tiers::TierTrainer;
use crate::trainer::{Plan, Trainer, retry};

/// Why a version cannot be made again, or comes out different: stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    DatasetMissing,
    DatasetChanged,
    InputsMissing,
    CorrectionsChanged,
    SignalsChanged,
    ParentMissing,
    SpaceChanged,
    LineageUnreadable,
    CodeChanged,
    OtherBytes,
}

impl Gap {
    fn code(self) -> &'static str {
        match self {
            Self::DatasetMissing => "DATASET_MISSING",
            Self::DatasetChanged => "DATASET_CHANGED",
            Self::InputsMissing => "INPUTS_MISSING",
            Self::CorrectionsChanged => "CORRECTIONS_CHANGED",
            Self::SignalsChanged => "SIGNALS_CHANGED",
            Self::ParentMissing => "PARENT_MISSING",
            Self::SpaceChanged => "SPACE_CHANGED",
            Self::LineageUnreadable => "LINEAGE_UNREADABLE",
            Self::CodeChanged => "CODE_CHANGED",
            Self::OtherBytes => "OTHER_BYTES",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::DatasetMissing => "its dataset is not there any more",
            Self::DatasetChanged => {
                "its dataset's items are not what they were: their hash is another one"
            }
            Self::InputsMissing => {
                "what it was trained on beside its dataset (experts, model above, task) was not kept"
            }
            Self::CorrectionsChanged => {
                "corrections that it was trained on were changed or deleted since"
            }
            Self::SignalsChanged => {
                "what its tenants share has moved on since: they were trained again, or agree no more"
            }
            Self::ParentMissing => "the model above that it was made from is not there any more",
            Self::SpaceChanged => {
                "it was trained on another embedding model than the one that runs here"
            }
            Self::LineageUnreadable => {
                "its lineage does not say all that is needed; it was made by an older version of the code"
            }
            Self::CodeChanged => {
                "the code is another version than the one that trained it, and gives other bytes"
            }
            Self::OtherBytes => {
                "the same code, data, settings and seed gave other bytes; processors of another kind \
                 may round differently"
            }
        }
    }
}

/// The bytes that were made again, or why none could be.
pub(crate) type Remade = Result<Vec<u8>, Gap>;

impl Trainer {
    /// Trains a version again and compares. Keeps nothing and moves nothing.
    pub(crate) async fn reproduce(&self, work: &JobWork) -> Result<Outcome, JobFailure> {
        let payload: ReproducePayload = serde_json::from_value(work.payload.clone())
            .map_err(|_| JobFailure::Fail("the job cannot be read; start it again".to_owned()))?;
        let name = &payload.model;
        work.progress(0.02, "reading the lineage");
        let (model, remade) = match &name.owner {
            ModelOwner::Tenant(tenant) => {
                if work.tenant()? != tenant {
                    return Err(JobFailure::Fail("the job is of another tenant".to_owned()));
                }
                let ctx = TenantContext::for_background_work(tenant, "trainer");
                let tx = self.store.begin(&ctx).await.map_err(retry)?;
                let found = tx.models().get(&name.task, name.version).await;
                drop(tx);
                let model = present(name, found.map_err(retry)?)?;
                let remade = self.remake(&ctx, work, &model).await?;
                (model, remade)
            }
            ModelOwner::Global | ModelOwner::Vertical(_) => {
                let found = self
                    .store
                    .maintenance(Purpose::Training)
                    .tiers()
                    .get(name)
                    .await;
                let model = present(name, found.map_err(retry)?)?;
                let remade = self.tier_trainer().remake(work, &model).await?;
                (model, remade)
            }
        };
        work.progress(0.95, "comparing");
        let stored = self
            .artifacts
            .get(&model.artifact_path, &model.checksum)
            .await
            .ok();
        Ok(compare(
            &model,
            stored.as_deref(),
            &remade,
            self.code_version,
        ))
    }

    fn tier_trainer(&self) -> TierTrainer {
        TierTrainer {
            store: self.store.clone(),
            artifacts: self.artifacts.clone(),
            clock: self.clock.clone(),
            space: self.embedder.space().name,
            code_version: self.code_version,
        }
    }

    /// The bytes of a tenant's version, trained again.
    async fn remake(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        model: &ModelVersion,
    ) -> Result<Remade, JobFailure> {
        let lineage = &model.lineage;
        if lineage.space != self.embedder.space().name {
            return Ok(Err(Gap::SpaceChanged));
        }
        let pinned = match self.pinned(ctx, model).await? {
            Ok(pinned) => pinned,
            Err(gap) => return Ok(Err(gap)),
        };
        let Some(inputs) = self.inputs(ctx, model).await? else {
            return Ok(Err(Gap::InputsMissing));
        };
        if model.name.task != TaskId::experts() {
            return self.remake_head(ctx, work, model, &pinned, inputs).await;
        }
        let recipe = RankerRecipe::from_parameters(&lineage.parameters);
        let (Some((experts, incumbent)), Some(recipe)) = (inputs.ranker(), recipe) else {
            return Ok(Err(Gap::LineageUnreadable));
        };
        let plan = Plan {
            seed: lineage.seed,
            recipe,
            search: None,
        };
        let made = self
            .train(ctx, work, &pinned.items, &experts, (incumbent, None), plan)
            .await?;
        Ok(Ok(made.to_bytes()))
    }

    async fn remake_head(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        model: &ModelVersion,
        pinned: &Pinned,
        inputs: Inputs,
    ) -> Result<Remade, JobFailure> {
        let Inputs::Task(definition) = inputs else {
            return Ok(Err(Gap::LineageUnreadable));
        };
        let corrections = match self.corrections(ctx, model).await? {
            Ok(corrections) => corrections,
            Err(gap) => return Ok(Err(gap)),
        };
        let plan = HeadPlan {
            seed: model.lineage.seed,
            parameters: ClassifierParameters::from_parameters(&model.lineage.parameters),
            search: None,
        };
        let taught = Taught {
            definition,
            corrections,
        };
        let made = self
            .train_head(ctx, work, &pinned.items, &taught, plan)
            .await?;
        Ok(Ok(made.classifier.to_bytes()))
    }

    /// The version's dataset, when it is still what it was.
    async fn pinned(
        &self,
        ctx: &TenantContext,
        model: &ModelVersion,
    ) -> Result<Result<Pinned, Gap>, JobFailure> {
        let number = Some(model.lineage.dataset);
        let found = dataset::open(&self.store, ctx, number, self.clock.now()).await;
        let Some(pinned) = found.map_err(retry)? else {
            return Ok(Err(Gap::DatasetMissing));
        };
        let hash = describe(&pinned.items, &std::collections::HashSet::new()).content_hash;
        Ok(match hash == model.lineage.dataset_hash {
            true => Ok(pinned),
            false => Err(Gap::DatasetChanged),
        })
    }

    async fn inputs(
        &self,
        ctx: &TenantContext,
        model: &ModelVersion,
    ) -> Result<Option<Inputs>, JobFailure> {
        let Some(hash) = model.lineage.parameter(INPUTS) else {
            return Ok(None);
        };
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let text = tx.inputs().get(hash).await.map_err(retry)?;
        Ok(text.and_then(|text| Inputs::from_text(&text, hash)))
    }

    /// The corrections that the version was trained on, when they are still what they were.
    async fn corrections(
        &self,
        ctx: &TenantContext,
        model: &ModelVersion,
    ) -> Result<Result<Vec<Correction>, Gap>, JobFailure> {
        let lineage = &model.lineage;
        let Some(hash) = lineage.parameter(CORRECTIONS_HASH) else {
            return Ok(Ok(Vec::new()));
        };
        let until = lineage
            .parameter(CORRECTIONS_UNTIL)
            .and_then(|micros| micros.parse().ok())
            .and_then(chrono::DateTime::from_timestamp_micros);
        let Some(until) = until else {
            return Ok(Err(Gap::LineageUnreadable));
        };
        let tx = self.store.begin(ctx).await.map_err(retry)?;
        let found = tx
            .corrections()
            .newest_until(&model.name.task, until, CORRECTIONS)
            .await;
        let mut found = found.map_err(retry)?;
        sort_corrections(&mut found);
        let same = describe_corrections(&found).is_some_and(|(now, _)| now == hash);
        Ok(match same {
            true => Ok(found),
            false => Err(Gap::CorrectionsChanged),
        })
    }
}

fn present(name: &ModelName, found: Option<ModelVersion>) -> Result<ModelVersion, JobFailure> {
    found.ok_or_else(|| JobFailure::Fail(format!("{name} is not there any more")))
}

/// What is said of a version that was, or could not be, made again. `stored` are the bytes of its
/// artifact; none when they are missing or damaged.
fn compare(
    model: &ModelVersion,
    stored: Option<&[u8]>,
    remade: &Remade,
    code: &'static str,
) -> Outcome {
    let made = remade
        .as_ref()
        .map(|bytes| artifacts::checksum(bytes))
        .unwrap_or_default();
    let gap = match remade {
        Ok(_) if made == model.checksum => None,
        Ok(_) if model.lineage.code_version != code => Some(Gap::CodeChanged),
        Ok(_) => Some(Gap::OtherBytes),
        Err(gap) => Some(*gap),
    };
    let mut explanation = match gap {
        None => "training it again from its lineage gave the same bytes".to_owned(),
        Some(gap) => gap.words().to_owned(),
    };
    if let (Ok(bytes), Some(stored), true) = (remade, stored, gap.is_some())
        && let Some(distance) = distance(stored, bytes)
    {
        explanation.push_str(&format!(
            "; the weights differ by {distance:.1e} at the most"
        ));
    }
    if stored.is_none() {
        explanation.push_str("; its stored artifact is missing or damaged");
    }
    let outcome = [
        ("model", model.name.to_string()),
        ("reproduced", gap.is_none().to_string()),
        ("reason", gap.map_or("SAME_BYTES", Gap::code).to_owned()),
        ("explanation", explanation),
        ("stored_checksum", model.checksum.clone()),
        ("made_checksum", made),
        ("stored_code_version", model.lineage.code_version.clone()),
        ("code_version", code.to_owned()),
    ];
    outcome.map(|(key, value)| (key.to_owned(), value)).into()
}

/// How far two rankers' weights lie apart; none when these are none.
fn distance(stored: &[u8], made: &[u8]) -> Option<f64> {
    let ranker = |bytes: &[u8]| -> Option<Ranker> { parse(std::str::from_utf8(bytes).ok()?) };
    let (stored, made) = (ranker(stored)?, ranker(made)?);
    let pairs = stored.weights().zip(made.weights());
    let distances = pairs.map(|((_, a), (_, b))| (a - b).abs());
    Some(distances.fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use domain::{Lineage, Verdict};
    use learning::GLOBAL_RANKER;

    use super::*;

    fn version(bytes: &[u8], code: &str) -> ModelVersion {
        ModelVersion {
            name: "tenants/acme/models/experts/versions/3".parse().unwrap(),
            artifact_path: String::new(),
            checksum: artifacts::checksum(bytes),
            size: bytes.len() as u64,
            lineage: Lineage {
                dataset: 1,
                dataset_hash: String::new(),
                code_version: code.to_owned(),
                seed: 17,
                space: String::new(),
                parameters: Vec::new(),
                parent: None,
            },
            verdict: Verdict::Keep,
            report: String::new(),
            aliases: Vec::new(),
            created_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn said(outcome: &Outcome, key: &str) -> String {
        let found = outcome.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap()
    }

    #[test]
    fn the_same_bytes_are_the_same_whatever_the_code() {
        let bytes = GLOBAL_RANKER.as_bytes().to_vec();
        let model = version(&bytes, "0.0.9");
        let outcome = compare(&model, Some(&bytes), &Ok(bytes.clone()), "0.1.0");
        assert_eq!(said(&outcome, "reproduced"), "true");
        assert_eq!(said(&outcome, "reason"), "SAME_BYTES");
        assert_eq!(
            said(&outcome, "made_checksum"),
            said(&outcome, "stored_checksum")
        );
    }

    #[test]
    fn other_bytes_are_explained() {
        let stored = GLOBAL_RANKER.as_bytes().to_vec();
        let mut text: serde_json::Value = serde_json::from_str(GLOBAL_RANKER).unwrap();
        let weight = text["weights"][0].as_f64().unwrap();
        text["weights"][0] = (weight + 0.5).into();
        let other = serde_json::to_vec(&text).unwrap();
        for (code, reason) in [("0.0.9", "CODE_CHANGED"), ("0.1.0", "OTHER_BYTES")] {
            let model = version(&stored, code);
            let outcome = compare(&model, Some(&stored), &Ok(other.clone()), "0.1.0");
            assert_eq!(said(&outcome, "reproduced"), "false");
            assert_eq!(said(&outcome, "reason"), reason);
            let explanation = said(&outcome, "explanation");
            assert!(explanation.contains("5.0e-1"), "{explanation}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let model = version(b"bytes", "0.1.0");
        let outcome = compare(&model, None, &Err(Gap::DatasetMissing), "0.1.0");
        assert_eq!(said(&outcome, "reason"), "DATASET_MISSING");
        assert_eq!(said(&outcome, "made_checksum"), "");
        assert!(said(&outcome, "explanation").contains("artifact is missing"));
    }
}
