//! The recipe: every constant that was chosen by measurement, in one place.
//!
//! `docs/adr/0005-classifier.md` has what was tried.

/// How a text becomes features beside its embedding.
pub(super) struct TermRecipe {
    /// Pairs of neighbouring words count too.
    pub pairs: bool,
    /// Runs of 3 to 5 letters inside words count too.
    pub letters: bool,
    /// A term needs this many texts.
    pub min_texts: usize,
    /// The length of the words' block of a row.
    pub words_scale: f32,
    /// The length of the letters' block of a row.
    pub letters_scale: f32,
}

/// Terms for labels.
pub(super) const LABEL_TERMS: TermRecipe = TermRecipe {
    pairs: true,
    letters: false,
    min_texts: 2,
    words_scale: 4.0,
    letters_scale: 3.0,
};
/// Terms for numbers.
pub(super) const VALUE_TERMS: TermRecipe = TermRecipe {
    pairs: false,
    letters: false,
    min_texts: 3,
    words_scale: 1.0,
    letters_scale: 1.0,
};

/// The length of the embedding's block of a row.
pub(super) const DENSE_SCALE: f32 = 6.0;
/// For numbers: the embedding beside words, both of about the same length.
pub(super) const VALUE_DENSE_SCALE: f32 = 1.0;

/// The pull to zero of a head's weights, in rows.
pub(super) const LABEL_PULL: f64 = 1.0;
/// The pulls that are tried for numbers; the best on held-out rows is taken.
pub(super) const VALUE_PULLS: [f64; 3] = [3.0, 10.0, 30.0];
/// Rounds of the solver.
pub(super) const ROUNDS: usize = 60;
/// Steps that the solver remembers.
pub(super) const MEMORY: usize = 5;
/// Weights of one head at the most: what bounds memory. Rare terms go first.
pub(super) const MAX_WEIGHTS: usize = 3_000_000;

/// Rows are held out in so many turns: fewer when there are many.
pub(super) fn folds(rows: usize) -> usize {
    if rows > 5_000 { 3 } else { 5 }
}

/// Neighbours that vote.
pub(super) const NEIGHBOURS: usize = 15;
/// How much more the nearer neighbour's vote counts: a vote is `exp(sharpness * similarity)`.
pub(super) const SHARPNESS: f32 = 12.0;
/// How similarity to a label becomes a share, when nothing is trained.
pub(super) const ZERO_SHOT_SHARPNESS: f32 = 16.0;

/// Of the rows in scope, so many may be taken for out of scope.
pub(super) const FALSE_ALARMS: f64 = 0.015;
/// Examples out of scope that a rule of their own needs.
pub(super) const MIN_OUT_OF_SCOPE: usize = 15;

/// True values inside a predicted interval.
pub(super) const INTERVAL: f64 = 0.9;
