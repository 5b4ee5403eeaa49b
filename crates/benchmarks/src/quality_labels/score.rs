//! How good answers were.

use std::collections::HashMap;

use api::v1;

use super::sets::Row;

/// How good the answers to a set were.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// Share of answers that name exactly what is right.
    pub accuracy: f64,
    /// The same, of texts in scope.
    pub in_scope_accuracy: f64,
    /// Share of texts out of scope that were found.
    pub scope_recall: f64,
    /// F1 over all decisions.
    pub micro_f1: f64,
    /// F1 of the labels, each weighted by its texts.
    pub weighted_f1: f64,
    /// Mean absolute error.
    pub mean_absolute_error: f64,
    /// Share of true numbers inside the interval.
    pub inside: f64,
    /// Expected calibration error over ten bins.
    pub calibration_error: f64,
    /// Share of texts that were not left to a person.
    pub coverage: f64,
    /// Of those, the share that was right: of labels at or above the threshold.
    pub precision: f64,
}

/// What is right with what was answered.
pub type Answered = (Row, v1::ClassifyResponse);

impl Score {
    /// Of a set's answers.
    pub fn of(answers: &[Answered], out_of_scope: &str) -> Self {
        let n = answers.len().max(1) as f64;
        let mut labels: HashMap<String, [f64; 3]> = HashMap::new();
        let mut made = Self::default();
        let (mut inside, mut outside) = (0.0, 0.0);
        let mut bins = [(0.0, 0.0, 0.0); 10];
        let (mut given, mut right_given) = (0.0, 0.0);
        for (row, answer) in answers {
            if let Some(value) = answer.value {
                made.mean_absolute_error += (value.value - row.value).abs() / n;
                let within = value.low <= row.value && row.value <= value.high;
                made.inside += f64::from(u8::from(within)) / n;
                continue;
            }
            let right = row.right();
            let mut said: Vec<&str> = answer
                .predictions
                .iter()
                .filter(|one| one.chosen)
                .map(|one| one.label.as_str())
                .collect();
            if answer.out_of_scope && !out_of_scope.is_empty() {
                said = vec![out_of_scope];
            }
            for label in &said {
                let counts = labels.entry((*label).to_owned()).or_default();
                counts[1] += 1.0;
                counts[0] += f64::from(u8::from(right.contains(label)));
            }
            for label in &right {
                labels.entry((*label).to_owned()).or_default()[2] += 1.0;
            }
            let exact = said.len() == right.len() && said.iter().all(|l| right.contains(l));
            made.accuracy += f64::from(u8::from(exact)) / n;
            if right.contains(&out_of_scope) {
                outside += 1.0;
                made.scope_recall += f64::from(u8::from(answer.out_of_scope));
            } else {
                inside += 1.0;
                made.in_scope_accuracy += f64::from(u8::from(exact));
            }
            for one in &answer.predictions {
                let is_right = f64::from(u8::from(right.contains(&one.label.as_str())));
                // Of one label only the first was said with its confidence.
                if one.chosen || right.len() > 1 {
                    let bin = &mut bins[((one.confidence * 10.0) as usize).min(9)];
                    (bin.0, bin.1, bin.2) = (bin.0 + 1.0, bin.1 + one.confidence, bin.2 + is_right);
                }
                if one.chosen && !answer.abstained && one.confidence >= answer.threshold {
                    given += 1.0;
                    right_given += is_right;
                }
            }
            made.coverage += f64::from(u8::from(!answer.abstained)) / n;
        }
        made.in_scope_accuracy /= f64::max(inside, 1.0);
        made.scope_recall /= f64::max(outside, 1.0);
        made.precision = right_given / f64::max(given, 1.0);
        let all: f64 = bins.iter().map(|bin| bin.0).sum::<f64>().max(1.0);
        made.calibration_error = bins.iter().map(|bin| (bin.1 - bin.2).abs() / all).sum();
        let f1 = |c: &[f64; 3]| {
            if c[0] > 0.0 {
                2.0 * c[0] / (c[1] + c[2])
            } else {
                0.0
            }
        };
        let sum = labels
            .values()
            .fold([0.0; 3], |s, c| [s[0] + c[0], s[1] + c[1], s[2] + c[2]]);
        made.micro_f1 = f1(&sum);
        made.weighted_f1 =
            labels.values().map(|c| f1(c) * c[2]).sum::<f64>() / f64::max(sum[2], 1.0);
        made
    }
}
