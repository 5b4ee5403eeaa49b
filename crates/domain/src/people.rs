//! Experts who become one: who was whom, and how far that went.

use chrono::{DateTime, Utc};

use crate::ExpertId;

/// How far a merge of experts went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeState {
    /// Some of the history may still name the first.
    Running,
    /// All of the history names the other.
    Done,
    /// Some of the history may still name the other.
    Undoing,
    /// Taken back.
    Undone,
}

impl MergeState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Undoing, Self::Undone];

    /// The stable text of the state, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Done => "DONE",
            Self::Undoing => "UNDOING",
            Self::Undone => "UNDONE",
        }
    }

    /// The state that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An expert whose history became another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertMerge {
    /// Its number as text; unique inside the tenant, and it rises.
    pub id: String,
    /// Who it was.
    pub from: ExpertId,
    /// Who it is now.
    pub into: ExpertId,
    /// How far it went.
    pub state: MergeState,
    /// Items that were changed.
    pub items: u64,
    /// Pieces of feedback that were changed.
    pub feedback: u64,
    /// The other id was new.
    pub renamed: bool,
    /// When it began.
    pub created_at: DateTime<Utc>,
}

/// The list with `into` where `from` stood, nobody twice.
#[must_use]
pub fn replaced(experts: &[ExpertId], from: &ExpertId, into: &ExpertId) -> Vec<ExpertId> {
    let mut list: Vec<ExpertId> = Vec::with_capacity(experts.len());
    for expert in experts {
        let expert = if expert == from { into } else { expert };
        if !list.contains(expert) {
            list.push(expert.clone());
        }
    }
    list
}

/// The list before `from` became `into`, where it was `before` then and is `now`; none where there is
/// nothing to take back. What was changed since stays.
#[must_use]
pub fn restored(
    before: &[ExpertId],
    now: &[ExpertId],
    from: &ExpertId,
    into: &ExpertId,
) -> Option<Vec<ExpertId>> {
    if now == replaced(before, from, into) {
        return Some(before.to_vec());
    }
    let changed_since = now.contains(from) || before.contains(into) || !now.contains(into);
    (!changed_since).then(|| replaced(now, into, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<ExpertId> {
        text.split_whitespace()
            .map(|id| ExpertId::parse(id).unwrap())
            .collect()
    }

    #[test]
    fn a_merge_is_taken_back_where_nothing_else_happened() {
        let (ada, bob) = (&ids("ada")[0], &ids("bob")[0]);
        for before in ["ada", "ada bob", "bob eve ada", "eve ada"] {
            let before = ids(before);
            let after = replaced(&before, ada, bob);
            assert!(!after.contains(ada));
            assert_eq!(restored(&before, &after, ada, bob), Some(before));
        }
        assert_eq!(replaced(&ids("ada bob"), ada, bob), ids("bob"));
    }

    #[test]
    fn what_was_changed_since_stays() {
        let (ada, bob) = (&ids("ada")[0], &ids("bob")[0]);
        let restored = |before: &str, now: &str| restored(&ids(before), &ids(now), ada, bob);
        assert_eq!(restored("ada", "eve bob"), Some(ids("eve ada")));
        assert_eq!(restored("ada", "eve"), None, "bob is not in it any more");
        assert_eq!(restored("ada", "ada bob"), None, "somebody added ada");
        assert_eq!(restored("ada bob", "bob eve"), None, "whose is bob's part?");
    }

    #[test]
    fn every_state_is_read_as_it_is_written() {
        for state in MergeState::ALL {
            assert_eq!(MergeState::parse(state.as_str()), Some(state));
        }
    }
}
