//! Embedding spaces: which base model makes a tenant's vectors, and where a change of it stands.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The base model of tenants that have chosen none, by its name in the catalogue.
pub const DEFAULT_EMBEDDING_MODEL: &str = "minilm-l6-v2-int8";

/// What a space is to its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpaceState {
    /// Items are being embedded and indexed in it; nothing is asked of it yet.
    Preparing,
    /// All questions are asked in it. Each tenant has exactly one.
    Active,
    /// Nothing new is asked of it; kept for requests that began in it, then dropped.
    Retired,
}

impl SpaceState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Preparing, Self::Active, Self::Retired];

    /// The stable text of the state, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "PREPARING",
            Self::Active => "ACTIVE",
            Self::Retired => "RETIRED",
        }
    }

    /// The state that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One embedding space of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSpace {
    /// The base model, by its name in the catalogue.
    pub name: String,
    /// What it is to the tenant.
    pub state: SpaceState,
    /// From when a retired space may be dropped.
    pub drop_after: Option<DateTime<Utc>>,
}
