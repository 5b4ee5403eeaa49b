//! The online classifier: learns item by item which tokens and which style belong to which expert.
//!
//! One pass in order of time over [`super::softmax`]. With each item a few
//! older ones are learned again, late ones more often than early ones. One pass so gives what the
//! scorer knew at each moment of the past, which is what a replay of windows needs, and a tenant whose
//! experts change is followed quickly.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::replays::replayed_age;
use super::softmax::Softmax;
use crate::history::{Corpus, CorpusItem, Window};
use crate::layout::{Column, LayoutError, Sections, SnapshotWriter};
use crate::text::Numbers;
use crate::text::style::Style;

/// Older items learned again with each new one.
const REPLAYS: u64 = 2;
/// Half-life of the age of an item that is learned again, as a share of the history.
const REPLAY_HALF_LIFE: f64 = 0.04;
/// AdaGrad's step size.
const STEP: f32 = 1.4;
/// The constant input beside the tokens.
const BIAS: f32 = 0.5;
/// Added to a probability before its logarithm is taken.
const FLOOR: f32 = 0.01;
/// Fewer items than this with a token teach nothing about it.
const LEAST_ITEMS: u32 = 2;
/// Tokens that one scorer can hold: with these it takes 64 MB, and far less at most tenants. Tokens that
/// come later are not learned.
const MOST_TOKENS: usize = 1 << 16;
/// What is older than this many items is forgotten anyway.
const MOST_ITEMS: usize = 20_000;
/// Beyond it, learning begins again from a later item after so many.
const FORGOTTEN_AT_A_TIME: usize = 4_000;

/// The scorer, which learns on: after each item it is, bit for bit, what it would be if it had learned
/// all of them at once.
#[derive(Debug, Clone)]
pub struct OnlineClassifier {
    softmax: Softmax,
    /// By kind of token.
    tokens: [Tokens; 2],
    /// Items learned.
    items: u32,
    /// Experts of the corpus.
    experts: usize,
    /// The first item that is learned.
    first: usize,
    /// The next item to learn.
    next: usize,
}

/// Tokens by their number.
#[derive(Debug, Clone, Default)]
struct Tokens {
    /// Those in a snapshot that have a row, and those that have none. One that was noted since is in the map.
    known: Numbered,
    rare: Numbered,
    map: HashMap<u32, Token, BuildHasherDefault<Numbers>>,
}

/// Tokens by their number, ascending.
#[derive(Debug, Clone, Default)]
struct Numbered {
    numbers: Column<u32>,
    tokens: Column<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Token {
    /// Items that have it.
    items: u32,
    /// Its row; [`NO_ROW`] before it is worth one.
    row: u32,
}

/// The row of a token that has none. A constant's row, which no token has.
const NO_ROW: u32 = 0;

impl Default for Token {
    fn default() -> Self {
        Self {
            items: 0,
            row: NO_ROW,
        }
    }
}

impl Numbered {
    fn get(&self, number: u32) -> Option<Token> {
        let at = self.numbers.as_slice().binary_search(&number).ok()?;
        Some(self.tokens.at(at))
    }

    fn save<W: io::Write>(
        tokens: impl Iterator<Item = (u32, Token)>,
        to: &mut SnapshotWriter<W>,
    ) -> io::Result<()> {
        let mut all: Vec<(u32, Token)> = tokens.collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        let (numbers, tokens): (Vec<u32>, Vec<Token>) = all.into_iter().unzip();
        to.values(&numbers)?;
        to.values(&tokens)
    }

    fn load(from: &mut Sections) -> Result<Self, LayoutError> {
        Ok(Self {
            numbers: Column::load(from)?,
            tokens: Column::load(from)?,
        })
    }
}

impl Tokens {
    /// A token that has a row.
    fn with_row(&self, number: u32) -> Option<Token> {
        let token = match self.map.get(&number) {
            Some(token) => *token,
            None => self.known.get(number)?,
        };
        (token.row != NO_ROW).then_some(token)
    }

