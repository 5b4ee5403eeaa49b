//! The recipe: every constant that was chosen by measurement, in one place.
//!
//! `docs/adr/0005-classifier.md` has what was tried.

use domain::TaskKind;

/// From so many rows on a task is large: rare terms and character n-grams cost more than they give.
const LARGE: usize = 5_000;

/// How a classifier for labels is made.
pub(super) struct ClassifierRecipe {
    pub terms: TermRecipe,
    /// The length of the embedding's block of a row. The lengths of the blocks are what weighs them
    /// against each other: the penalty is the same for all.
    pub dense_scale: f32,
    /// L2 penalty on the weights, on the scale of the sum of the rows' losses.
    pub l2_penalty: f64,
    /// Iterations of the solver; stopping early is part of the recipe.
    pub max_iterations: usize,
    /// Each label's name and description count as one more example of it.
    pub names: bool,
}

/// What of a classifier's recipe a search may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassifierParameters {
    /// L2 penalty on the weights, on the scale of the sum of the rows' losses.
    pub l2_penalty: f64,
    /// The length of the embedding's block of a row.
    pub dense_scale: f32,
    /// The length of the words' block of a row.
    pub words_scale: f32,
    /// The length of the character n-grams' block of a row, where there is one.
    pub letters_scale: f32,
}

impl ClassifierParameters {
    /// The parameters as key and value, for the lineage.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        vec![
            ("dense_scale".to_owned(), self.dense_scale.to_string()),
            ("l2_penalty".to_owned(), self.l2_penalty.to_string()),
            ("letters_scale".to_owned(), self.letters_scale.to_string()),
            ("words_scale".to_owned(), self.words_scale.to_string()),
        ]
    }

    /// Reads what [`ClassifierParameters::parameters`] wrote, here or in an earlier version, among others;
    /// none when one is missing or cannot be.
    #[must_use]
    pub fn from_parameters(parameters: &[(String, String)]) -> Option<Self> {
        let text = |key: &str| {
            let mut named = parameters.iter().filter(|(name, _)| name == key);
            named.next().map(|(_, value)| value.as_str())
        };
        let scale = |key: &str| -> Option<f32> {
            let scale: f32 = text(key)?.parse().ok()?;
            (scale.is_finite() && scale >= 0.0).then_some(scale)
        };
        let l2_penalty: f64 = text("l2_penalty").or_else(|| text("pull"))?.parse().ok()?;
        (l2_penalty.is_finite() && l2_penalty > 0.0).then_some(())?;
        Some(Self {
            l2_penalty,
            dense_scale: scale("dense_scale")?,
            words_scale: scale("words_scale")?,
            letters_scale: scale("letters_scale")?,
        })
    }
}

impl ClassifierRecipe {
    /// What a search may change of it.
    pub fn parameters(&self) -> ClassifierParameters {
        ClassifierParameters {
            l2_penalty: self.l2_penalty,
            dense_scale: self.dense_scale,
            words_scale: self.terms.words_scale,
            letters_scale: self.terms.letters_scale,
        }
    }

    /// The same with these parameters.
    pub fn with(mut self, parameters: &ClassifierParameters) -> Self {
        self.l2_penalty = parameters.l2_penalty;
        self.dense_scale = parameters.dense_scale;
        self.terms.words_scale = parameters.words_scale;
        self.terms.letters_scale = parameters.letters_scale;
        self
    }
}

/// The recipe for a task of this kind with so many rows.
pub(super) fn classifier(kind: TaskKind, rows: usize) -> ClassifierRecipe {
    let several = kind == TaskKind::MultiLabel;
    let large = rows >= LARGE;
    ClassifierRecipe {
        terms: TermRecipe {
            pairs: true,
            letters: !large && !several,
            min_texts: if large { 2 } else { 1 },
            words_scale: if several { 6.0 } else { 4.0 },
            letters_scale: 4.0,
            heading_words_scale: if several { 0.0 } else { 6.0 },
            heading_letters_scale: 0.0,
        },
        dense_scale: if large || several { 6.0 } else { 8.0 },
        l2_penalty: match (several, large) {
            (true, _) => 0.5,
            (false, true) => 1.0,
            (false, false) => 0.3,
        },
        max_iterations: if several { 40 } else { 60 },
        names: several || !large,
    }
}

