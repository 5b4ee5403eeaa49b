//! Who calls, and what they may do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{KeyId, TenantId};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A backend service: ingests, asks, sends feedback.
    Backend,
    /// A tenant's administrator: all of the above, retrains, promotes, sees quality.
    TenantAdmin,
    /// The platform's operations: every tenant.
    Operator,
}

impl Role {
    /// The stable text of the role, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "BACKEND",
            Self::TenantAdmin => "TENANT_ADMIN",
            Self::Operator => "OPERATOR",
        }
    }

    /// The role that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Backend, Self::TenantAdmin, Self::Operator]
            .into_iter()
            .find(|r| r.as_str() == text)
    }

    /// Whether the role holds a permission.
    #[must_use]
    pub fn holds(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadContent | Permission::WriteContent | Permission::Serve => true,
            Permission::Administer => self != Self::Backend,
            Permission::Operate => self == Self::Operator,
        }
    }
}

/// What an RPC demands of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read the tenant's items, experts, datasets, models and jobs.
    ReadContent,
    /// Write the tenant's items and experts.
    WriteContent,
    /// Ask for recommendations and send feedback.
    Serve,
    /// Keys of the tenant, retrains, promotions, exports, audit.
    Administer,
    /// Create, change and erase tenants.
    Operate,
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's public half.
    pub id: KeyId,
    /// The tenant the key is for; none for an operator's.
    pub tenant: Option<TenantId>,
    /// What the key is for.
    pub role: Role,
    /// Name for people.
    pub display_name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stopped to work, if it did.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The caller of a request who has shown a key, bound to one tenant.
///
/// It can only be made by checking a caller against a tenant ([`TenantContext::enter`]), and the
/// stores open for nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantContext {
    tenant: TenantId,
    actor: String,
    role: Role,
}

impl TenantContext {
    /// The context of a caller in `tenant`, or `None` when its key is for another tenant or its
    /// role lacks the permission.
    #[must_use]
    pub fn enter(key: &ApiKey, tenant: &TenantId, permission: Permission) -> Option<Self> {
        let in_scope = match &key.tenant {
            Some(own) => own == tenant,
            None => key.role == Role::Operator,
        };
        (in_scope && key.role.holds(permission)).then(|| Self {
            tenant: tenant.clone(),
            actor: key.id.to_string(),
            role: key.role,
        })
    }

    /// The context of background work that the platform does for a tenant: indexing, training,
    /// erasure. `why` names the worker and is the actor in the audit trail.
    #[must_use]
    pub fn for_background_work(tenant: &TenantId, why: &'static str) -> Self {
        Self {
            tenant: tenant.clone(),
            actor: format!("system:{why}"),
            role: Role::Operator,
        }
    }

    /// The tenant everything in this context is bound to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who acts: a key id, or `system:…`.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The role of the caller.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }
}

/// Proof that the caller of a request is an operator of the platform: what a handler shows to read or
/// change what is not one tenant's.
///
/// The auth layer makes it from an operator's key; nothing else does (`clippy.toml` refuses
/// [`OperatorContext::enter`] outside of it), and there is no other way to one:
///
/// ```compile_fail
/// let forged = tenantry_domain::OperatorContext { actor: "k1".to_owned() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorContext {
    actor: String,
}

impl OperatorContext {
    /// The context of an operator's key; `None` for any other.
    #[must_use]
    pub fn enter(key: &ApiKey) -> Option<Self> {
        let operates = key.tenant.is_none() && key.role.holds(Permission::Operate);
        operates.then(|| Self {
            actor: key.id.to_string(),
        })
    }

    /// The operator in a tenant: an operator may enter any.
    #[must_use]
    pub fn in_tenant(&self, tenant: &TenantId) -> TenantContext {
        TenantContext {
            tenant: tenant.clone(),
            actor: self.actor.clone(),
            role: Role::Operator,
        }
    }

    /// Who acts: the id of the key.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }
}

/// What a request is about: one tenant, or the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessScope {
    /// One tenant.
    Tenant(TenantContext),
    /// The platform, or all tenants together.
    Platform(OperatorContext),
}

impl AccessScope {
    /// The tenant; none for the platform.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(ctx) => Some(ctx.tenant()),
            Self::Platform(_) => None,
        }
    }

    /// Who acts: the id of a key, or `system:…`.
    #[must_use]
    pub fn actor(&self) -> &str {
        match self {
            Self::Tenant(ctx) => ctx.actor(),
            Self::Platform(operator) => operator.actor(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own operators")]
mod tests {
    use super::*;

    fn key(tenant: Option<&str>, role: Role) -> ApiKey {
        ApiKey {
            id: KeyId::parse("k1").unwrap(),
            tenant: tenant.map(|t| TenantId::parse(t).unwrap()),
            role,
            display_name: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_opens_its_own_tenant_only() {
        let acme = TenantId::parse("acme").unwrap();
        let other = TenantId::parse("other").unwrap();
        let admin = key(Some("acme"), Role::TenantAdmin);
        assert!(TenantContext::enter(&admin, &acme, Permission::Administer).is_some());
        assert!(TenantContext::enter(&admin, &other, Permission::ReadContent).is_none());
        assert!(TenantContext::enter(&admin, &acme, Permission::Operate).is_none());
    }

    #[test]
    fn a_backend_cannot_administer_and_a_keyless_role_cannot_enter() {
        let acme = TenantId::parse("acme").unwrap();
        let backend = key(Some("acme"), Role::Backend);
        assert!(TenantContext::enter(&backend, &acme, Permission::Serve).is_some());
        assert!(TenantContext::enter(&backend, &acme, Permission::Administer).is_none());
        // A tenant's role without a tenant is a broken key: it opens nothing.
        let broken = key(None, Role::TenantAdmin);
        assert!(TenantContext::enter(&broken, &acme, Permission::ReadContent).is_none());
        let operator = key(None, Role::Operator);
        assert!(TenantContext::enter(&operator, &acme, Permission::Operate).is_some());
        assert!(OperatorContext::enter(&operator).is_some());
        for key in [&broken, &backend, &key(Some("acme"), Role::Operator)] {
            assert!(OperatorContext::enter(key).is_none(), "{key:?}");
        }
    }
}
