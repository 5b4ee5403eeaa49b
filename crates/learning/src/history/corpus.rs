//! A tenant's history as numbers: what happened, in order, and who answered.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Expert, ExpertId, Item};

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
#[derive(Debug, Clone, PartialEq)]
pub struct CorpusItem {
    /// The point that stands for it in the vector store.
    pub point: u64,
    /// Its experts, as positions in [`Corpus::experts`].
    pub experts: Vec<u16>,
    /// Its area, as a number; none when it has none.
    pub area: Option<u16>,
    /// Its words and how often each occurs, ascending.
    pub words: Vec<(u32, f32)>,
    /// How it is written.
    pub style: Style,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
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
    items: Vec<CorpusItem>,
    experts: Vec<ExpertId>,
    expert_numbers: HashMap<ExpertId, u16>,
    profiles: Vec<Vec<(u32, f32)>>,
    /// Experts that are known without their items: the first ones.
    listed: usize,
    areas: usize,
    area_numbers: HashMap<String, u16>,
    by_point: HashMap<u64, u32>,
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
        self.by_point.insert(document.point, position);
        let item = CorpusItem {
            point: document.point,
            experts,
            area,
            words,
            style,
            occurred_at: document.occurred_at,
        };
        self.note(&item, position);
        self.items.push(item);
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
        made.by_point.retain(|_, position| (*position as usize) < n);
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

    fn note(&mut self, item: &CorpusItem, position: u32) {
        for &(word, _) in &item.words {
            self.words.add(word, position);
        }
        for &token in &item.style.tokens {
            self.style.add(token, position);
        }
        for (postings, opening) in self.openings.iter_mut().zip(item.style.opening) {
            if let Some(opening) = opening {
                postings.add(opening, position);
            }
        }
    }

    /// The items, oldest first.
    #[must_use]
    pub fn items(&self) -> &[CorpusItem] {
        &self.items
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
        self.areas
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
        self.by_point.get(&point).map(|&position| position as usize)
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts: usize = self
            .items
            .iter()
            .map(|item| item.words.len() * 8 + item.style.tokens.len() * 4)
            .sum();
        let openings: usize = self.openings.iter().map(Postings::bytes).sum();
        texts
            + self.words.bytes()
            + self.style.bytes()
            + openings
            + self.items.len() * 160
            + self.experts.len() * 200
    }

    fn area_number(&mut self, area: &str) -> Option<u16> {
        if let Some(&number) = self.area_numbers.get(area) {
            return Some(number);
        }
        // Beyond this the areas are not areas; the rest counts as none.
        let number = u16::try_from(self.areas)
            .ok()
            .filter(|&number| number < 1_000)?;
        self.area_numbers.insert(area.to_owned(), number);
        self.areas += 1;
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
