//! Tenants and the audit trail of what was done to them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{AUTO_EMBEDDING_MODEL, DEFAULT_EMBEDDING_MODEL, TenantId, VerticalId};

/// What may be done with a tenant now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TenantState {
    /// Served.
    Active,
    /// Data kept, nothing resident, requests refused.
    Inactive,
    /// Being erased; nothing is served and nothing can be written.
    Erasing,
}

impl TenantState {
    /// The stable text of the state, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Erasing => "ERASING",
        }
    }

    /// The state that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Inactive, Self::Erasing]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// What a tenant has chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    /// The tenant's data may train models that serve other tenants (never its texts).
    pub share_for_training: bool,
    /// The base model of its embedding space, by its name in the catalogue, or [`AUTO_EMBEDDING_MODEL`]; none
    /// means the default.
    pub embedding_model: Option<String>,
    /// What one accepted answer is worth, in the currency of the price book; none: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_per_accepted: Option<Decimal>,
}

impl TenantSettings {
    /// The base model that the tenant wants its vectors made with, or [`AUTO_EMBEDDING_MODEL`].
    #[must_use]
    pub fn embedding_model(&self) -> &str {
        self.embedding_model
            .as_deref()
            .unwrap_or(DEFAULT_EMBEDDING_MODEL)
    }

    /// The base model that the settings name; none where the platform is to choose it.
    #[must_use]
    pub fn named_model(&self) -> Option<&str> {
        let named = self.embedding_model();
        (named != AUTO_EMBEDDING_MODEL).then_some(named)
    }
}

/// One customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id, chosen at creation, never used again after erasure.
    pub id: TenantId,
    /// Name for people.
    pub display_name: String,
    /// The industry group it belongs to.
    pub vertical: VerticalId,
    /// What may be done with it now.
    pub state: TenantState,
    /// What it has chosen.
    pub settings: TenantSettings,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// One administrative act, kept for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Rises by one with every event of the platform; pages are cut by it.
    pub sequence: i64,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// Who did it: a key id, or `system`.
    pub actor: String,
    /// What was done, for example `models.promote`.
    pub action: String,
    /// The resource it was done to.
    pub resource: String,
    /// Details that are safe to show.
    pub detail: String,
}
