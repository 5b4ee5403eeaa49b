//! Reproducing: what a version was trained on, when it is still there and the same, and whether a
//! version that was made again from it has the same bytes.

use std::collections::HashSet;

use artifacts::ArtifactStore;
use chrono::DateTime;
use domain::{Correction, INPUTS, ModelVersion, TenantContext};
use learning::{Ranker, describe};
use storage::Store;

use crate::Result;
use crate::dataset::{self, Pinned};
use crate::inputs::{
    CORRECTIONS, CORRECTIONS_HASH, CORRECTIONS_UNTIL, Inputs, describe_corrections,
    sort_corrections,
};
use crate::load::StoredRanker;

/// Why a version cannot be made again, or comes out different: stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReproductionBlocker {
    /// The dataset is not there any more.
    DatasetMissing,
    /// The dataset's items are not what they were.
    DatasetChanged,
    /// What it read besides its dataset was not kept.
    InputsMissing,
    /// Corrections were changed or deleted.
    CorrectionsChanged,
    /// Its tenants' signals have moved on.
    SignalsChanged,
    /// The model that it was made from is not there any more.
    ParentMissing,
    /// It was trained in another space.
    SpaceChanged,
    /// The lineage does not say all that is needed.
    LineageUnreadable,
    /// Another version of the code gives other bytes.
    CodeChanged,
    /// The same code gives other bytes.
    OtherBytes,
}

impl ReproductionBlocker {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
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

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
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
pub type Remade = Result<Vec<u8>, ReproductionBlocker>;

/// The version's dataset, when it is still what it was.
///
/// # Errors
/// The store fails.
pub async fn pinned(
    store: &Store,
    ctx: &TenantContext,
    model: &ModelVersion,
) -> Result<Result<Pinned, ReproductionBlocker>> {
    let Some(pinned) = dataset::open(store, ctx, model.lineage.dataset).await? else {
        return Ok(Err(ReproductionBlocker::DatasetMissing));
    };
    let hash = describe(&pinned.items, &HashSet::new()).content_hash;
    Ok(match hash == model.lineage.dataset_hash {
        true => Ok(pinned),
        false => Err(ReproductionBlocker::DatasetChanged),
    })
}

/// What the version read besides its dataset; none where it was not kept.
///
/// # Errors
/// The store fails.
pub async fn inputs(
    store: &Store,
    ctx: &TenantContext,
    model: &ModelVersion,
) -> Result<Option<Inputs>> {
    let Some(hash) = model.lineage.parameter(INPUTS) else {
        return Ok(None);
    };
    let text = store.begin(ctx).await?.inputs().get(hash).await?;
    Ok(text.and_then(|text| Inputs::from_text(&text, hash)))
}

/// The corrections that the version was trained on, when they are still what they were.
///
/// # Errors
/// The store fails.
pub async fn corrections(
    store: &Store,
    ctx: &TenantContext,
    model: &ModelVersion,
) -> Result<Result<Vec<Correction>, ReproductionBlocker>> {
    let lineage = &model.lineage;
    let Some(hash) = lineage.parameter(CORRECTIONS_HASH) else {
        return Ok(Ok(Vec::new()));
    };
    let until = lineage
        .parameter(CORRECTIONS_UNTIL)
        .and_then(|micros| micros.parse().ok())
        .and_then(DateTime::from_timestamp_micros);
    let Some(until) = until else {
        return Ok(Err(ReproductionBlocker::LineageUnreadable));
    };
    let tx = store.begin(ctx).await?;
    let found = tx.corrections();
    let found = found.newest_until(&model.name.task, until, CORRECTIONS);
    let mut found = found.await?;
    sort_corrections(&mut found);
    let same = describe_corrections(&found).is_some_and(|(now, _)| now == hash);
    Ok(match same {
        true => Ok(found),
        false => Err(ReproductionBlocker::CorrectionsChanged),
    })
}

/// What is said of a version that was, or could not be, made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reproduction {
    /// What kept it from having the same bytes; none when it has.
    pub blocker: Option<ReproductionBlocker>,
    /// The same in words, with what else is known.
    pub explanation: String,
    /// The checksum of what was made again; empty when nothing was.
    pub made_checksum: String,
}

/// Compares what was made again by `code` with a version's stored artifact.
pub async fn compare(
    artifacts: &ArtifactStore,
    model: &ModelVersion,
    remade: &Remade,
    code: &str,
) -> Reproduction {
    let stored = artifacts.get(&model.artifact_path, &model.checksum).await;
    compare_bytes(model, stored.ok().as_deref(), remade, code)
}

/// `stored` are the bytes of the artifact; none when they are missing or damaged.
fn compare_bytes(
    model: &ModelVersion,
    stored: Option<&[u8]>,
    remade: &Remade,
    code: &str,
) -> Reproduction {
    let made_checksum = remade
        .as_ref()
        .map(|bytes| artifacts::checksum(bytes))
        .unwrap_or_default();
    let blocker = match remade {
        Ok(_) if made_checksum == model.checksum => None,
        Ok(_) if model.lineage.code_version != code => Some(ReproductionBlocker::CodeChanged),
        Ok(_) => Some(ReproductionBlocker::OtherBytes),
        Err(blocker) => Some(*blocker),
    };
    let mut explanation = match blocker {
        None => "training it again from its lineage gave the same bytes".to_owned(),
        Some(blocker) => blocker.words().to_owned(),
    };
    if let (Ok(bytes), Some(stored), true) = (remade, stored, blocker.is_some())
        && let Some(distance) = distance(stored, bytes)
    {
        explanation.push_str(&format!(
            "; the weights differ by {distance:.1e} at the most"
        ));
    }
    if stored.is_none() {
        explanation.push_str("; its stored artifact is missing or damaged");
    }
    Reproduction {
        blocker,
        explanation,
        made_checksum,
    }
}

/// How far two rankers' weights lie apart; none when these are none.
fn distance(stored: &[u8], made: &[u8]) -> Option<f64> {
    let ranker = |bytes: &[u8]| -> Option<Ranker> {
        Some(StoredRanker::parse(String::from_utf8(bytes.to_vec()).ok()?)?.ranker)
    };
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
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_same_bytes_are_the_same_whatever_the_code() {
        let bytes = GLOBAL_RANKER.as_bytes().to_vec();
        let model = version(&bytes, "0.0.9");
        let compared = compare_bytes(&model, Some(&bytes), &Ok(bytes.clone()), "0.1.0");
        assert_eq!(compared.blocker, None);
        assert_eq!(compared.made_checksum, model.checksum);
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
            let compared = compare_bytes(&model, Some(&stored), &Ok(other.clone()), "0.1.0");
            assert_eq!(
                compared.blocker.map(ReproductionBlocker::code),
                Some(reason)
            );
            assert!(compared.explanation.contains("5.0e-1"), "{compared:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let model = version(b"bytes", "0.1.0");
        let missing = Err(ReproductionBlocker::DatasetMissing);
        let compared = compare_bytes(&model, None, &missing, "0.1.0");
        assert_eq!(compared.blocker, Some(ReproductionBlocker::DatasetMissing));
        assert_eq!(compared.made_checksum, "");
        assert!(compared.explanation.contains("artifact is missing"));
    }
}
