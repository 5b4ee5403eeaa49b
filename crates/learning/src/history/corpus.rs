//! A tenant's history as numbers: what happened, in order, and who answered.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use chrono::{DateTime, Utc};
use domain::{Expert, ExpertId, Item};

use super::items::{Items, NewItem, Places};
use crate::layout::{Column, LayoutError, Rows, Sections, SnapshotWriter, Texts};
use crate::parallel::{each, threads};
use crate::text::style::Style;
use crate::text::{Postings, style, tokens};

/// Why a corpus cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorpusError {
    /// A tenant may have at most 65,535 experts.
    #[error("the tenant has more than 65535 experts")]
    TooManyExperts,
}

/// One item as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorpusItem<'a> {
    /// The point that stands for it in the vector store.
    pub point: u64,
    /// Its experts, as positions in [`Corpus::experts`].
    pub experts: &'a [u16],
    /// Its area, as a number; none when it has none.
    pub area: Option<u16>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Its distinct words, as numbers, ascending.
    pub words: &'a [u32],
    /// How often each of them occurs.
    pub counts: &'a [f32],
    /// The distinct tokens of its [`Style`], as numbers, ascending.
    pub style_tokens: &'a [u32],
    /// What it begins with: see [`Style`].
    pub opening: [Option<u32>; 2],
}

impl CorpusItem<'_> {
    /// Its words and how often each occurs, as [`tokens::count`] has them.
    #[must_use]
    pub fn counted(&self) -> Vec<(u32, f32)> {
        let counts = self.counts.iter().copied();
        self.words.iter().copied().zip(counts).collect()
    }

    /// How it is written.
    #[must_use]
    pub fn style(&self) -> Style {
        Style {
            tokens: self.style_tokens.to_vec(),
            opening: self.opening,
        }
    }
}

/// What makes one [`CorpusItem`].
#[derive(Debug, Clone)]
pub struct Document<'a> {
    /// The point that stands for it in the vector store.
    pub point: u64,
    /// The question.
    pub text: &'a str,
    /// Its area.
    pub area: Option<&'a str>,
    /// The experts who answered.
    pub experts: &'a [ExpertId],
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

impl<'a> From<&'a Item> for Document<'a> {
    fn from(item: &'a Item) -> Self {
        Self {
            point: item.point,
            text: &item.content.text,
            area: item.content.area.as_deref(),
            experts: &item.content.experts,
            occurred_at: item.content.occurred_at,
        }
    }
}

/// A tenant's labelled items in order of time, and its experts.
///
/// Items without an expert are left out: they tell nothing about who answers.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    items: Items,
    experts: Vec<ExpertId>,
    expert_numbers: HashMap<ExpertId, u16>,
    profiles: Vec<Vec<(u32, f32)>>,
    /// Experts that are known without their items: the first ones.
    listed: usize,
    area_numbers: HashMap<String, u16>,
    places: Places,
    words: Postings,
    style: Postings,
    openings: [Postings; 2],
}

