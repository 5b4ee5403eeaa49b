//! The online classifier: learns item by item which tokens and which style belong to which expert.
//!
//! Softmax regression by AdaGrad (Duchi, Hazan and Singer, "Adaptive subgradient methods for online
//! learning and stochastic optimization", 2011), in one pass in order of time. With each item a few
//! older ones are learned again, late ones more often than early ones. One pass so gives what the
//! scorer knew at each moment of the past, which is what a replay of windows needs, and a tenant whose
//! experts change is followed quickly.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::history::{Corpus, CorpusItem, Window};
use crate::text::Numbers;
use crate::text::style::Style;

/// Older items learned again with each new one.
const REPLAYS: u64 = 2;
/// Half-life of the age of an item that is learned again, as a share of the history.
const REPLAY_HALF_LIFE: f64 = 0.04;
/// AdaGrad's step size, and what its sums of squares begin with.
const STEP: f32 = 1.4;
const FIRST_SQUARE: f32 = 1.0;
/// Penalty on the squared weights of a text's own tokens, once for each time it is learned.
const PENALTY: f32 = 1e-3;
/// The constant input beside the tokens.
const BIAS: f32 = 0.5;
/// Added to a probability before its logarithm is taken.
const FLOOR: f32 = 0.01;
/// Fewer items than this with a token teach nothing about it.
const LEAST_ITEMS: u32 = 2;
/// Tokens and experts that one scorer can hold: with these it takes 64 MB, and far less at most
/// tenants. Tokens that come later are not learned; the expert that was idle longest makes room.
const MOST_TOKENS: usize = 1 << 16;
const MOST_EXPERTS: usize = 256;
/// What is older than this many items is forgotten anyway.
const MOST_ITEMS: usize = 20_000;

/// What the scorer has learned.
#[derive(Debug, Clone, Default)]
pub struct OnlineClassifier {
    /// By kind of token and its number.
    tokens: [HashMap<u32, Token, BuildHasherDefault<Numbers>>; 2],
    /// Items learned.
    items: u32,
    /// Experts by column.
    columns: Vec<u16>,
    /// Length of a row: columns there may be.
    width: usize,
    /// One row a token, the constant's first.
    weights: Vec<f32>,
    /// Experts of the corpus.
    experts: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Token {
    /// Items that have it.
    items: u32,
    /// Its row; none before it is worth one.
    row: Option<u32>,
}

/// Inputs of one text: rows and values.
type Inputs = Vec<(u32, f32)>;

impl OnlineClassifier {
    /// The scorer after the first `n` items of `corpus`.
    #[must_use]
    pub fn fit(corpus: &Corpus, n: usize) -> Self {
        let mut learner = Learner::new(corpus, n.saturating_sub(MOST_ITEMS));
        learner.learn_to(n);
        learner.scorer
    }

    /// How much each expert is expected, as the logarithm of a probability; the same for all experts
    /// before anything was learned. `words` are [`crate::text::tokens::count`]'s.
    #[must_use]
    pub fn predict(&self, words: &[(u32, f32)], style: &Style) -> Vec<f32> {
        let mut inputs = Inputs::new();
        self.read(words, &style.tokens, &mut inputs);
        let mut expected = vec![FLOOR.ln(); self.experts];
        let shares = self.shares(&inputs);
        for (&expert, share) in self.columns.iter().zip(shares) {
            expected[usize::from(expert)] = (FLOOR + share).ln();
        }
        expected
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tokens: usize = self.tokens.iter().map(HashMap::len).sum();
        self.weights.len() * 4 + tokens * 24
    }

    /// Appends the inputs of a text: its known tokens, words and style each of length one, and the
    /// constant.
    fn read(&self, words: &[(u32, f32)], style: &[u32], inputs: &mut Inputs) {
        inputs.clear();
        self.read_kind(0, words.iter().copied(), inputs);
        self.read_kind(1, style.iter().map(|&token| (token, 1.0)), inputs);
        inputs.push((0, BIAS));
    }

    fn read_kind(
        &self,
        kind: usize,
        counted: impl Iterator<Item = (u32, f32)>,
        inputs: &mut Inputs,
    ) {
        let start = inputs.len();
        let items = self.items as f32;
        let mut square = 0.0;
        for (number, count) in counted {
            let Some(&Token {
                items: with,
                row: Some(row),
            }) = self.tokens[kind].get(&number)
            else {
                continue;
            };
            let rarity = ((1.0 + items) / (1.0 + with as f32)).ln() + 1.0;
            let value = (1.0 + count.ln()) * rarity;
            square += value * value;
            inputs.push((row, value));
        }
        let length = square.sqrt().max(f32::MIN_POSITIVE);
        for (_, value) in &mut inputs[start..] {
            *value /= length;
        }
    }

