//! How many experts a tenant's items name: a bound, so that its history can always be made resident.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{ErrorKind, ExpertId, ItemContent, MAX_NAMED_EXPERTS, TenantId};
use server::ServiceError;
use storage::TenantTx;

/// Changes of one tenant that cannot name too many experts, whatever they say.
const FEW_CHANGES: u64 = 300;

/// What is known of tenants without counting: each names at most so many experts. Clones are the same.
///
/// Counting reads all items, so it is done once a tenant and process, and again when what came since
/// could have been too much.
#[derive(Clone, Default)]
pub(crate) struct Crowds {
    most: Arc<Mutex<HashMap<TenantId, u64>>>,
}

impl Crowds {
    /// Checks that the tenant's items name no more experts than can be served once `items` are added.
    ///
    /// # Errors
    /// `TOO_MANY_EXPERTS`; the database fails.
    pub(crate) async fn admit(
        &self,
        tx: &TenantTx,
        items: &[ItemContent],
    ) -> Result<(), ServiceError> {
        let new: HashSet<&ExpertId> = items.iter().flat_map(|item| &item.experts).collect();
        let most = self.most(tx.tenant());
        let most = match most {
            Some(most) => most,
            None if tx.items().watermark().await? <= FEW_CHANGES => {
                FEW_CHANGES * domain::MAX_EXPERTS_PER_ITEM as u64
            }
            None => u64::MAX,
        };
        let after = most.saturating_add(new.len() as u64);
        if after <= MAX_NAMED_EXPERTS {
            self.note(tx.tenant(), after);
            return Ok(());
        }
        let named = tx.items().experts_named().await?;
        let unheard = new.into_iter().filter(|id| !named.contains(*id)).count() as u64;
        let after = named.len() as u64 + unheard;
        if unheard > 0 && after > MAX_NAMED_EXPERTS {
            let message = format!(
                "the tenant's items would name {after} experts; at most {MAX_NAMED_EXPERTS} are served. \
                 Send who answers questions, not one name for each row"
            );
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "TOO_MANY_EXPERTS",
                message,
            ));
        }
        self.note(tx.tenant(), after);
        Ok(())
    }

    fn most(&self, tenant: &TenantId) -> Option<u64> {
        let most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        most.get(tenant).copied()
    }

    fn note(&self, tenant: &TenantId, most: u64) {
        let mut all = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(tenant.clone(), most);
    }
}
