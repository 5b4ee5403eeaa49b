//! Whose views were loaded: a change of one tenant must not cost a look at all.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{TaskId, TenantId};

/// The tasks of tenants that were loaded. One that has left memory is forgotten when it is missed. Clones are
/// the same.
#[derive(Clone, Default)]
pub(super) struct Loaded {
    tasks: Arc<Mutex<HashMap<TenantId, BTreeSet<TaskId>>>>,
}

impl Loaded {
    /// Notes a task.
    pub(super) fn add(&self, tenant: &TenantId, task: &TaskId) {
        let mut all = self.all();
        all.entry(tenant.clone()).or_default().insert(task.clone());
    }

    /// Forgets a task.
    pub(super) fn remove(&self, tenant: &TenantId, task: &TaskId) {
        let mut all = self.all();
        if let Some(tasks) = all.get_mut(tenant) {
            tasks.remove(task);
            if tasks.is_empty() {
                all.remove(tenant);
            }
        }
    }

    /// The tasks of a tenant.
    pub(super) fn of(&self, tenant: &TenantId) -> Vec<TaskId> {
        let tasks = self.all().get(tenant).cloned().unwrap_or_default();
        tasks.into_iter().collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<TenantId, BTreeSet<TaskId>>> {
        // Nothing is half done after a panic.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_found_by_tenant_and_nothing_is_left_of_who_is_gone() {
        let loaded = Loaded::default();
        let [acme, beta] = ["acme", "beta"].map(|id| TenantId::parse(id).unwrap());
        let (experts, intent) = (TaskId::experts(), TaskId::parse("intent").unwrap());
        loaded.add(&acme, &intent);
        loaded.add(&acme, &experts);
        loaded.add(&acme, &experts);
        loaded.add(&beta, &experts);
        assert_eq!(loaded.of(&acme), [experts.clone(), intent.clone()]);
        loaded.remove(&acme, &experts);
        assert_eq!(loaded.of(&acme), std::slice::from_ref(&intent));
        loaded.remove(&acme, &intent);
        loaded.remove(&acme, &intent);
        assert!(loaded.of(&acme).is_empty() && loaded.all().len() == 1);
    }
}
