//! What the rooms tell each other has changed, so that caches know what to drop.

use serde::{Deserialize, Serialize};

use crate::{KeyId, TenantId};

/// Something committed that others may hold a copy of.
///
/// A change says only *what* to look at again: whoever hears it reads the truth from the store, so
/// a change heard twice, late or in another order does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// The tenant itself: state, settings.
    Tenant(TenantId),
    /// The tenant's experts.
    Experts(TenantId),
    /// The tenant's items were committed; the index is behind.
    Items(TenantId),
    /// The index caught up with the tenant's items.
    Index(TenantId),
    /// The tenant's model versions, aliases or routing policy.
    Models(TenantId),
    /// A model that no single tenant owns was made, or another one serves.
    Tiers,
    /// The tenant's tasks, or what people corrected of their answers.
    Tasks(TenantId),
    /// A job moved, of the tenant or (none) of the platform.
    Jobs(Option<TenantId>),
    /// A key was revoked or made.
    Key(KeyId),
}
