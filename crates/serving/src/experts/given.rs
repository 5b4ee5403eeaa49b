//! Answers that were computed ahead and given once, in memory: asked again, they need no database.
//!
//! One holds as long as the view that it was checked against is the tenant's: a change of items, experts, models or
//! policy makes another view.

use std::sync::{Arc, Weak};
use std::time::Instant;

use domain::{Item, ItemId, RankedExpert, Recommended, TenantId};
use moka::sync::Cache;

use super::{ExpertAnswer, ExpertsView};

/// Bytes of all answers together, about.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Whose answer to which item.
pub(super) type Key = (TenantId, ItemId);

/// An answer, with the item that it answers.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub item: Item,
    /// With all experts that were computed ahead.
    pub answer: ExpertAnswer,
}

/// The answers that were given last. Clones are the same.
#[derive(Clone)]
pub(super) struct GivenAnswers {
    kept: Cache<Key, Arc<Kept>>,
}

struct Kept {
    view: Weak<ExpertsView>,
    given: Given,
}

impl GivenAnswers {
    pub fn new() -> Self {
        let kept = Cache::builder()
            .max_capacity(MOST_BYTES)
            .weigher(|_, kept: &Arc<Kept>| kept.given.bytes())
            .build();
        Self { kept }
    }

    /// The answer to an item, if it was checked against this very view.
    pub fn get(&self, key: &Key, view: &Arc<ExpertsView>) -> Option<KeptAnswer> {
        let kept = self.kept.get(key)?;
        // The view that is pointed to weakly cannot have given its place in memory to another.
        std::ptr::eq(kept.view.as_ptr(), Arc::as_ptr(view)).then_some(KeptAnswer(kept))
    }

    /// Keeps an answer that was checked against `view`, unless it is stale.
    pub fn keep(&self, key: Key, view: &Arc<ExpertsView>, given: Given) {
        if given.answer.precomputed.is_none_or(|made| made.stale) {
            return;
        }
        let view = Arc::downgrade(view);
        self.kept.insert(key, Arc::new(Kept { view, given }));
    }
}

/// An answer from memory.
pub(super) struct KeptAnswer(Arc<Kept>);

impl std::ops::Deref for KeptAnswer {
    type Target = Given;

    fn deref(&self) -> &Given {
        &self.0.given
    }
}

impl Given {
    /// The answer with its first experts, to a request that came at `started`.
    pub fn first(&self, top_k: usize, started: Instant) -> ExpertAnswer {
        let Recommended { served_by, experts } = &self.answer.recommended;
        let mut answer = ExpertAnswer {
            recommended: Recommended {
                served_by: served_by.clone(),
                experts: experts.iter().take(top_k).cloned().collect(),
            },
            shadow: self.answer.shadow.clone(),
            ..self.answer
        };
        answer.times.total = started.elapsed();
        answer
    }

    /// Bytes that it takes, about.
    fn bytes(&self) -> u32 {
        /// Of the parts of an expert that have no length of their own.
        const EXPERT: usize = 1_024;
        let experts = self.answer.recommended.experts.iter();
        let names = experts.map(|one: &RankedExpert| EXPERT + one.display_name.len());
        let item = self.item.content.text.len() + self.item.content.answer.as_ref().map_or(0, String::len);
        u32::try_from(names.sum::<usize>() + item).unwrap_or(u32::MAX)
    }
}
