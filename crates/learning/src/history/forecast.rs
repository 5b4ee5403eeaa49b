//! How fast a tenant's experts change, learned from its own history.
//!
//! Who answered most lately says much where people come and go, and who answered most of all where they
//! stay. Shares of activity with several half-lives each forecast who answered every item of the past;
//! how far to believe each is fitted to that by expectation maximization, as weights of a mixture
//! (Dempster, Laird and Rubin, 1977). The mixture's share of an expert is a forecast with a half-life
//! that is the tenant's own.

use super::corpus::Corpus;

/// The half-lives, as shares of the history.
const HALF_LIVES: [f32; 7] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32];
/// One more forecast forgets nothing.
const FORECASTS: usize = HALF_LIVES.len() + 1;
/// An item is forecast from those that are older by this share of the history: a served index is never
/// far behind, and never quite there.
const LAG: f32 = 0.015;
/// Items before this share of the history are only looked back at.
const BURN_IN: f32 = 0.1;
/// Half-life of what a forecast is judged on, as a share of the history.
const JUDGED: f32 = 0.25;
/// Before anything is known experts have even shares; that weighs as much as so many items. Experts who
/// come later share in it too: how many they are is all that a replay so knows ahead.
const PRIOR: f64 = 1.0;
/// Iterations of the fit.
const STEPS: usize = 12;
/// The belief that all forecasts are equally good weighs as much as so many items.
const PULL: f64 = 8.0;

/// Each expert's share of the next answers, as the first `n` items forecast it.
pub(crate) fn forecast(corpus: &Corpus, n: usize) -> Vec<f32> {
    let experts = corpus.experts().len();
    let mut running: Vec<Running> = Running::all(experts, n);
    let lag = ((LAG * n as f32) as usize).max(1);
    let first = ((BURN_IN * n as f32) as usize).max(lag);
    let mut cases: Vec<([f64; FORECASTS], f64)> = Vec::new();
    for at in 0..n {
        if at >= first {
            let age = (n - 1 - at) as f32;
            let weight = (-age / (JUDGED * n as f32).max(1.0)).exp2();
            for &expert in &corpus.items()[at].experts {
                let likely = std::array::from_fn(|one| running[one].share(expert));
                cases.push((likely, f64::from(weight)));
            }
        }
        if let Some(known) = (at + 1).checked_sub(lag) {
            running
                .iter_mut()
                .for_each(|one| one.add(&corpus.items()[known].experts));
        }
    }
    for known in n.saturating_sub(lag - 1)..n {
        running
            .iter_mut()
            .for_each(|one| one.add(&corpus.items()[known].experts));
    }
    let weights = fit(&cases);
    (0..experts)
        .map(|expert| {
            let shares = running.iter().zip(weights);
            // As many experts as fit: see `Corpus::new`.
            shares
                .map(|(one, weight)| weight * one.share(expert as u16))
                .sum::<f64>() as f32
        })
        .collect()
}

/// How far to believe each forecast.
fn fit(cases: &[([f64; FORECASTS], f64)]) -> [f64; FORECASTS] {
    let mut weights = [1.0 / FORECASTS as f64; FORECASTS];
    for _ in 0..STEPS {
        let mut sums = [PULL / FORECASTS as f64; FORECASTS];
        for (likely, weight) in cases {
            let total: f64 = likely.iter().zip(weights).map(|(one, w)| one * w).sum();
            if total > 0.0 {
                for ((sum, one), w) in sums.iter_mut().zip(likely).zip(weights) {
                    *sum += weight * one * w / total;
                }
            }
        }
        let total: f64 = sums.iter().sum();
        weights = sums.map(|sum| sum / total);
    }
    weights
}

/// Shares of activity with one half-life, item by item.
struct Running {
    /// How much each new item counts more than the one before.
    growth: f64,
    /// What the next item counts: at most 2^200 at the end of the history, as the shortest half-life is a
    /// two-hundredth of it.
    next: f64,
    counts: Vec<f64>,
    total: f64,
}

impl Running {
    fn all(experts: usize, n: usize) -> Vec<Self> {
        let growth = |half: &f32| (1.0 / f64::from((half * n as f32).max(1.0))).exp2();
        let growths = HALF_LIVES.iter().map(growth).chain([1.0]);
        growths
            .map(|growth| Self {
                growth,
                next: 1.0,
                counts: vec![0.0; experts],
                total: 0.0,
            })
            .collect()
    }

    fn add(&mut self, experts: &[u16]) {
        self.next *= self.growth;
        for &expert in experts {
            self.counts[usize::from(expert)] += self.next;
            self.total += self.next;
        }
    }

    fn share(&self, expert: u16) -> f64 {
        let prior = PRIOR * self.next;
        let even = prior / self.counts.len().max(1) as f64;
        (self.counts[usize::from(expert)] + even) / (self.total + prior)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Document;
    use domain::ExpertId;

    /// A history in which `who` answers, item by item.
    fn history(who: impl Fn(usize) -> usize, n: usize) -> Corpus {
        let ids: Vec<Vec<ExpertId>> = ["ada", "bob", "cleo"]
            .map(|id| vec![ExpertId::parse(id).unwrap()])
            .into();
        // All are known from the first three items on.
        let who = |at: usize| if at < 3 { at } else { who(at) };
        let documents = (0..n).map(|at| Document {
            point: at as u64,
            text: "a question",
            area: None,
            experts: &ids[who(at)],
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        Corpus::new(documents, &[]).unwrap()
    }

    #[test]
    fn where_experts_stay_all_of_the_past_counts() {
        // The same three of every ten, so that no share of the last few items says more than all.
        let corpus = history(|at| usize::from(at * 7919 % 10 >= 7), 1_000);
        let shares = forecast(&corpus, 1_000);
        assert!((shares[0] - 0.7).abs() < 0.05, "{shares:?}");
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[test]
    fn where_they_change_often_the_last_ones_count() {
        let corpus = history(|at| at / 60 % 3, 1_000);
        let shares = forecast(&corpus, 1_000);
        let last = 999 / 60 % 3;
        assert!(shares[last] > 0.7, "{shares:?}");
        // The same people with as many answers each, but by turns: nobody is ahead.
        let even = forecast(&history(|at| at % 3, 1_000), 1_000);
        assert!(
            even.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.05),
            "{even:?}"
        );
    }

    #[test]
    fn only_the_past_is_looked_at_and_there_may_be_none() {
        let (short, long) = (history(|_| 0, 50), history(|at| usize::from(at >= 50), 90));
        assert_eq!(forecast(&short, 50), forecast(&long, 50));
        for n in 0..3 {
            let shares = forecast(&long, n);
            assert!(
                (shares.iter().sum::<f32>() - 1.0).abs() < 1e-4,
                "{shares:?}"
            );
        }
        assert!(forecast(&Corpus::default(), 0).is_empty());
    }
}
