//! How fast a tenant's experts change, learned from its own history.
//!
//! Who answered most lately says much where people come and go, and who answered most of all where they
//! stay. Shares of activity with several half-lives each forecast who answers every item; how far to believe
//! each is fitted to what they forecast of the latest answers, by expectation maximization, as weights of a
//! mixture (Dempster, Laird and Rubin, 1977). The mixture's share of an expert is a forecast with a half-life
//! that is the tenant's own.

use std::io;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::corpus::Corpus;
use super::half_life::HalfLife;
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};

/// The half-lives, as shares of the history.
const HALF_LIVES: [f64; 7] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32];
/// One more forecast forgets nothing.
const FORECASTS: usize = HALF_LIVES.len() + 1;
/// An item is forecast from those that are older by this share of the history: a served index is never
/// far behind, and never quite there.
const LAG: f64 = 0.015;
/// Half-life of what a forecast is judged on, as a share of the history.
const JUDGED: HalfLife = HalfLife::Share(0.25);
/// Of so many latest answers.
const MOST_CASES: usize = 512;
/// Iterations of the fit.
const STEPS: usize = 12;
/// Before anything is known experts have even shares; that weighs as much as so many items.
const PRIOR: f64 = 1.0;
/// The belief that all forecasts are equally good weighs as much as so many items.
const PULL: f64 = 8.0;

/// Who answers next, learned item by item.
#[derive(Debug, Clone)]
pub(crate) struct Forecaster {
    /// Shares of activity, one a forecast.
    running: [Running; FORECASTS],
    /// The same as of a while ago.
    lagged: [Running; FORECASTS],
    /// Items learned.
    items: usize,
    /// Answers, the latest last; of those before the latest [`MOST_CASES`] some are left.
    cases: Column<Case>,
}

/// An answer that was forecast.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Case {
    /// The item's position.
    position: u32,
    /// How likely each forecast made the expert.
    likely: [f32; FORECASTS],
}

impl Forecaster {
    /// Without a history.
    pub(crate) fn new() -> Self {
        let running: [Running; FORECASTS] = std::array::from_fn(|at| {
            let share = HALF_LIVES.get(at);
            Running::new(share.map_or(HalfLife::Never, |&share| HalfLife::Share(share)))
        });
        Self {
            lagged: running.clone(),
            running,
            items: 0,
            cases: Column::default(),
        }
    }

    /// Learns the item at a position; those before it have been learned. `experts` is how many are known by
    /// then.
    pub(crate) fn add(&mut self, corpus: &Corpus, position: usize, experts: usize) {
        let newest = corpus.experts_of(position);
        let n = position + 1;
        let lag = ((LAG * n as f64) as usize).max(1);
        let (from, to) = (self.lagged[0].items, n.saturating_sub(lag));
        for running in self.running.iter_mut().chain(&mut self.lagged) {
            running.make_room(experts);
        }
        for at in from..to {
            let experts = corpus.experts_of(at);
            self.lagged.iter_mut().for_each(|one| one.add(experts));
        }
        for &expert in newest {
            let likely = self
                .lagged
                .each_ref()
                .map(|one| one.share(expert, experts) as f32);
            if self.cases.len() >= 2 * MOST_CASES {
                let cases = self.cases.to_mut();
                cases.drain(..cases.len() + 1 - MOST_CASES);
            }
            // Positions fit: see `Corpus::new`.
            let position = position as u32;
            self.cases.push(Case { position, likely });
        }
        self.items = n;
        self.running.iter_mut().for_each(|one| one.add(newest));
    }

