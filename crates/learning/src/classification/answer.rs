//! What methods say of a text, and what is answered because of it.

use domain::AbstainReason;

/// What a method says of a text, before calibration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// For one label shares that add up to one (or are all zero), for several a probability each.
    pub shares: Vec<f32>,
    /// How much there was to go on, from 0 to 1: the similarity of the nearest example. Not a number
    /// where it is not known.
    pub support: f64,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The most confident labels, best first.
    pub labels: Vec<AnswerLabel>,
    /// The number, where one was asked for.
    pub value: Option<AnswerValue>,
    /// Why a person should decide; none when the answer is confident.
    pub abstain: Option<AbstainReason>,
    /// The task probably has no label for the text.
    pub out_of_scope: bool,
    /// The confidence that the target precision needs.
    pub threshold: f64,
}

/// A label of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerLabel {
    /// Its number.
    pub label: u16,
    /// Calibrated probability that it is right.
    pub confidence: f64,
    /// It is the answer, or part of it.
    pub chosen: bool,
}

/// A predicted number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerValue {
    /// The number.
    pub value: f64,
    /// Nine of ten true values are expected above this.
    pub low: f64,
    /// And below this.
    pub high: f64,
}
