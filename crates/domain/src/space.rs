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

/// What a tenant's settings say where the platform is to choose its base model by evidence.
pub const AUTO_EMBEDDING_MODEL: &str = "AUTO";

/// What serves in one space, asked the questions of the tenant's own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpaceTrial {
    /// The base model, by its name in the catalogue.
    pub space: String,
    /// Mean reciprocal rank, newer questions weighing more.
    pub mrr: f64,
    /// That minus the best space's: at most 0.
    pub difference: f64,
    /// Lower end of the 95 % interval of the difference.
    pub low: f64,
    /// Upper end of the 95 % interval of the difference.
    pub high: f64,
}

/// Which space a tenant is served best in for what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpaceChoice {
    /// Held-out questions that each space was asked.
    pub questions: u64,
    /// The spaces, the cheapest first.
    pub trials: Vec<SpaceTrial>,
    /// The space that is to serve.
    pub chosen: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// A choice, and when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpaceComparison {
    /// What was found.
    #[serde(flatten)]
    pub choice: SpaceChoice,
    /// Items that the tenant had.
    pub items: u64,
    /// When it was made.
    pub compared_at: DateTime<Utc>,
}

impl SpaceChoice {
    /// Fewer questions than this tell spaces apart by luck: a difference of 0.02 is noise among them.
    pub const MIN_QUESTIONS: u64 = 200;
    /// A cheaper space may lose this much of the best one's MRR in the mean, where the loss may be luck.
    pub const MAX_LOSS: f64 = 0.01;

    /// The cheapest space that is not significantly worse than the best, and not worse by more than
    /// [`SpaceChoice::MAX_LOSS`] in the mean; `otherwise` where there are too few questions to tell.
    #[must_use]
    pub fn of(trials: Vec<SpaceTrial>, questions: u64, otherwise: &str) -> Self {
        let kept = |reason: String, trials| Self {
            questions,
            trials,
            chosen: otherwise.to_owned(),
            reason,
        };
        if questions < Self::MIN_QUESTIONS {
            let least = Self::MIN_QUESTIONS;
            let why =
                format!("{questions} held-out questions are too few to tell; {least} are needed");
            return kept(why, trials);
        }
        let fits = |trial: &&SpaceTrial| trial.high >= 0.0 && trial.difference >= -Self::MAX_LOSS;
        let Some(first) = trials.iter().find(fits) else {
            return kept("no space could be compared".to_owned(), trials);
        };
        let reason = match first.difference < 0.0 {
            true => format!(
                "the cheapest that is not significantly worse than the best: MRR {:+.3}, 95 % interval \
                 {:+.3} to {:+.3}, on {questions} held-out questions",
                first.difference, first.low, first.high
            ),
            false => format!(
                "the best, MRR {:.3} on {questions} held-out questions",
                first.mrr
            ),
        };
        Self {
            questions,
            chosen: first.space.clone(),
            reason,
            trials,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(space: &str, difference: f64, half: f64) -> SpaceTrial {
        SpaceTrial {
            space: space.to_owned(),
            mrr: 0.6 + difference,
            difference,
            low: difference - half,
            high: difference + half,
        }
    }

    fn chosen(none: (f64, f64), table: (f64, f64), questions: u64) -> String {
        let trials = vec![
            trial("none", none.0, none.1),
            trial("table", table.0, table.1),
            trial("whole", 0.0, 0.0),
        ];
        SpaceChoice::of(trials, questions, "whole").chosen
    }

    #[test]
    fn the_cheapest_that_is_not_significantly_worse_is_taken() {
        assert_eq!(chosen((-0.005, 0.01), (-0.001, 0.01), 400), "none");
        assert_eq!(chosen((-0.015, 0.01), (-0.001, 0.01), 400), "table");
        assert_eq!(chosen((-0.008, 0.004), (-0.009, 0.005), 4_000), "whole");
    }

    #[test]
    fn a_large_loss_is_not_excused_by_a_wide_interval_nor_by_few_questions() {
        assert_eq!(chosen((-0.04, 0.06), (-0.02, 0.06), 250), "whole");
        assert_eq!(chosen((0.0, 0.1), (0.0, 0.1), 199), "whole");
    }

    #[test]
    fn a_cheap_space_that_is_the_best_is_taken() {
        let trials = vec![trial("none", 0.0, 0.0), trial("whole", -0.02, 0.01)];
        let choice = SpaceChoice::of(trials, 300, "whole");
        assert_eq!(choice.chosen, "none");
        assert!(choice.reason.starts_with("the best"), "{}", choice.reason);
    }
}
