//! What a training of a tenant's model reads besides its dataset, kept beside the version: experts
//! change, tasks are defined anew and the model above is replaced, but the version must be able to be
//! made again.

use chrono::{DateTime, Utc};
use domain::{Correction, Expert, ExpertId, TaskDefinition};
use learning::Ranker;
use serde::{Deserialize, Serialize};

use crate::load::StoredRanker;
use crate::resolve::ParentRanker;

/// The parameter with the hash of the corrections that a head was trained on.
pub const CORRECTIONS_HASH: &str = "corrections_hash";
/// The parameter with the time of the newest of them, in microseconds since 1970.
pub const CORRECTIONS_UNTIL: &str = "corrections_until";
/// The parameter with the checksum of the model above.
pub const PARENT_CHECKSUM: &str = "parent_checksum";

/// Corrections that a training reads, the newest.
pub const CORRECTIONS: u32 = 50_000;

/// What a training read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Inputs {
    /// Of a ranker of experts.
    Experts {
        /// The listed experts by id, each with its profile.
        experts: Vec<(ExpertId, String)>,
        /// The artifact that it was shrunk towards, as it is: read again from numbers that were
        /// written again, it might not be the same to the last bit.
        parent: String,
    },
    /// Of a task's head.
    Task(TaskDefinition),
}

impl Inputs {
    /// Of a ranker: the tenant's experts now, and the model above it.
    #[must_use]
    pub fn of_ranker(experts: &[Expert], parent: &ParentRanker) -> Self {
        let mut experts: Vec<_> = experts
            .iter()
            .map(|expert| (expert.id.clone(), expert.profile.clone()))
            .collect();
        // Sorted here, because the databases compare texts by rules of their own.
        experts.sort_unstable();
        Self::Experts {
            experts,
            parent: parent.stored.artifact.clone(),
        }
    }

    /// The inputs as they are kept, and their hash.
    #[must_use]
    pub fn to_text(&self) -> (String, String) {
        // The type holds nothing that JSON cannot say.
        let text = serde_json::to_string(self).unwrap_or_default();
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        (text, hash)
    }

    /// Reads what [`Inputs::to_text`] wrote; none when it is not what `hash` says.
    #[must_use]
    pub fn from_text(text: &str, hash: &str) -> Option<Self> {
        let same = blake3::hash(text.as_bytes()).to_hex().as_str() == hash;
        same.then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// What a ranker's training wants of it: experts, with nothing but id and profile, and the ranker
    /// above.
    #[must_use]
    pub fn ranker(self) -> Option<(Vec<Expert>, Ranker)> {
        let Self::Experts { experts, parent } = self else {
            return None;
        };
        let expert = |(id, profile)| Expert {
            id,
            display_name: String::new(),
            profile,
            active: true,
            available: true,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let parent = StoredRanker::parse(parent)?.ranker;
        Some((experts.into_iter().map(expert).collect(), parent))
    }
}

/// Puts corrections in one order, whatever the database: newest first, then by request.
pub fn sort_corrections(corrections: &mut [Correction]) {
    corrections
        .sort_unstable_by(|a, b| (b.given_at, &b.request_id).cmp(&(a.given_at, &a.request_id)));
}

/// The hash of sorted corrections, and when the newest was given.
#[must_use]
pub fn describe_corrections(corrections: &[Correction]) -> Option<(String, DateTime<Utc>)> {
    let newest = corrections.first()?.given_at;
    let mut hasher = blake3::Hasher::new();
    for one in corrections {
        let said = serde_json::to_vec(&(&one.text, &one.target)).unwrap_or_default();
        hasher.update(&(said.len() as u64).to_le_bytes());
        hasher.update(&said);
    }
    Some((hasher.finalize().to_hex().to_string(), newest))
}

#[cfg(test)]
mod tests {
    use domain::Target;
    use learning::global_ranker;

    use super::*;

    fn expert(id: &str, profile: &str) -> Expert {
        Expert {
            id: ExpertId::parse(id).unwrap(),
            display_name: "Somebody".to_owned(),
            profile: profile.to_owned(),
            active: false,
            available: true,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn inputs_come_back_as_they_were_in_one_order() {
        let (bob, ada) = (expert("bob", "law"), expert("ada", "keys"));
        let parent = ParentRanker::builtin();
        let inputs = Inputs::of_ranker(&[bob.clone(), ada.clone()], &parent);
        let (text, hash) = inputs.to_text();
        assert_eq!(Inputs::of_ranker(&[ada, bob], &parent).to_text().1, hash);
        let read = Inputs::from_text(&text, &hash).unwrap();
        let (experts, ranker) = read.ranker().unwrap();
        assert_eq!(experts[0].id.as_str(), "ada");
        assert_eq!(experts[1].profile, "law");
        assert_eq!(&ranker, global_ranker());
        assert!(Inputs::from_text(&text.replace("law", "lie"), &hash).is_none());
    }

    #[test]
    fn a_correction_that_changed_is_seen() {
        let correction = |request: &str, label: &str, second| Correction {
            request_id: request.to_owned(),
            text: "Where is it?".to_owned(),
            target: Target::Labels(vec![label.to_owned()]),
            given_at: DateTime::from_timestamp(second, 0).unwrap(),
        };
        let mut one = [correction("a", "refund", 1), correction("b", "bug", 2)];
        let mut other = [correction("b", "bug", 2), correction("a", "refund", 1)];
        sort_corrections(&mut one);
        sort_corrections(&mut other);
        let (hash, newest) = describe_corrections(&one).unwrap();
        assert_eq!(
            describe_corrections(&other).unwrap(),
            (hash.clone(), newest)
        );
        assert_eq!(newest.timestamp(), 2);
        one[0].target = Target::Labels(vec!["feature".to_owned()]);
        assert_ne!(describe_corrections(&one).unwrap().0, hash);
        assert!(describe_corrections(&[]).is_none());
    }
}