    /// Any token. What has none is only looked at to learn.
    fn get(&self, number: u32) -> Option<Token> {
        let since = self.map.get(&number).copied();
        let known = || self.known.get(number);
        since.or_else(known).or_else(|| self.rare.get(number))
    }

    fn set(&mut self, number: u32, token: Token) {
        self.map.insert(number, token);
    }

    fn bytes(&self) -> usize {
        self.map.len() * 24
    }

    /// Those with a row, or without one.
    fn all(&self, with_row: bool) -> impl Iterator<Item = (u32, Token)> {
        let based = if with_row { &self.known } else { &self.rare };
        let based = based.numbers.iter().zip(based.tokens.iter());
        let based = based.filter(|(number, _)| !self.map.contains_key(number));
        let since = self.map.iter().map(|(number, token)| (*number, *token));
        let since = since.filter(move |(_, token)| (token.row != NO_ROW) == with_row);
        based.chain(since)
    }
}

/// Inputs of one text: rows and values.
type Inputs = Vec<(u32, f32)>;

impl OnlineClassifier {
    /// The scorer after the first `n` items of `corpus`.
    #[must_use]
    pub fn fit(corpus: &Corpus, n: usize) -> Self {
        let mut scorer = Self::from(first_item(n));
        scorer.learn_to(corpus, n);
        scorer
    }

    fn from(first: usize) -> Self {
        Self {
            // The constant has the first row.
            softmax: Softmax::new(STEP, 1),
            tokens: Default::default(),
            items: 0,
            experts: 0,
            first,
            next: first,
        }
    }

    /// Learns the items up to `n`: one after the other, so each costs the same however many came before
    /// it. A long history is learned again from a later item now and then, and any after
    /// [`OnlineClassifier::stop_learning`].
    pub fn learn(&mut self, corpus: &Corpus, n: usize) {
        if first_item(n) != self.first || !self.softmax.learns() {
            *self = Self::from(first_item(n));
        }
        self.learn_to(corpus, n);
    }

    /// How much each expert is expected, as the logarithm of a probability; the same for all experts
    /// before anything was learned. `words` are [`crate::text::tokens::count`]'s.
    #[must_use]
    pub fn predict(&self, words: &[(u32, f32)], style: &Style) -> Vec<f32> {
        let mut inputs = Inputs::new();
        self.read(words.iter().copied(), &style.tokens, &mut inputs);
        let mut expected = vec![FLOOR.ln(); self.experts];
        for (expert, share) in self.softmax.expected(inputs.iter().copied()) {
            expected[usize::from(expert)] = (FLOOR + share).ln();
        }
        expected
    }

    /// Gives up what only learning needs, which is half of its bytes. What it predicts stays the same.
    pub fn stop_learning(&mut self) {
        self.softmax.stop_learning();
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tokens: usize = self.tokens.iter().map(Tokens::bytes).sum();
        self.softmax.bytes() + tokens
    }

    /// Writes what it predicts with.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        let numbers = [self.experts, self.first, self.next].map(|number| number as u64);
        to.values(&numbers)?;
        to.values(&[self.items])?;
        for tokens in &self.tokens {
            Numbered::save(tokens.all(true), to)?;
        }
        self.softmax.save_answers(to)
    }