/// How a text becomes features beside its embedding.
pub(super) struct TermRecipe {
    /// Pairs of neighbouring words count too.
    pub pairs: bool,
    /// Character n-grams of 3 to 5 letters inside words count too.
    pub letters: bool,
    /// A term needs to be in this many texts.
    pub min_texts: usize,
    /// The length of the words' block of a row.
    pub words_scale: f32,
    /// The length of the character n-grams' block of a row.
    pub letters_scale: f32,
    /// The length of the block of a heading's words (and pairs of them); 0 where they do not count by themselves.
    pub heading_words_scale: f32,
    /// The length of the block of a heading's character n-grams; 0 where they do not count.
    pub heading_letters_scale: f32,
}

/// Terms for numbers.
pub(super) const VALUE_TERMS: TermRecipe = TermRecipe {
    pairs: false,
    letters: false,
    min_texts: 2,
    words_scale: 2.0,
    letters_scale: 1.0,
    heading_words_scale: 0.0,
    heading_letters_scale: 1.5,
};

/// For numbers: the embedding beside words, both of about the same length.
pub(super) const VALUE_DENSE_SCALE: f32 = 2.0;
/// What one standard deviation of a surface feature counts: the twelve of a usual row are as long as half a
/// block of the others.
pub(super) const VALUE_SURFACE_SCALE: f32 = 0.3;
/// Values that shares are predicted of, at most.
pub(super) const BINS: usize = 12;

/// The penalties that are tried for numbers; the best on held-out rows is taken.
pub(super) const VALUE_L2_PENALTIES: [f64; 2] = [3.0, 10.0];
/// Iterations of the solver for numbers.
pub(super) const VALUE_ITERATIONS: usize = 40;
/// Weights of one classifier at the most: what bounds memory. Rare terms go first.
pub(super) const MAX_WEIGHTS: usize = 3_000_000;

/// Rows are held out in so many turns: fewer when there are many.
pub(super) fn folds(rows: usize) -> usize {
    if rows > 1_000 { 3 } else { 5 }
}

/// Neighbours that vote.
pub(super) const NEIGHBOURS: usize = 30;
/// How much more the nearer neighbour's vote counts: a vote is `exp(sharpness * similarity)`.
pub(super) const SHARPNESS: f32 = 12.0;
/// Where a text has several labels, the classifier alone counts as so many cases when the other
/// evidence is weighted.
pub(super) const PRIOR_CASES: f64 = 20.0;
/// Labels that neither the classifier nor the neighbours give more probability than this are left out there.
pub(super) const POSSIBLE: f32 = 0.002;
/// How similarity to a label becomes a share, when nothing is trained.
pub(super) const ZERO_SHOT_SHARPNESS: f32 = 16.0;

/// Of the rows in scope that would be right, so many may be lost to being taken for out of scope.
pub(super) const FALSE_ALARMS: f64 = 0.003;
/// Examples out of scope that a rule of their own needs.
pub(super) const MIN_OUT_OF_SCOPE: usize = 15;

/// Answers whose confidences differ by no more than this, in log-odds, are of about the same confidence.
pub(super) const CONFIDENCE_STEP: f64 = 0.5;
/// So many held-out answers the calibrated confidence counts for where it is asked how often answers of that
/// confidence are right.
pub(super) const BELIEF: f64 = 20.0;
/// The odds of being right at the threshold are at least this share of those that the target asks for.
pub(super) const FLOOR_ODDS: f64 = 0.25;
/// What being further from everything known than held-out rows were costs, in log-odds for each unit of
/// similarity: 2 for a tenth.
pub(super) const FAR: f64 = -20.0;
/// The most that can be said for a label with fewer than two examples.
pub(super) const UNEVALUATED: f64 = 0.5;
/// What is unlike everything known is out of scope when it is less likely than this to be right.
pub(super) const LIKELY: f64 = 0.5;

/// True values inside a predicted interval.
pub(super) const INTERVAL: f64 = 0.9;