impl Corpus {
    /// The corpus of `documents`, which must be in order of time, and of `experts`, whose profiles
    /// count as what they know. Experts that only the documents name are added after them.
    ///
    /// # Errors
    /// [`CorpusError::TooManyExperts`].
    pub fn new<'a>(
        documents: impl IntoIterator<Item = Document<'a>>,
        experts: &[Expert],
    ) -> Result<Self, CorpusError> {
        let mut corpus = Self::default();
        for expert in experts {
            corpus.add_expert(&expert.id, tokens::count(&expert.profile))?;
        }
        corpus.listed = corpus.experts.len();
        let documents: Vec<Document<'_>> = documents
            .into_iter()
            .filter(|document| !document.experts.is_empty())
            .collect();
        let texts = read(&documents);
        for (document, text) in documents.iter().zip(texts) {
            corpus.add(document, text)?;
        }
        Ok(corpus)
    }

    /// Adds an item that is not older than the newest; one without an expert is left out. The corpus is
    /// then the same as one made of all documents at once.
    ///
    /// # Errors
    /// [`CorpusError::TooManyExperts`]; the corpus may then know more experts than before.
    pub fn push(&mut self, document: &Document<'_>) -> Result<(), CorpusError> {
        if document.experts.is_empty() {
            return Ok(());
        }
        let text = (tokens::count(document.text), style::read(document.text));
        self.add(document, text)
    }

    fn add(
        &mut self,
        document: &Document<'_>,
        (words, style): (Vec<(u32, f32)>, Style),
    ) -> Result<(), CorpusError> {
        let mut experts = Vec::with_capacity(document.experts.len());
        for expert in document.experts {
            experts.push(match self.expert_numbers.get(expert) {
                Some(&number) => number,
                None => self.add_expert(expert, Vec::new())?,
            });
        }
        let area = document.area.and_then(|area| self.area_number(area));
        // The position fits: a tenant's items are counted in millions at the most.
        let position = self.items.len() as u32;
        self.places.push(document.point, position);
        self.note(&words, &style, position);
        self.items.push(&NewItem {
            point: document.point,
            experts: &experts,
            area,
            words: &words,
            style: &style,
            occurred_at: document.occurred_at,
        });
        Ok(())
    }

    fn add_expert(&mut self, id: &ExpertId, profile: Vec<(u32, f32)>) -> Result<u16, CorpusError> {
        let number = u16::try_from(self.experts.len()).map_err(|_| CorpusError::TooManyExperts)?;
        self.expert_numbers.insert(id.clone(), number);
        self.experts.push(id.clone());
        self.profiles.push(profile);
        Ok(number)
    }

    /// The corpus as it was after its first `n` items.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        // Postings may name later items: readers give the number of items to read.
        let mut made = self.clone();
        made.items.truncate(n);
        made
    }

    /// Which items have a word.
    pub(crate) fn words(&self) -> &Postings {
        &self.words
    }

    /// Which items have a token of style.
    pub(crate) fn style(&self) -> &Postings {
        &self.style
    }

    /// Which items begin with a tag (coarse, fine).
    pub(crate) fn openings(&self) -> &[Postings; 2] {
        &self.openings
    }

    fn note(&mut self, words: &[(u32, f32)], style: &Style, position: u32) {
        for &(word, _) in words {
            self.words.add(word, position);
        }
        for &token in &style.tokens {
            self.style.add(token, position);
        }
        for (postings, opening) in self.openings.iter_mut().zip(style.opening) {
            if let Some(opening) = opening {
                postings.add(opening, position);
            }
        }
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at a position; the oldest has the first one.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn item(&self, at: usize) -> CorpusItem<'_> {
        self.items.at(at)
    }

    /// The items at positions, oldest first.
    ///
    /// # Panics
    /// When there are none.
    pub fn items(&self, at: Range<usize>) -> impl DoubleEndedIterator<Item = CorpusItem<'_>> {
        at.map(|at| self.item(at))
    }

    /// The experts of the item at a position, as positions in [`Corpus::experts`].
    ///
    /// # Panics
    /// When there is no such item.
    #[must_use]
    pub fn experts_of(&self, at: usize) -> &[u16] {
        self.items.experts(at)
    }

    /// The experts; features and scores are in this order.
    #[must_use]
    pub fn experts(&self) -> &[ExpertId] {
        &self.experts
    }

    /// How many experts are known without their items: the first ones.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.listed
    }

    /// The words of each expert's profile.
    #[must_use]
    pub fn profiles(&self) -> &[Vec<(u32, f32)>] {
        &self.profiles
    }

    /// How many areas there are.
    #[must_use]
    pub fn areas(&self) -> usize {
        self.area_numbers.len()
    }

    /// The number of an area, if the tenant has it.
    #[must_use]
    pub fn area(&self, name: &str) -> Option<u16> {
        self.area_numbers.get(name).copied()
    }

    /// The name of an area.
    #[must_use]
    pub fn area_name(&self, area: u16) -> &str {
        let names = self.area_numbers.iter();
        let mut named = names.filter(|(_, number)| **number == area);
        named.next().map_or("", |(name, _)| name)
    }

    /// The item that a point stands for, by its position.
    #[must_use]
    pub fn position(&self, point: u64) -> Option<usize> {
        let position = self.places.get(point)? as usize;
        (position < self.len()).then_some(position)
    }

    /// Bytes of memory it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let openings: usize = self.openings.iter().map(Postings::bytes).sum();
        let profiles: usize = self.profiles.iter().map(|profile| profile.len() * 8).sum();
        self.items.bytes()
            + self.places.bytes()
            + self.words.bytes()
            + self.style.bytes()
            + openings
            + profiles
            + self.experts.len() * 200
            + self.area_numbers.len() * 80
    }

    /// Writes what questions look at.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_answers<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        let ids = self.experts.iter().map(ExpertId::as_str);
        ids.collect::<Texts>().save(to)?;
        to.values(&[self.listed as u64])?;
        let mut profiles = (Rows::<u32>::default(), Rows::<f32>::default());
        for profile in &self.profiles {
            profiles.0.push(profile.iter().map(|(word, _)| *word));
            profiles.1.push(profile.iter().map(|(_, count)| *count));
        }
        profiles.0.save(to)?;
        profiles.1.save(to)?;
        let mut areas: Vec<(&String, &u16)> = self.area_numbers.iter().collect();
        areas.sort_unstable_by_key(|(_, number)| **number);
        let areas = areas.into_iter().map(|(name, _)| name.as_str());
        areas.collect::<Texts>().save(to)?;
        self.items.save_answers(to)?;
        self.places.save(to)?;
        self.words.save(to)?;
        self.style.save_shared(to)?;
        self.openings
            .iter()
            .try_for_each(|postings| postings.save(to))
    }

    /// Writes what only learning looks at.
    ///
    /// # Errors
    /// What writing failed with.
    pub fn save_learning<W: io::Write>(&self, to: &mut SnapshotWriter<W>) -> io::Result<()> {
        self.items.save_learning(to)?;
        self.style.save_rare(to)
    }

    /// Reads what was written, where it lies.
    ///
    /// # Errors
    /// Sections are not those that are written.
    pub fn load(answers: &mut Sections, learning: &mut Sections) -> Result<Self, LayoutError> {
        let id = |id: &str| ExpertId::parse(id).map_err(|_| LayoutError::Malformed);
        let ids = Texts::load(answers)?;
        let experts: Vec<ExpertId> = ids.iter().map(id).collect::<Result<_, _>>()?;
        let [listed] = Column::<u64>::load_array(answers)?;
        let words = Rows::<u32>::load(answers)?;
        let counts = Rows::<f32>::load(answers)?;
        let profile = |at: usize| {
            let counts = counts.row(at).iter().copied();
            words.row(at).iter().copied().zip(counts).collect()
        };
        if words.len() != experts.len() || counts.len() != experts.len() {
            return Err(LayoutError::Malformed);
        }
        let areas = Texts::load(answers)?;
        let areas = areas.iter().map(str::to_owned).enumerate();
        let numbered = experts.iter().cloned().enumerate();
        Ok(Self {
            expert_numbers: numbered.map(|(at, id)| (id, at as u16)).collect(),
            profiles: (0..experts.len()).map(profile).collect(),
            experts,
            listed: listed as usize,
            area_numbers: areas.map(|(at, name)| (name, at as u16)).collect(),
            items: Items::load(answers, learning)?,
            places: Places::load(answers)?,
            words: Postings::load(answers)?,
            style: Postings::load_apart(answers, learning)?,
            openings: [Postings::load(answers)?, Postings::load(answers)?],
        })
    }

    fn area_number(&mut self, area: &str) -> Option<u16> {
        if let Some(&number) = self.area_numbers.get(area) {
            return Some(number);
        }
        // Beyond this the areas are not areas; the rest counts as none.
        let number = u16::try_from(self.area_numbers.len())
            .ok()
            .filter(|&number| number < 1_000)?;
        self.area_numbers.insert(area.to_owned(), number);
        Some(number)
    }
}

/// The words and the style of each text.
fn read(documents: &[Document<'_>]) -> impl Iterator<Item = (Vec<(u32, f32)>, Style)> + use<> {
    /// Fewer are not worth a thread.
    const CHUNK: usize = 512;
    let chunks: Vec<&[Document<'_>]> = documents.chunks(CHUNK).collect();
    let read = each(chunks.len(), threads(), |at| {
        let texts = chunks[at].iter().map(|document| document.text);
        texts
            .map(|text| (tokens::count(text), style::read(text)))
            .collect::<Vec<_>>()
    });
    read.into_iter().flatten()
}