    /// Writes what only learning looks at.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        for tokens in &self.tokens {
            Numbered::save(tokens.all(false), to)?;
        }
        self.softmax.save_learning(to)
    }

    /// Reads what was written, where it lies.
    ///
    /// # Errors
    /// Sections are not those that are written.
    pub fn load(answers: &mut Sections, learning: &mut Sections) -> Result<Self, LayoutError> {
        let numbers = Column::<u64>::load_array(answers)?;
        let [experts, first, next] = numbers.map(|number| number as usize);
        let [items] = Column::load_array(answers)?;
        let mut tokens: [Tokens; 2] = Default::default();
        for tokens in &mut tokens {
            tokens.known = Numbered::load(answers)?;
            tokens.rare = Numbered::load(learning)?;
        }
        Ok(Self {
            tokens,
            softmax: Softmax::load(STEP, answers, learning)?,
            items,
            experts,
            first,
            next,
        })
    }

    fn learn_to(&mut self, corpus: &Corpus, n: usize) {
        self.experts = corpus.experts().len();
        let mut inputs = Inputs::new();
        while self.next < n.min(corpus.len()) {
            let at = self.next;
            self.note(corpus.item(at), at);
            self.learn_one(corpus.item(at), &mut inputs);
            let known = (at - self.first) as u64;
            for again in 0..REPLAYS {
                let age = replayed_age(known, REPLAYS, again, REPLAY_HALF_LIFE);
                self.learn_one(corpus.item(at - age as usize), &mut inputs);
            }
            self.next += 1;
        }
    }

    fn learn_one(&mut self, item: CorpusItem<'_>, inputs: &mut Inputs) {
        let counted = item.words.iter().zip(item.counts);
        let counted = counted.map(|(word, count)| (*word, *count));
        self.read(counted, item.style_tokens, inputs);
        self.softmax.learn(inputs.iter().copied(), item.experts);
    }

    /// Notes the tokens and experts of a new item.
    fn note(&mut self, item: CorpusItem<'_>, at: usize) {
        for &expert in item.experts {
            self.softmax.note(expert, at);
        }
        self.items += 1;
        for &word in item.words {
            self.note_token(0, word);
        }
        for &token in item.style_tokens {
            self.note_token(1, token);
        }
    }

    fn note_token(&mut self, kind: usize, number: u32) {
        let rows = self.softmax.rows();
        let mut token = self.tokens[kind].get(number).unwrap_or_default();
        token.items += 1;
        if token.items >= LEAST_ITEMS && token.row == NO_ROW && rows < MOST_TOKENS {
            token.row = rows as u32;
            self.softmax.add_row();
        }
        self.tokens[kind].set(number, token);
    }

    /// Puts the inputs of a text in the place of `inputs`: its known tokens, words and style each of
    /// length one, and the constant.
    fn read(&self, words: impl Iterator<Item = (u32, f32)>, style: &[u32], inputs: &mut Inputs) {
        inputs.clear();
        self.read_kind(0, words, inputs);
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
            let Some(token) = self.tokens[kind].with_row(number) else {
                continue;
            };
            let Token { items: with, row } = token;
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
}

/// The first item that is learned of a history of `n`.
fn first_item(n: usize) -> usize {
    n.saturating_sub(MOST_ITEMS)
        .next_multiple_of(FORGOTTEN_AT_A_TIME)
}

/// What the scorer predicted for each question of each window, as of the moment before the window.
/// `windows` are newest first, and so is the answer.
pub(crate) fn replay(corpus: &Corpus, windows: &[Window]) -> Vec<Vec<Vec<f32>>> {
    let oldest = windows.last().map_or(0, |window| window.from);
    let mut scorer = OnlineClassifier::from(first_item(oldest));
    let mut expected: Vec<Vec<Vec<f32>>> = windows
        .iter()
        .rev()
        .map(|window| {
            scorer.learn_to(corpus, window.from);
            let questions = corpus.items(window.from..window.to);
            let ask = |item: CorpusItem<'_>| scorer.predict(&item.counted(), &item.style());
            questions.map(ask).collect()
        })
        .collect();
    expected.reverse();
    expected
}

#[cfg(test)]
mod tests {
    use super::super::softmax::MOST_EXPERTS;
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
            let item = corpus.item(window.from + 3);
            assert_eq!(expected.len(), window.to - window.from);
            assert_eq!(expected[3], scorer.predict(&item.counted(), &item.style()));
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
}
