//! A recommendation: the experts for a question, best first, and what chose them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ExpertId, ItemId, ModelName, Route, RouteReason, Tier};

/// The experts for a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recommended {
    /// What ranked them.
    pub served_by: ServedBy,
    /// The best first.
    pub experts: Vec<RankedExpert>,
}

impl Recommended {
    /// The version of the serialized form; stored answers of another one are not read.
    pub const FORM: u32 = 1;
}

/// What answered a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServedBy {
    /// The routed model.
    Route(Route),
    /// A model that the request names.
    Model(ModelName),
    /// A baseline that the request names.
    Baseline(String),
}

impl ServedBy {
    /// The name of the model or baseline.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Route(route) => route.model.to_string(),
            Self::Model(name) => name.to_string(),
            Self::Baseline(name) => format!("baseline:{name}"),
        }
    }

    /// Whose data it learned from; a baseline has nothing but the tenant's.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self {
            Self::Route(route) => route.model.tier(),
            Self::Model(name) => name.tier(),
            Self::Baseline(_) => Tier::Tenant,
        }
    }

    /// Why it answered.
    #[must_use]
    pub fn reason(&self) -> RouteReason {
        match self {
            Self::Route(route) => route.reason,
            Self::Model(_) | Self::Baseline(_) => RouteReason::Requested,
        }
    }
}

/// One expert of a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedExpert {
    /// The expert.
    pub id: ExpertId,
    /// What people call the expert; the id where no name is known.
    pub display_name: String,
    /// The score, which only compares with others of the same answer.
    pub score: f64,
    /// The calibrated probability that the expert is a right one; 0 from a baseline.
    pub probability: f64,
    /// What moved the score most, the strongest first; none from a baseline.
    pub contributions: Vec<FeatureContribution>,
    /// The nearest items that the expert answered.
    pub evidence: Vec<Evidence>,
}

/// What one feature adds to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureContribution {
    /// The feature's name.
    pub feature: String,
    /// Its value for this expert.
    pub value: f64,
    /// What that adds to the score.
    pub contribution: f64,
}

/// An item that speaks for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The item.
    pub item: ItemId,
    /// Cosine similarity with the question; 0 where only the words are alike.
    pub similarity: f64,
    /// When the item happened.
    pub occurred_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FallbackNote;

    #[test]
    fn a_recommendation_survives_being_stored() {
        let route = Route {
            model: "global/models/experts/versions/0".parse().unwrap(),
            reason: RouteReason::FallbackUnavailable,
            fallbacks: vec![FallbackNote {
                model: "tenants/acme/models/experts/versions/3".parse().unwrap(),
                reason: RouteReason::SpaceChanged,
            }],
            shadow: None,
        };
        let recommended = Recommended {
            served_by: ServedBy::Route(route),
            experts: vec![RankedExpert {
                id: ExpertId::parse("sofia").unwrap(),
                display_name: "Sofia".to_owned(),
                score: -1.25,
                probability: 0.5,
                contributions: vec![FeatureContribution {
                    feature: "dense".to_owned(),
                    value: 0.75,
                    contribution: 2.0,
                }],
                evidence: vec![Evidence {
                    item: ItemId::parse("q-1").unwrap(),
                    similarity: 0.5,
                    occurred_at: DateTime::UNIX_EPOCH,
                }],
            }],
        };
        let stored = serde_json::to_value(&recommended).unwrap();
        assert_eq!(
            stored["served_by"]["Route"]["reason"],
            RouteReason::FallbackUnavailable.code(),
            "reasons are stored by their stable code"
        );
        let read: Recommended = serde_json::from_value(stored).unwrap();
        assert_eq!(read, recommended);
    }

    #[test]
    fn what_answered_has_a_name_a_tier_and_a_reason() {
        let model = ServedBy::Model("global/models/experts/versions/2".parse().unwrap());
        let baseline = ServedBy::Baseline("popular".to_owned());
        assert_eq!(
            (model.tier(), model.reason()),
            (Tier::Global, RouteReason::Requested)
        );
        assert_eq!(baseline.name(), "baseline:popular");
        assert_eq!(baseline.tier(), Tier::Tenant);
    }
}
