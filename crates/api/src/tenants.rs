//! `TenantService`: tenants, keys, audit events.

use domain::cost::{Currency, ValueSetting};
use domain::{
    AuditEvent, FieldViolation, ResourceName, Role, SpaceComparison, TenantSettings, TenantState,
};
use rust_decimal::Decimal;

use crate::costs::decimal;
use crate::{timestamp, v1};

impl From<TenantState> for v1::tenant::State {
    fn from(state: TenantState) -> Self {
        match state {
            TenantState::Active => Self::Active,
            TenantState::Inactive => Self::Inactive,
            TenantState::Erasing => Self::Erasing,
        }
    }
}

impl From<TenantSettings> for v1::TenantSettings {
    fn from(settings: TenantSettings) -> Self {
        Self {
            embedding_model: settings.embedding_model().to_owned(),
            share_for_training: settings.share_for_training,
            value_per_accepted: settings
                .value_per_accepted
                .map_or_else(String::new, |value| value.to_string()),
        }
    }
}

impl TryFrom<v1::TenantSettings> for TenantSettings {
    type Error = FieldViolation;

    fn try_from(settings: v1::TenantSettings) -> Result<Self, FieldViolation> {
        Ok(Self {
            share_for_training: settings.share_for_training,
            embedding_model: Some(settings.embedding_model).filter(|name| !name.is_empty()),
            value_per_accepted: value(&settings.value_per_accepted)?,
        })
    }
}

fn value(text: &str) -> Result<Option<Decimal>, FieldViolation> {
    let field = "settings.value_per_accepted";
    let Some(value_per_accepted) = decimal(field, text)? else {
        return Ok(None);
    };
    let setting = ValueSetting {
        value_per_accepted,
        // The currency is that of the price book; the bounds are the same for all.
        currency: Currency::USD,
    };
    setting
        .validate()
        .map_err(|violation| FieldViolation::new(field, violation.message))?;
    Ok(Some(value_per_accepted))
}

impl From<SpaceComparison> for v1::SpaceComparison {
    fn from(made: SpaceComparison) -> Self {
        let candidates =
            made.choice
                .trials
                .into_iter()
                .map(|trial| v1::space_comparison::Candidate {
                    model: trial.space,
                    mrr: trial.mrr,
                    difference: trial.difference,
                    difference_low: trial.low,
                    difference_high: trial.high,
                });
        Self {
            create_time: Some(timestamp(made.compared_at)),
            items: made.items,
            questions: made.choice.questions,
            candidates: candidates.collect(),
            chosen: made.choice.chosen,
            reason: made.choice.reason,
        }
    }
}

impl From<domain::Tenant> for v1::Tenant {
    fn from(tenant: domain::Tenant) -> Self {
        Self {
            name: ResourceName::Tenant(tenant.id).to_string(),
            display_name: tenant.display_name,
            vertical: tenant.vertical.into(),
            state: v1::tenant::State::from(tenant.state).into(),
            settings: Some(tenant.settings.into()),
            create_time: Some(timestamp(tenant.created_at)),
            update_time: Some(timestamp(tenant.updated_at)),
            embedding_space: None,
        }
    }
}

impl From<Role> for v1::api_key::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Backend => Self::Backend,
            Role::TenantAdmin => Self::TenantAdmin,
            Role::Operator => Self::Operator,
        }
    }
}

impl v1::api_key::Role {
    /// The role asked for; none when it was left out.
    #[must_use]
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Unspecified => None,
            Self::Backend => Some(Role::Backend),
            Self::TenantAdmin => Some(Role::TenantAdmin),
            Self::Operator => Some(Role::Operator),
        }
    }
}

impl From<domain::ApiKey> for v1::ApiKey {
    fn from(key: domain::ApiKey) -> Self {
        Self {
            name: ResourceName::ApiKey(key.tenant, key.id).to_string(),
            role: v1::api_key::Role::from(key.role).into(),
            display_name: key.display_name,
            create_time: Some(timestamp(key.created_at)),
            revoke_time: key.revoked_at.map(timestamp),
        }
    }
}

impl From<AuditEvent> for v1::AuditEvent {
    fn from(event: AuditEvent) -> Self {
        Self {
            sequence: event.sequence,
            time: Some(timestamp(event.at)),
            actor: event.actor,
            action: event.action,
            resource: event.resource,
            detail: event.detail,
        }
    }
}