    /// How far each forecast is believed; the sum is one.
    fn weights(&self) -> [f64; FORECASTS] {
        let age = |position: u32| self.items - 1 - position as usize;
        let old = self.cases.len().saturating_sub(MOST_CASES);
        let cases: Vec<([f64; FORECASTS], f64)> = self
            .cases
            .iter()
            .skip(old)
            .map(|case| {
                let weight = JUDGED.weight(age(case.position), self.items);
                (case.likely.map(f64::from), f64::from(weight))
            })
            .collect();
        let mut weights = [1.0 / FORECASTS as f64; FORECASTS];
        for _ in 0..STEPS {
            let mut sums = [PULL / FORECASTS as f64; FORECASTS];
            for (likely, weight) in &cases {
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

    /// Each expert's share of the next answers.
    pub(crate) fn forecast(&self, experts: usize) -> Vec<f32> {
        let weights = self.weights();
        let share = |expert: usize| {
            let shares = self.running.iter().zip(weights);
            // As many experts as fit: see `Corpus::new`.
            let share = shares.map(|(one, weight)| weight * one.share(expert as u16, experts));
            share.sum::<f64>() as f32
        };
        (0..experts).map(share).collect()
    }

    /// Bytes of memory it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let running = self.running.iter().chain(&self.lagged);
        let counts: usize = running.map(|one| one.counts.bytes()).sum();
        counts + self.cases.bytes() + size_of::<Self>()
    }

    /// Writes its few numbers as the next section.
    pub(crate) fn save_numbers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        let numbers = |one: &Running| [one.items as f64, one.newest, one.total];
        let all = self.running.iter().chain(&self.lagged);
        let all: Vec<f64> = all.flat_map(numbers).collect();
        to.values(&all)
    }

    /// Writes the rest.
    pub(crate) fn save<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.cases.save(to)?;
        let mut all = self.running.iter().chain(&self.lagged);
        all.try_for_each(|one| one.counts.save(to))
    }

    /// Reads the next sections, those of its numbers and the rest, which is not looked at yet.
    pub(crate) fn load(numbers: &mut Sections, rest: &mut Sections) -> Result<Self, LayoutError> {
        const NUMBERS: usize = 2 * FORECASTS * 3;
        let mut made = Self::new();
        made.cases = Column::load(rest)?;
        let numbers = Column::<f64>::load_array::<NUMBERS>(numbers)?;
        let (numbers, _) = numbers.as_chunks::<3>();
        let all = made.running.iter_mut().chain(&mut made.lagged);
        for (one, [items, newest, total]) in all.zip(numbers) {
            (one.items, one.newest, one.total) = (*items as usize, *newest, *total);
            one.counts = Column::load(rest)?;
        }
        made.items = made.running[0].items;
        Ok(made)
    }
}

/// Shares of activity with one half-life, item by item.
#[derive(Debug, Clone)]
struct Running {
    half_life: HalfLife,
    /// Items added.
    items: usize,
    /// What the newest item counts. It grows with each, and all is scaled down before it is too large.
    newest: f64,
    counts: Column<f64>,
    total: f64,
}

impl Running {
    /// Beyond this all is scaled down.
    const MOST: f64 = 1e100;

    fn new(half_life: HalfLife) -> Self {
        Self {
            half_life,
            items: 0,
            newest: 1.0,
            counts: Column::default(),
            total: 0.0,
        }
    }

    fn make_room(&mut self, experts: usize) {
        if self.counts.len() < experts {
            self.counts.to_mut().resize(experts, 0.0);
        }
    }

    fn add(&mut self, experts: &[u16]) {
        self.items += 1;
        self.newest *= self.half_life.growth(self.items);
        if self.newest > Self::MOST {
            let scale = self.newest;
            let counts = self.counts.to_mut().iter_mut();
            counts.for_each(|count| *count /= scale);
            self.total /= scale;
            self.newest = 1.0;
        }
        for &expert in experts {
            self.counts.to_mut()[usize::from(expert)] += self.newest;
            self.total += self.newest;
        }
    }

    /// An expert's share, of so many experts who are known.
    fn share(&self, expert: u16, experts: usize) -> f64 {
        let prior = PRIOR * self.newest;
        let even = prior / experts.max(1) as f64;
        let count = self.counts.as_slice().get(usize::from(expert));
        (count.copied().unwrap_or_default() + even) / (self.total + prior)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Corpus, Document};
    use domain::ExpertId;

    fn forecast(corpus: &Corpus, n: usize) -> Vec<f32> {
        let experts = corpus.experts().len();
        let mut forecaster = Forecaster::new();
        for at in 0..n {
            forecaster.add(corpus, at, experts);
        }
        forecaster.forecast(experts)
    }

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
