//! `RouterService`: routing policies.

use domain::{FieldViolation, RoutingMode, RoutingPolicy, Tier};

use crate::v1;
use crate::v1::routing_policy::Mode;

impl TryFrom<&v1::RoutingPolicy> for RoutingPolicy {
    type Error = FieldViolation;

    /// Only the fields of the mode may be set: a percent beside AUTO is a misunderstanding.
    fn try_from(wire: &v1::RoutingPolicy) -> Result<Self, FieldViolation> {
        let mode = match wire.mode() {
            Mode::Auto => RoutingMode::Auto,
            Mode::Shadow => RoutingMode::Shadow,
            Mode::Canary => RoutingMode::Canary {
                // What does not fit is out of bounds anyway, and `validate` says so.
                percent: u8::try_from(wire.canary_percent).unwrap_or(u8::MAX),
            },
            Mode::Pinned => pin(wire)?,
            Mode::Unspecified => {
                let message = "say AUTO, PINNED, CANARY or SHADOW";
                return Err(FieldViolation::new("policy.mode", message));
            }
        };
        let unused = [
            ("policy.canary_percent", wire.canary_percent != 0, "CANARY"),
            ("policy.pinned_tier", wire.pinned_tier != 0, "PINNED"),
            (
                "policy.pinned_model",
                !wire.pinned_model.is_empty(),
                "PINNED",
            ),
        ];
        for (field, set, owner) in unused {
            if set && owner != mode.as_str() {
                return Err(FieldViolation::new(
                    field,
                    format!("goes with {owner} only"),
                ));
            }
        }
        Ok(Self {
            mode,
            kill_switch: wire.kill_switch,
            require_cost_effective: wire.require_cost_effective,
        })
    }
}

fn pin(wire: &v1::RoutingPolicy) -> Result<RoutingMode, FieldViolation> {
    let tier = match wire.pinned_tier() {
        v1::Tier::Unspecified => None,
        v1::Tier::Global => Some(Tier::Global),
        v1::Tier::Vertical => Some(Tier::Vertical),
        v1::Tier::Tenant => Some(Tier::Tenant),
    };
    match (tier, wire.pinned_model.as_str()) {
        (Some(tier), "") => Ok(RoutingMode::PinnedTier(tier)),
        (None, "") => Err(FieldViolation::new(
            "policy.pinned_tier",
            "is not set; send a tier, or a model in pinned_model",
        )),
        (None, model) => {
            let name = model.parse();
            name.map(RoutingMode::PinnedVersion)
                .map_err(|error: domain::NameError| {
                    FieldViolation::new("policy.pinned_model", error.to_string())
                })
        }
        (Some(_), _) => Err(FieldViolation::new(
            "policy.pinned_model",
            "send a tier or a model, not both",
        )),
    }
}

impl From<&RoutingPolicy> for v1::RoutingPolicy {
    fn from(policy: &RoutingPolicy) -> Self {
        let mut wire = Self {
            kill_switch: policy.kill_switch,
            require_cost_effective: policy.require_cost_effective,
            ..Self::default()
        };
        let mode = match &policy.mode {
            RoutingMode::Auto => Mode::Auto,
            RoutingMode::Shadow => Mode::Shadow,
            RoutingMode::Canary { percent } => {
                wire.canary_percent = u32::from(*percent);
                Mode::Canary
            }
            RoutingMode::PinnedTier(tier) => {
                wire.set_pinned_tier((*tier).into());
                Mode::Pinned
            }
            RoutingMode::PinnedVersion(name) => {
                wire.pinned_model = name.to_string();
                Mode::Pinned
            }
        };
        wire.set_mode(mode);
        wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_round_trip() {
        for mode in [
            RoutingMode::Auto,
            RoutingMode::Shadow,
            RoutingMode::Canary { percent: 7 },
            RoutingMode::PinnedTier(Tier::Vertical),
            RoutingMode::PinnedVersion("global/models/experts/versions/2".parse().unwrap()),
        ] {
            let policy = RoutingPolicy {
                mode,
                kill_switch: true,
                require_cost_effective: true,
            };
            let wire = v1::RoutingPolicy::from(&policy);
            assert_eq!(RoutingPolicy::try_from(&wire).unwrap(), policy);
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let wire = |mode: Mode| v1::RoutingPolicy {
            mode: mode.into(),
            ..Default::default()
        };
        let tier = v1::Tier::Tenant.into();
        let model = "global/models/experts/versions/2".to_owned();
        let refused = [
            ("policy.mode", wire(Mode::Unspecified)),
            ("policy.pinned_tier", wire(Mode::Pinned)),
            (
                "policy.pinned_model",
                v1::RoutingPolicy {
                    pinned_tier: tier,
                    pinned_model: model,
                    ..wire(Mode::Pinned)
                },
            ),
            (
                "policy.pinned_model",
                v1::RoutingPolicy {
                    pinned_model: "v2".into(),
                    ..wire(Mode::Pinned)
                },
            ),
            (
                "policy.canary_percent",
                v1::RoutingPolicy {
                    canary_percent: 5,
                    ..wire(Mode::Auto)
                },
            ),
            (
                "policy.pinned_tier",
                v1::RoutingPolicy {
                    pinned_tier: tier,
                    ..wire(Mode::Shadow)
                },
            ),
        ];
        for (field, wire) in refused {
            assert_eq!(RoutingPolicy::try_from(&wire).unwrap_err().field, field);
        }
    }
}