    /// The softmax over the columns in use.
    fn shares(&self, inputs: &[(u32, f32)]) -> Vec<f32> {
        let mut shares = vec![0.0_f32; self.width];
        for &(row, value) in inputs {
            let weights = &self.weights[self.range(row)];
            for (sum, weight) in shares.iter_mut().zip(weights) {
                *sum += weight * value;
            }
        }
        shares.truncate(self.columns.len());
        let most = shares.iter().copied().fold(f32::MIN, f32::max);
        let mut total = 0.0;
        for share in &mut shares {
            *share = (*share - most).exp();
            total += *share;
        }
        for share in &mut shares {
            *share /= total;
        }
        shares
    }

    fn range(&self, row: u32) -> std::ops::Range<usize> {
        let start = row as usize * self.width;
        start..start + self.width
    }
}

/// What the scorer predicted for each question of each window, as of the moment before the window.
/// `windows` are newest first, and so is the answer.
pub(crate) fn replay(corpus: &Corpus, windows: &[Window]) -> Vec<Vec<Vec<f32>>> {
    let oldest = windows.last().map_or(0, |window| window.from);
    let mut learner = Learner::new(corpus, oldest.saturating_sub(MOST_ITEMS));
    let mut expected: Vec<Vec<Vec<f32>>> = windows
        .iter()
        .rev()
        .map(|window| {
            learner.learn_to(window.from);
            let questions = &corpus.items()[window.from..window.to];
            let ask = |item: &CorpusItem| learner.scorer.predict(&item.words, &item.style);
            questions.iter().map(ask).collect()
        })
        .collect();
    expected.reverse();
    expected
}

/// A scorer that is learning.
struct Learner<'a> {
    corpus: &'a Corpus,
    scorer: OnlineClassifier,
    /// AdaGrad's sums of squared gradients, beside each weight.
    squares: Vec<f32>,
    /// Per expert of the corpus, its column and when it answered last.
    places: HashMap<u16, (usize, usize)>,
    /// The first item that is learned.
    first: usize,
    /// The next item to learn.
    next: usize,
    inputs: Inputs,
}

impl<'a> Learner<'a> {
    fn new(corpus: &'a Corpus, first: usize) -> Self {
        let width = corpus.experts().len().min(MOST_EXPERTS);
        let mut scorer = OnlineClassifier {
            width,
            experts: corpus.experts().len(),
            ..OnlineClassifier::default()
        };
        scorer.weights = vec![0.0; width];
        Self {
            corpus,
            scorer,
            squares: vec![FIRST_SQUARE; width],
            places: HashMap::new(),
            first,
            next: first,
            inputs: Inputs::new(),
        }
    }

    fn learn_to(&mut self, n: usize) {
        while self.next < n.min(self.corpus.items().len()) {
            let at = self.next;
            self.note(at);
            self.step(at);
            let known = (at - self.first) as u64;
            for again in 0..REPLAYS {
                let age = replayed_age(known, again);
                self.step(at - age as usize);
            }
            self.next += 1;
        }
    }

    /// Notes the tokens and experts of a new item.
    fn note(&mut self, at: usize) {
        let item = &self.corpus.items()[at];
        self.scorer.items += 1;
        for &(word, _) in &item.words {
            self.note_token(0, word);
        }
        for &token in &item.style.tokens {
            self.note_token(1, token);
        }
        for &expert in &item.experts {
            let column = match self.places.get(&expert) {
                Some(&(column, _)) => column,
                None => self.new_column(expert),
            };
            self.places.insert(expert, (column, at));
        }
    }

    fn note_token(&mut self, kind: usize, number: u32) {
        let rows = self.scorer.weights.len() / self.scorer.width;
        let token = self.scorer.tokens[kind].entry(number).or_default();
        token.items += 1;
        if token.items >= LEAST_ITEMS && token.row.is_none() && rows < MOST_TOKENS {
            token.row = Some(rows as u32);
            let longer = self.scorer.weights.len() + self.scorer.width;
            self.scorer.weights.resize(longer, 0.0);
            self.squares.resize(longer, FIRST_SQUARE);
        }
    }

    /// A column for an expert without one: a free one, or that of who has been idle longest.
    fn new_column(&mut self, expert: u16) -> usize {
        if self.scorer.columns.len() < self.scorer.width {
            self.scorer.columns.push(expert);
            return self.scorer.columns.len() - 1;
        }
        let idle = self
            .places
            .iter()
            .min_by_key(|(_, (column, last))| (*last, *column));
        let (evicted, column) = idle.map_or((expert, 0), |(&idle, &(column, _))| (idle, column));
        self.places.remove(&evicted);
        self.scorer.columns[column] = expert;
        for row in 0..self.scorer.weights.len() / self.scorer.width {
            self.scorer.weights[row * self.scorer.width + column] = 0.0;
            self.squares[row * self.scorer.width + column] = FIRST_SQUARE;
        }
        column
    }

