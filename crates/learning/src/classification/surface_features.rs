//! Surface features of a text: how long it is and how it is set, in a few numbers.
//!
//! For a number of a text (effort, difficulty, severity) this says more than most of its words: a long
//! ticket full of code takes longer, a long word is harder to understand. Where the first line is a
//! heading (a ticket's title, a question above its details), it is measured by itself.

use ndarray::{Array2, ArrayViewMut1, Axis};
use serde::{Deserialize, Serialize};

/// How many there are.
pub(super) const MEASURES: usize = 12;
/// So many times the usual spread, and no further: a text of thirty pages is not thirty tickets.
const FAR: f32 = 3.0;
/// Letters of a word and words of a heading count up to here: else one line of encoded bytes among the texts
/// would make the usual spread so wide that no other text differs.
const MOST_LETTERS: f32 = 64.0;
const MOST_WORDS: f32 = 200.0;

/// What is usual, learned from texts, and how much they count beside the rest of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SurfaceFeatures {
    means: Vec<f32>,
    /// Standard deviations; 0 where all texts are alike.
    spreads: Vec<f32>,
    scale: f32,
}

impl SurfaceFeatures {
    /// Learns what is usual, and gives the rows of these texts.
    pub(super) fn fit(texts: &[&str], scale: f32) -> (Self, Array2<f32>) {
        let mut rows = Array2::zeros((texts.len(), MEASURES));
        for (mut row, text) in rows.outer_iter_mut().zip(texts) {
            row.assign(&ndarray::aview1(&measure(text)));
        }
        let means = rows.mean_axis(Axis(0)).unwrap_or_default().to_vec();
        let spreads = rows.std_axis(Axis(0), 0.0).to_vec();
        let made = Self {
            means,
            spreads,
            scale,
        };
        rows.outer_iter_mut().for_each(|row| made.weigh(row));
        (made, rows)
    }

    /// The numbers of a text, each as far from the usual as it is, in spreads.
    pub(super) fn row(&self, text: &str) -> [f32; MEASURES] {
        let mut row = measure(text);
        self.weigh(ArrayViewMut1::from(&mut row[..]));
        row
    }

    fn weigh(&self, mut row: ArrayViewMut1<'_, f32>) {
        let usual = self.means.iter().zip(&self.spreads);
        for (x, (mean, spread)) in row.iter_mut().zip(usual) {
            *x = match *spread > 1e-6 {
                true => ((*x - mean) / spread).clamp(-FAR, FAR) * self.scale,
                false => 0.0,
            };
        }
    }

    /// Whether it can measure: an artifact can be anything.
    pub(super) fn is_sound(&self) -> bool {
        let finite = |numbers: &[f32]| {
            numbers.len() == MEASURES && numbers.iter().all(|number| number.is_finite())
        };
        finite(&self.means) && finite(&self.spreads) && self.scale.abs() <= 1e3
    }
}

/// The first line, where more follows; nothing where the text is one line.
pub(super) fn heading(text: &str) -> &str {
    match text.trim_start().split_once('\n') {
        Some((first, rest)) if !rest.trim().is_empty() => first.trim_end(),
        _ => "",
    }
}

fn measure(text: &str) -> [f32; MEASURES] {
    let heading = heading(text);
    let (all, own) = (Words::of(text), Words::of(heading));
    let chars = text.chars().count();
    let share =
        |is: fn(char) -> bool| text.chars().filter(|c| is(*c)).count() as f32 / chars.max(1) as f32;
    [
        (chars as f32).ln_1p(),
        (all.count as f32).ln_1p(),
        all.mean(),
        (text.matches('\n').count() as f32).ln_1p(),
        share(char::is_numeric),
        share(char::is_uppercase),
        share(|c| !c.is_alphanumeric() && !c.is_whitespace()),
        (heading.chars().count() as f32).ln_1p(),
        (own.count as f32).min(MOST_WORDS),
        own.mean(),
        f32::from(heading.chars().any(char::is_uppercase)),
        (own.longest as f32).min(MOST_LETTERS),
    ]
}

#[derive(Default)]
struct Words {
    count: usize,
    chars: usize,
    longest: usize,
}

impl Words {
    fn of(text: &str) -> Self {
        let words = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        words.fold(Self::default(), |sum, word| {
            let length = word.chars().count();
            Self {
                count: sum.count + 1,
                chars: sum.chars + length,
                longest: sum.longest.max(length),
            }
        })
    }

    fn mean(&self) -> f32 {
        (self.chars as f32 / self.count.max(1) as f32).min(MOST_LETTERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_a_first_line_with_more_below() {
        assert_eq!(heading("Title\r\n\r\nBody"), "Title");
        assert_eq!(heading("\nTitle\nBody"), "Title");
        assert_eq!(heading("One line.\n \n"), "");
        assert_eq!(heading(""), "");
    }

    #[test]
    fn features_are_told_in_deviations_from_the_mean() {
        let texts = ["a b", "a b c d\n\nlonger", "words of some length"];
        let (surface, rows) = SurfaceFeatures::fit(&texts, 0.5);
        assert!(surface.is_sound());
        for (text, row) in texts.iter().zip(rows.outer_iter()) {
            assert_eq!(row.to_vec(), surface.row(text), "{text}");
        }
        let sums = rows.sum_axis(Axis(0));
        assert!(sums.iter().all(|sum| sum.abs() < 1e-4), "{sums}");
        let huge = surface.row(&"Xx9 ".repeat(10_000));
        assert!(huge.iter().all(|x| x.abs() <= 1.5), "{huge:?}");
    }

    #[test]
    fn one_line_of_encoded_bytes_does_not_hide_the_others() {
        let mut texts = vec!["a river\n\nbelow"; 200];
        texts.extend(["a waterfall\n\nbelow"; 200]);
        let encoded = format!("{}\n\nbelow", "Zx9".repeat(10_000));
        texts.push(&encoded);
        let (surface, _) = SurfaceFeatures::fit(&texts, 1.0);
        let (short, long) = (surface.row(texts[0]), surface.row(texts[200]));
        let longest = MEASURES - 1;
        assert!(long[longest] - short[longest] > 0.5, "{long:?} {short:?}");
    }

    #[test]
    fn what_is_alike_everywhere_counts_nothing() {
        let (surface, rows) = SurfaceFeatures::fit(&["same", "same"], 1.0);
        assert!(rows.iter().all(|x| *x == 0.0));
        assert_eq!(surface.row("quite another text")[0], 0.0);
        let (none, rows) = SurfaceFeatures::fit(&[], 1.0);
        assert_eq!(rows.nrows(), 0);
        assert!(!none.is_sound(), "nothing was measured");
        assert_eq!(none.row("text"), measure("text"), "and does not panic");
    }
}
