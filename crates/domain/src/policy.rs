//! Routing policies: how a tenant wants the requests of one task routed.

use serde::{Deserialize, Serialize};

use crate::{FieldViolation, ModelName, ModelOwner, TaskId, TenantId, Tier};

/// How the model of a request is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RoutingMode {
    /// The best proven tier.
    #[default]
    Auto,
    /// The newest of this tier, proven or not; the tiers above stand in.
    PinnedTier(Tier),
    /// This version of the tenant's own, of its vertical's or of the global model.
    PinnedVersion(ModelName),
    /// The challenger for this share of the keys, `Auto` for the others.
    Canary {
        /// From 1 to 99.
        percent: u8,
    },
    /// `Auto` answers; the challenger's answer is computed and kept beside it, for comparison.
    Shadow,
}

impl RoutingMode {
    /// The stable name of the mode.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::PinnedTier(_) | Self::PinnedVersion(_) => "PINNED",
            Self::Canary { .. } => "CANARY",
            Self::Shadow => "SHADOW",
        }
    }
}

/// A tenant's policy for one task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoutingPolicy {
    /// How the model of a request is chosen.
    pub mode: RoutingMode,
    /// Everything goes to the global model that ships with the code, whatever the mode says.
    pub kill_switch: bool,
    /// The tier above serves while the tenant's own model is judged not to be worth what it costs.
    /// Pins, and the challenger's share of a canary, are not touched.
    #[serde(default, alias = "only_if_worth_it")]
    pub require_cost_effective: bool,
}

impl RoutingPolicy {
    /// Checks that the policy makes sense for this tenant and task.
    ///
    /// # Errors
    /// What is wrong, by field. A model of another tenant is refused in the same words as a name
    /// that nobody has: whether it exists is nobody else's business.
    pub fn validate(&self, tenant: &TenantId, task: &TaskId) -> Result<(), FieldViolation> {
        if self.require_cost_effective && *task != TaskId::experts() {
            let message = "is set; what a model earns is known of experts only";
            return Err(FieldViolation::new(
                "policy.require_cost_effective",
                message,
            ));
        }
        match &self.mode {
            RoutingMode::Canary { percent } if !(1..=99).contains(percent) => {
                let message = format!("is {percent}; send a share from 1 to 99");
                Err(FieldViolation::new("policy.canary_percent", message))
            }
            RoutingMode::PinnedVersion(name) => {
                let foreign = matches!(&name.owner, ModelOwner::Tenant(owner) if owner != tenant);
                if foreign || name.task != *task {
                    let message = format!("names no model that can serve {task} here");
                    return Err(FieldViolation::new("policy.pinned_model", message));
                }
                Ok(())
            }
            _ if *task == TaskId::experts() => Ok(()),
            RoutingMode::Shadow => {
                let message = "SHADOW compares answers of experts only; try CANARY";
                Err(FieldViolation::new("policy.mode", message))
            }
            RoutingMode::PinnedTier(Tier::Vertical) => {
                let message = "is VERTICAL; only experts has models of a vertical";
                Err(FieldViolation::new("policy.pinned_tier", message))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: RoutingMode) -> RoutingPolicy {
        RoutingPolicy {
            mode,
            ..RoutingPolicy::default()
        }
    }

    #[test]
    fn policies_are_checked() {
        let acme = TenantId::parse("acme").unwrap();
        let task = TaskId::experts();
        let check = |mode| policy(mode).validate(&acme, &task);
        let pin = |name: &str| RoutingMode::PinnedVersion(name.parse().unwrap());
        assert!(check(RoutingMode::Auto).is_ok());
        assert!(check(RoutingMode::Canary { percent: 10 }).is_ok());
        assert!(check(RoutingMode::Canary { percent: 0 }).is_err());
        assert!(check(RoutingMode::Canary { percent: 100 }).is_err());
        assert!(check(pin("tenants/acme/models/experts/versions/2")).is_ok());
        assert!(check(pin("global/models/experts/versions/1")).is_ok());
        assert!(check(pin("tenants/other/models/experts/versions/2")).is_err());
        assert!(check(pin("tenants/acme/models/urgency/versions/2")).is_err());
    }

    #[test]
    fn tasks_refuse_what_only_experts_has() {
        let acme = TenantId::parse("acme").unwrap();
        let task = TaskId::parse("urgency").unwrap();
        let refused = |policy: RoutingPolicy| policy.validate(&acme, &task).err().map(|v| v.field);
        let worth = |mode| RoutingPolicy {
            require_cost_effective: true,
            ..policy(mode)
        };
        assert_eq!(refused(policy(RoutingMode::Auto)), None);
        assert_eq!(refused(policy(RoutingMode::Canary { percent: 5 })), None);
        assert_eq!(refused(policy(RoutingMode::PinnedTier(Tier::Global))), None);
        let field = refused(policy(RoutingMode::Shadow));
        assert_eq!(field.as_deref(), Some("policy.mode"));
        let field = refused(policy(RoutingMode::PinnedTier(Tier::Vertical)));
        assert_eq!(field.as_deref(), Some("policy.pinned_tier"));
        let pin = |name: &str| RoutingMode::PinnedVersion(name.parse().unwrap());
        let own = pin("tenants/acme/models/urgency/versions/2");
        assert_eq!(refused(policy(own.clone())), None);
        let foreign = policy(pin("tenants/other/models/urgency/versions/2"));
        assert_eq!(refused(foreign).as_deref(), Some("policy.pinned_model"));
        for mode in [RoutingMode::Auto, RoutingMode::Canary { percent: 5 }, own] {
            let field = refused(worth(mode));
            assert_eq!(field.as_deref(), Some("policy.require_cost_effective"));
        }
    }
}