    /// One step of AdaGrad on one item.
    fn step(&mut self, at: usize) {
        let item = &self.corpus.items()[at];
        let mut inputs = std::mem::take(&mut self.inputs);
        self.scorer
            .read(&item.words, &item.style.tokens, &mut inputs);
        let mut errors = self.scorer.shares(&inputs);
        let share = 1.0 / item.experts.len().max(1) as f32;
        for expert in &item.experts {
            // One that had to make room since is not learned again.
            if let Some(&(column, _)) = self.places.get(expert) {
                errors[column] -= share;
            }
        }
        for &(row, value) in &inputs {
            let range = self.scorer.range(row);
            let weights = &mut self.scorer.weights[range.clone()];
            let squares = &mut self.squares[range];
            for ((weight, square), error) in weights.iter_mut().zip(squares).zip(&errors) {
                let slope = error * value + PENALTY * *weight;
                *square += slope * slope;
                *weight -= STEP * slope / square.sqrt();
            }
        }
        self.inputs = inputs;
    }
}

/// How many items older than the newest of `known + 1` the next one to learn again is: exponential,
/// by a hash of where it is, so that the same history always gives the same scorer.
fn replayed_age(known: u64, again: u64) -> u64 {
    let seed = known * REPLAYS + again;
    let half_life = REPLAY_HALF_LIFE * (known + 1) as f64;
    let age = -(1.0 - uniform(seed)).log2() * half_life;
    match age as u64 {
        age if age <= known => age,
        // Older than the history is long: any.
        _ => ((uniform(!seed) * (known + 1) as f64) as u64).min(known),
    }
}

/// A number from 0 to 1, without 1 (SplitMix64: Steele, Lea and Flood, 2014).
fn uniform(seed: u64) -> f64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Document;
    use crate::text::{style, tokens};
    use domain::ExpertId;

    /// Ada answers keys, Bob invoices; from the item `swap` on it is the other way round.
    fn world(n: usize, swap: usize) -> Corpus {
        let ids = ["ada", "bob"].map(|id| vec![ExpertId::parse(id).unwrap()]);
        let documents = (0..n).map(|at| Document {
            point: at as u64,
            text: ["rotate the encryption keys", "pay the invoice in time"][at % 2],
            area: None,
            experts: &ids[(at + usize::from(at >= swap)) % 2],
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        Corpus::new(documents, &[]).unwrap()
    }

    fn ask(scorer: &OnlineClassifier, text: &str) -> Vec<f32> {
        scorer.predict(&tokens::count(text), &style::read(text))
    }

    #[test]
    fn it_learns_whose_words_are_whose_and_follows_a_change() {
        let corpus = world(120, 80);
        let before = ask(
            &OnlineClassifier::fit(&corpus, 80),
            "which encryption keys?",
        );
        assert!(before[0] > before[1] + 1.0, "{before:?}");
        let after = ask(
            &OnlineClassifier::fit(&corpus, 120),
            "which encryption keys?",
        );
        assert!(after[1] > after[0] + 1.0, "{after:?}");
    }

    #[test]
    fn a_replay_knows_nothing_of_what_came_later() {
        let corpus = world(120, 80);
        let windows = [Window { from: 90, to: 120 }, Window { from: 60, to: 90 }];
        let expected = replay(&corpus, &windows);
        for (window, expected) in windows.iter().zip(&expected) {
            let scorer = OnlineClassifier::fit(&corpus, window.from);
            let item = &corpus.items()[window.from + 3];
            assert_eq!(expected.len(), window.to - window.from);
            assert_eq!(expected[3], scorer.predict(&item.words, &item.style));
        }
    }

    #[test]
    fn nothing_learned_expects_nobody_more() {
        let corpus = world(10, 10);
        let none = ask(&OnlineClassifier::fit(&corpus, 0), "keys");
        assert_eq!(none, [FLOOR.ln(); 2]);
        let empty = Corpus::default();
        assert!(ask(&OnlineClassifier::fit(&empty, 0), "keys").is_empty());
    }

    #[test]
    fn who_was_idle_longest_makes_room() {
        let ids: Vec<Vec<ExpertId>> = (0..MOST_EXPERTS + 40)
            .map(|at| vec![ExpertId::parse(format!("e{at}")).unwrap()])
            .collect();
        let documents = ids.iter().enumerate().map(|(at, experts)| Document {
            point: at as u64,
            text: "the same words",
            area: None,
            experts,
            occurred_at: chrono::DateTime::from_timestamp(at as i64, 0).unwrap(),
        });
        let corpus = Corpus::new(documents, &[]).unwrap();
        let scorer = OnlineClassifier::fit(&corpus, ids.len());
        let expected = ask(&scorer, "the same words");
        assert_eq!(expected.len(), ids.len());
        assert_eq!(expected[0], FLOOR.ln(), "it made room");
        assert!(expected[ids.len() - 1] > FLOOR.ln());
        assert!(expected.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn late_items_are_learned_again_more_often() {
        let ages: Vec<u64> = (0..1_000).map(|again| replayed_age(999, again)).collect();
        let young = ages.iter().filter(|age| **age < 40).count();
        assert!((450..550).contains(&young), "{young}");
        assert!(ages.iter().all(|age| *age <= 999));
        assert_eq!(replayed_age(0, 0), 0);
    }
}
