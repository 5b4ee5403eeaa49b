//! What one piece of work consumed, as the services write it down.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Meter, Service};
use crate::{TenantId, Tier};

/// What one piece of work consumed: a request, a batch of items, a training. It becomes known as
/// a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageEntry {
    /// Its id; the same id again is the same work.
    pub id: String,
    /// Who caused it; none: the platform itself.
    pub tenant: Option<TenantId>,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// Which service did it.
    pub service: Service,
    /// The RPC it was done for, for example `RecommendExperts`; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rpc: String,
    /// The tier of the model that did the work, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The name of that model; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// How much of which meter, in its base unit; each meter once.
    pub quantities: Vec<(Meter, u64)>,
}
