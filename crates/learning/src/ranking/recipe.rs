//! The settings of a ranker's training.

use serde::{Deserialize, Serialize};

/// How a tenant's ranker is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankerRecipe {
    /// Each older window counts this much of the next newer one.
    #[serde(rename = "fading")]
    pub window_decay: f64,
    /// Precision of the Gaussian prior around the weights of the tier above, in questions.
    #[serde(rename = "shrinkage")]
    pub prior_strength: f64,
}

impl Default for RankerRecipe {
    /// What was best over many tenants.
    fn default() -> Self {
        Self {
            window_decay: 0.95,
            prior_strength: 25.0,
        }
    }
}

impl RankerRecipe {
    /// The settings as key and value, for the lineage.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        vec![
            ("window_decay".to_owned(), self.window_decay.to_string()),
            ("prior_strength".to_owned(), self.prior_strength.to_string()),
        ]
    }

    /// Reads what [`RankerRecipe::parameters`] wrote, here or in an earlier version, among others. What is
    /// missing is as usual; none when a value cannot be a setting.
    #[must_use]
    pub fn from_parameters(parameters: &[(String, String)]) -> Option<Self> {
        let mut made = Self::default();
        for (key, value) in parameters {
            match key.as_str() {
                "window_decay" | "fading" => made.window_decay = value.parse().ok()?,
                "prior_strength" | "shrinkage" => made.prior_strength = value.parse().ok()?,
                _ => {}
            }
        }
        let sound = (0.0..=1.0).contains(&made.window_decay) && made.prior_strength > 0.0;
        (sound && made.prior_strength.is_finite()).then_some(made)
    }
}
