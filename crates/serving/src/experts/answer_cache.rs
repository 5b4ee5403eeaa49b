//! Answers that were computed ahead and asked for once, in memory: asked for again, they need no database.
//!
//! They lie in the view that they were checked against, and go with it. A change of the tenant that this process
//! has heard of makes them invalid at once, before the view has followed it: changes made in this process are heard
//! of before their caller is answered, those of others as soon as the database tells.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use domain::{Change, Item, ItemId, Recommended, TenantId};
use storage::Changes;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::ExpertAnswer;

/// Answers of one tenant at most; then all go.
const MOST: usize = 256;

/// An answer that was computed ahead, with the item that it answers.
#[derive(Debug, Clone)]
pub(super) struct CachedAnswer {
    pub item: Item,
    /// With all experts that were computed ahead.
    pub answer: ExpertAnswer,
}

/// The answers of one view.
#[derive(Debug, Default)]
pub(super) struct AnswerCache {
    answers: Mutex<HashMap<ItemId, (Version, Arc<CachedAnswer>)>>,
}

/// How much has changed at a tenant since the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    own: u64,
    /// Changes of all tenants at once, or that were missed.
    all: u64,
}

/// Counts the changes of each tenant.
#[derive(Debug)]
pub(super) struct ChangeCounter {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    changes: Receiver<Change>,
    own: HashMap<TenantId, u64>,
    all: u64,
}

impl AnswerCache {
    /// The answer to an item, if nothing has changed since `version`.
    pub fn get(&self, item: &ItemId, version: Version) -> Option<Arc<CachedAnswer>> {
        let answers = locked(&self.answers);
        let (as_of, answer) = answers.get(item)?;
        (*as_of == version).then(|| Arc::clone(answer))
    }

    /// Keeps an answer that was read after `version` was taken, unless it is stale.
    pub fn put(&self, version: Version, answer: CachedAnswer) {
        if answer.answer.precomputed.is_none_or(|made| made.stale) {
            return;
        }
        let mut answers = locked(&self.answers);
        if answers.len() >= MOST {
            answers.clear();
        }
        let item = answer.item.content.id.clone();
        answers.insert(item, (version, Arc::new(answer)));
    }
}

impl CachedAnswer {
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
}

impl ChangeCounter {
    /// Counts from now on.
    pub fn new(changes: &Changes) -> Self {
        let counts = Counts {
            changes: changes.subscribe(),
            own: HashMap::new(),
            all: 0,
        };
        Self {
            counts: Mutex::new(counts),
        }
    }

    /// Where a tenant stands after all changes that this process has heard of.
    pub fn version(&self, tenant: &TenantId) -> Version {
        let mut counts = locked(&self.counts);
        counts.catch_up();
        Version {
            own: counts.own.get(tenant).copied().unwrap_or_default(),
            all: counts.all,
        }
    }
}

impl Counts {
    fn catch_up(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(
                    Change::Tenant(tenant)
                    | Change::Experts(tenant)
                    | Change::Items(tenant)
                    | Change::Index(tenant)
                    | Change::Models(tenant),
                ) => *self.own.entry(tenant).or_default() += 1,
                // Answers about experts are made of nothing of these.
                Ok(Change::Tasks(_) | Change::Jobs(_) | Change::Key(_)) => {}
                Ok(Change::Tiers) => self.all += 1,
                Err(TryRecvError::Lagged(_)) => self.all += 1,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole after each step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use domain::{ExpertId, RankedExpert, ServedBy};

    use super::*;
    use crate::StageTimes;
    use crate::experts::Precomputed;
    use crate::test_world::{World, item};

    fn cached(id: &str, stale: bool) -> CachedAnswer {
        let expert = |id: &str| RankedExpert {
            id: ExpertId::parse(id).unwrap(),
            display_name: String::new(),
            score: 1.0,
            probability: 0.5,
            contributions: Vec::new(),
            evidence: Vec::new(),
        };
        CachedAnswer {
            item: Item {
                content: item(id, "Who keeps the keys?", &[], 1),
                revision: 1,
                change: 1,
                point: 1,
                ingested_at: chrono::DateTime::UNIX_EPOCH,
            },
            answer: ExpertAnswer {
                recommended: Recommended {
                    served_by: ServedBy::Baseline("test".to_owned()),
                    experts: ["ada", "bob", "eve"].map(expert).into(),
                },
                shadow: None,
                truncated: false,
                times: StageTimes::default(),
                precomputed: Some(Precomputed {
                    at: chrono::DateTime::UNIX_EPOCH,
                    stale,
                }),
            },
        }
    }

    #[tokio::test]
    async fn an_answer_is_good_until_its_tenant_changes() {
        let world = World::new().await;
        let changes = world.store.changes();
        let counter = ChangeCounter::new(changes);
        let (cache, tenant) = (AnswerCache::default(), world.ctx.tenant());
        let before = counter.version(tenant);
        cache.put(before, cached("q-1", false));
        let item = ItemId::parse("q-1").unwrap();
        let found = cache.get(&item, counter.version(tenant)).unwrap();
        let first = found.first(2, Instant::now());
        assert_eq!(first.recommended.experts.len(), 2);

        changes.publish(Change::Items(TenantId::parse("another").unwrap()));
        changes.publish(Change::Jobs(Some(tenant.clone())));
        assert!(cache.get(&item, counter.version(tenant)).is_some());
        changes.publish(Change::Items(tenant.clone()));
        assert!(cache.get(&item, counter.version(tenant)).is_none());
        // One that was read before the change is not good after it.
        cache.put(before, cached("q-1", false));
        assert!(cache.get(&item, counter.version(tenant)).is_none());
        let now = counter.version(tenant);
        cache.put(now, cached("q-1", false));
        changes.publish(Change::Tiers);
        assert!(cache.get(&item, counter.version(tenant)).is_none());
    }

    #[tokio::test]
    async fn changes_that_were_missed_count_for_all() {
        let world = World::new().await;
        let changes = world.store.changes();
        let counter = ChangeCounter::new(changes);
        let before = counter.version(world.ctx.tenant());
        for _ in 0..5_000 {
            changes.publish(Change::Jobs(None));
        }
        assert_ne!(counter.version(world.ctx.tenant()), before);
    }

    #[test]
    fn stale_answers_are_not_kept_and_their_number_is_bounded() {
        let (cache, version) = (AnswerCache::default(), Version { own: 0, all: 0 });
        cache.put(version, cached("q-0", true));
        assert!(locked(&cache.answers).is_empty());
        for at in 0..3 * MOST {
            cache.put(version, cached(&format!("q-{at}"), false));
        }
        assert!((1..=MOST).contains(&locked(&cache.answers).len()));
    }
}
