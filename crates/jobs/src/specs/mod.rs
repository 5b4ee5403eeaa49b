//! The jobs there are: one type for each.

mod index;
mod models;
mod others;

pub use index::{IndexItems, Indexed, RebuildIndex, SpaceSwitched, SwitchSpace};
pub use models::{
    CheckChampion, Checked, CompareSpaces, PruneModels, Pruned, ReproduceModel, Reproduced,
    Retrain, SpacesCompared, TrainTier, Trained,
};
pub use others::{EraseTenant, Erased, Precompute, Precomputed};
use storage::SpaceJobs;

use crate::JobSpec as _;

/// What is enqueued when a tenant changes what it says of its embedding space.
#[must_use]
pub fn space_jobs() -> SpaceJobs {
    SpaceJobs {
        switch: SwitchSpace {}.new_job(),
        compare: CompareSpaces {}.new_job(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{JobKind, ModelOwner, TaskId};

    use super::*;
    use crate::JobSpec;

    #[test]
    fn every_kind_has_its_type() {
        let mut kinds = vec![
            IndexItems::KIND,
            RebuildIndex::KIND,
            SwitchSpace::KIND,
            Retrain::KIND,
            TrainTier::KIND,
            CheckChampion::KIND,
            ReproduceModel::KIND,
            PruneModels::KIND,
            Precompute::KIND,
            EraseTenant::KIND,
            CompareSpaces::KIND,
        ];
        kinds.sort_by_key(|kind| kind.as_str());
        let mut all = JobKind::ALL.to_vec();
        all.sort_by_key(|kind| kind.as_str());
        assert_eq!(kinds, all);
    }

    #[test]
    fn jobs_with_the_same_payload_share_a_key_and_others_do_not() {
        assert_eq!(IndexItems {}.dedup_key().unwrap(), "INDEX_ITEMS");
        let experts = Retrain::of(TaskId::experts());
        let other = Retrain {
            search: 3,
            ..experts.clone()
        };
        assert_eq!(experts.dedup_key(), experts.clone().dedup_key());
        assert_ne!(experts.dedup_key(), other.dedup_key());
    }

    #[test]
    fn payloads_are_read_as_they_were_stored() {
        let tier = TrainTier {
            owner: ModelOwner::Global,
            task: TaskId::experts(),
            seed: 7,
        };
        assert_eq!(tier.payload()["owner"], "global");
        let read: TrainTier = serde_json::from_value(tier.payload()).unwrap();
        assert_eq!(read, tier);
        // Rows of before have no number of settings to try.
        let stored = serde_json::json!({ "task": "experts", "dataset": null, "seed": 0 });
        let read: Retrain = serde_json::from_value(stored).unwrap();
        assert_eq!(read, Retrain::of(TaskId::experts()));
    }
}
