//! How good a ranking of experts was.

use serde::Serialize;

/// Sums over the questions of one tenant, answered by one method.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    questions: u64,
    first: u64,
    first_five: u64,
    reciprocal_ranks: f64,
}

/// Shares and means, as reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Share of questions with a right expert first.
    pub hit_at_1: f64,
    /// Share of questions with a right expert among the first five.
    pub hit_at_5: f64,
    /// Mean of one over the rank of the first right expert; 0 when none was named.
    pub mrr: f64,
}

impl Tally {
    /// Adds one answer: who was named, best first, and who was right.
    pub fn add<'a>(&mut self, ranked: impl Iterator<Item = &'a str>, right: &[&str]) {
        let mut ranked = ranked;
        self.questions += 1;
        if let Some(place) = ranked.position(|expert| right.contains(&expert)) {
            self.first += u64::from(place == 0);
            self.first_five += u64::from(place < 5);
            self.reciprocal_ranks += 1.0 / (place + 1) as f64;
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.questions += other.questions;
        self.first += other.first;
        self.first_five += other.first_five;
        self.reciprocal_ranks += other.reciprocal_ranks;
    }

    /// Shares and means; all 0 when nothing was asked.
    #[must_use]
    pub fn quality(&self) -> Quality {
        let share = |sum: f64| {
            if self.questions == 0 {
                0.0
            } else {
                sum / self.questions as f64
            }
        };
        Quality {
            hit_at_1: share(self.first as f64),
            hit_at_5: share(self.first_five as f64),
            mrr: share(self.reciprocal_ranks),
        }
    }
}

impl Quality {
    /// The mean over tenants, each counting the same; none for no tenant.
    #[must_use]
    pub fn mean(tenants: &[Self]) -> Option<Self> {
        let mean =
            |part: fn(&Self) -> f64| tenants.iter().map(part).sum::<f64>() / tenants.len() as f64;
        (!tenants.is_empty()).then(|| Self {
            hit_at_1: mean(|one| one.hit_at_1),
            hit_at_5: mean(|one| one.hit_at_5),
            mrr: mean(|one| one.mrr),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answers: &[(&[&str], &[&str])]) -> Quality {
        let mut tally = Tally::default();
        for (ranked, right) in answers {
            tally.add(ranked.iter().copied(), right);
        }
        tally.quality()
    }

    #[test]
    fn the_first_right_expert_counts_whoever_of_them_it_is() {
        let quality = tally(&[(&["a", "b", "c"], &["c", "b"])]);
        assert_eq!(
            quality,
            Quality {
                hit_at_1: 0.0,
                hit_at_5: 1.0,
                mrr: 0.5
            }
        );
    }

    #[test]
    fn a_question_without_a_right_answer_counts_as_zero() {
        let quality = tally(&[(&["a"], &["a"]), (&["a"], &["x"]), (&[], &["a"])]);
        let third = 1.0 / 3.0;
        assert_eq!(
            quality,
            Quality {
                hit_at_1: third,
                hit_at_5: third,
                mrr: third
            }
        );
    }

    #[test]
    fn the_sixth_place_is_not_among_the_first_five() {
        let quality = tally(&[(&["a", "b", "c", "d", "e", "f"], &["f"])]);
        assert_eq!(
            quality,
            Quality {
                hit_at_1: 0.0,
                hit_at_5: 0.0,
                mrr: 1.0 / 6.0
            }
        );
    }

    #[test]
    fn tenants_count_the_same_in_the_mean() {
        let (all, none) = (
            Quality {
                hit_at_1: 1.0,
                hit_at_5: 1.0,
                mrr: 1.0,
            },
            Quality::default(),
        );
        let half = Quality {
            hit_at_1: 0.5,
            hit_at_5: 0.5,
            mrr: 0.5,
        };
        assert_eq!(Quality::mean(&[all, none]), Some(half));
        assert_eq!(Quality::mean(&[]), None);
        assert_eq!(Tally::default().quality(), none);
    }
}
