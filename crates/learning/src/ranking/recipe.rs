//! The settings of a ranker's training.

use serde::{Deserialize, Serialize};

/// How a tenant's ranker is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankerRecipe {
    /// Each older window counts this much of the next newer one.
    pub fading: f64,
    /// The pull of the weights towards the tier above, in questions.
    pub shrinkage: f64,
}

impl Default for RankerRecipe {
    /// What was best over many tenants.
    fn default() -> Self {
        Self {
            fading: 0.95,
            shrinkage: 25.0,
        }
    }
}

impl RankerRecipe {
    /// The settings as key and value, for the lineage.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        vec![
            ("fading".to_owned(), self.fading.to_string()),
            ("shrinkage".to_owned(), self.shrinkage.to_string()),
        ]
    }

    /// Reads what [`RankerRecipe::parameters`] wrote, among others. What is not there is as usual; none
    /// when a value cannot be a setting.
    #[must_use]
    pub fn from_parameters(parameters: &[(String, String)]) -> Option<Self> {
        let mut made = Self::default();
        for (key, value) in parameters {
            match key.as_str() {
                "fading" => made.fading = value.parse().ok()?,
                "shrinkage" => made.shrinkage = value.parse().ok()?,
                _ => {}
            }
        }
        let sound = (0.0..=1.0).contains(&made.fading) && made.shrinkage > 0.0;
        (sound && made.shrinkage.is_finite()).then_some(made)
    }
}
