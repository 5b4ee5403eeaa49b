//! What a head answers by itself: whatever one row in a hundred says, nothing unlikely is accepted.

#![allow(clippy::unwrap_used, reason = "tests")]

use domain::{AbstainReason, Target, TaskDefinition, TaskId, TaskKind, TaskSource};
use learning::classification::{
    Answer, BaselineScores, Example, LabelSet, TaskInput, TaskModel, ZeroShot, knn, train_task,
};
use ndarray::Array2;
use proptest::prelude::*;
use tenantry_learning as learning;

const DIMENSIONS: usize = 48;
const TARGET: f64 = 0.95;

/// Labels with words that their texts are made of.
const SUBJECTS: [(&str, [&str; 6]); 4] = [
    (
        "parking",
        ["garage", "permit", "space", "barrier", "car", "visitor"],
    ),
    (
        "catering",
        ["lunch", "menu", "vegan", "canteen", "coffee", "snack"],
    ),
    (
        "badges",
        ["badge", "door", "lost", "photo", "access", "gate"],
    ),
    (
        "rooms",
        [
            "room",
            "meeting",
            "projector",
            "booking",
            "chairs",
            "upstairs",
        ],
    ),
];

/// Texts that have nothing to do with any label.
const UNRELATED: [&str; 8] = [
    "?!",
    "xyz",
    "…",
    "7",
    "sing me a song of the sea",
    "quarterly yield of barley",
    "lorem ipsum dolor sit",
    "ok",
];

/// A bag of words thrown onto a few dimensions: texts without a common word are hardly similar.
fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSIONS];
    for word in text.to_lowercase().split_whitespace() {
        let hash = blake3::hash(word.as_bytes());
        let bytes = hash.as_bytes();
        for (at, value) in vector.iter_mut().enumerate() {
            let sign = if bytes[at / 8] >> (at % 8) & 1 == 1 {
                1.0
            } else {
                -1.0
            };
            *value += sign;
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// The `at`-th clean text, and the number of its label.
fn clean(at: usize) -> (String, usize) {
    let label = at % SUBJECTS.len();
    let words = SUBJECTS[label].1;
    let turn = at / SUBJECTS.len();
    let (first, second) = (words[turn % 6], words[(turn / 6 + turn % 6 + 1) % 6]);
    (
        format!("question about the {first} and {second} number {turn}"),
        label,
    )
}

/// What an odd row does.
#[derive(Debug, Clone)]
enum Odd {
    /// A clean text has a label of others.
    WrongLabel(usize),
    /// A text of no subject has a label that hardly anything has.
    RareLabel(usize),
    /// A text of no subject has a usual label.
    Unrelated(usize, usize),
}

fn odd() -> impl Strategy<Value = Odd> {
    prop_oneof![
        (0..500usize).prop_map(Odd::WrongLabel),
        (0..UNRELATED.len()).prop_map(Odd::RareLabel),
        (0..UNRELATED.len(), 0..SUBJECTS.len())
            .prop_map(|(text, label)| Odd::Unrelated(text, label)),
    ]
}

struct Trained {
    model: TaskModel,
    examples: Vec<Example>,
    vectors: Array2<f32>,
    labels: LabelSet,
    label_vectors: Array2<f32>,
}

fn rows(texts: &[String]) -> Array2<f32> {
    let all: Vec<f32> = texts.iter().flat_map(|text| embed(text)).collect();
    Array2::from_shape_vec((texts.len(), DIMENSIONS), all).unwrap()
}

impl Trained {
    /// Trains on `n` clean rows and the odd ones.
    fn on(kind: TaskKind, n: usize, odd: &[Odd]) -> Self {
        let task = TaskDefinition {
            id: TaskId::parse("desk").unwrap(),
            display_name: String::new(),
            kind,
            source: TaskSource::Area,
            labels: Vec::new(),
            target_precision: TARGET,
            out_of_scope_label: None,
        };
        let mut rows_of: Vec<(String, String)> = (0..n)
            .map(clean)
            .map(|(text, label)| (text, SUBJECTS[label].0.to_owned()))
            .collect();
        rows_of.extend(odd.iter().enumerate().map(|(place, odd)| match odd {
            Odd::WrongLabel(at) => {
                let (text, label) = clean(*at);
                let wrong = SUBJECTS[(label + 1) % SUBJECTS.len()].0;
                (format!("{text} again"), wrong.to_owned())
            }
            Odd::RareLabel(text) => (UNRELATED[*text].to_owned(), format!("rare {}", place % 2)),
            Odd::Unrelated(text, label) => {
                (UNRELATED[*text].to_owned(), SUBJECTS[*label].0.to_owned())
            }
        }));
        let examples: Vec<Example> = rows_of
            .into_iter()
            .map(|(text, label)| {
                let target = Target::Labels(vec![label]);
                let corrected = false;
                Example {
                    text,
                    target,
                    corrected,
                }
            })
            .collect();
        let texts: Vec<String> = examples.iter().map(|one| one.text.clone()).collect();
        let labels = LabelSet::new(&task, examples.iter().map(|one| &one.target));
        let (vectors, label_vectors) = (rows(&texts), rows(&labels.texts(&task)));
        let input = TaskInput {
            task: &task,
            examples: &examples,
            vectors: vectors.view(),
            labels: &labels,
            label_vectors: label_vectors.view(),
            seed: 3,
            parameters: None,
            search: None,
        };
        let model = train_task(&input, &|_, _| true).unwrap();
        Self {
            model,
            examples,
            vectors,
            labels,
            label_vectors,
        }
    }

    /// What is served for a text: the head beside the votes of the nearest examples.
    fn ask(&self, text: &str) -> Answer {
        let vector = embed(text);
        let own: Vec<Vec<u16>> = self
            .examples
            .iter()
            .map(|one| self.labels.numbers(&one.target))
            .collect();
        let mut near: Vec<(f32, usize)> = self
            .vectors
            .outer_iter()
            .enumerate()
            .map(|(at, row)| (row.iter().zip(&vector).map(|(a, b)| a * b).sum(), at))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let votes = near
            .iter()
            .map(|(similar, at)| (*similar, own[*at].as_slice()));
        let beside = BaselineScores {
            votes: knn(self.labels.len(), votes),
            zero_shot: ZeroShot::new(self.label_vectors.clone()).scores(&vector),
        };
        self.model.classifier.answer(text, &vector, Some(&beside))
    }

    /// The confidences of what is acted upon without a person.
    fn accepted(&self, text: &str) -> Vec<f64> {
        let answer = self.ask(text);
        let acted = answer.labels.iter().filter(|label| {
            answer.abstain.is_none() && label.chosen && label.confidence >= answer.threshold
        });
        acted.map(|label| label.confidence).collect()
    }
}

/// Texts that are asked: clean ones, the unrelated ones, and mixtures.
fn asked() -> impl Iterator<Item = String> {
    let mixed = UNRELATED.iter().zip(1_000..);
    let mixed = mixed.map(|(text, at)| format!("{text} {}", clean(at).0));
    let fresh = (2_000..2_040).map(|at| clean(at).0);
    UNRELATED
        .iter()
        .map(|text| (*text).to_owned())
        .chain(mixed)
        .chain(fresh)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn one_odd_row_in_a_hundred_lets_nothing_unlikely_through(
        hundreds in 1..4usize, odd in prop::collection::vec(odd(), 3), several: bool
    ) {
        let kind = if several { TaskKind::MultiLabel } else { TaskKind::SingleLabel };
        let trained = Trained::on(kind, 100 * hundreds, &odd[..hundreds]);
        for text in asked() {
            for confidence in trained.accepted(&text) {
                prop_assert!(confidence >= 0.5, "{text:?} at {confidence}: {odd:?}");
            }
        }
        let report = &trained.model.report;
        prop_assert!(report.threshold >= 0.5, "{}", report.threshold);
        // The report speaks of what is served.
        prop_assert_eq!(report.threshold, trained.ask("the garage").threshold);
    }
}

#[test]
fn nonsense_is_left_to_a_person_and_clear_texts_are_not() {
    let clean = Trained::on(TaskKind::SingleLabel, 200, &[]);
    let odd = [Odd::RareLabel(4), Odd::WrongLabel(8)];
    let with_odd = Trained::on(TaskKind::SingleLabel, 200, &odd);
    for trained in [&clean, &with_odd] {
        for text in UNRELATED {
            let answer = trained.ask(text);
            assert!(answer.abstain.is_some(), "{text:?}: {answer:?}");
        }
        let fresh: Vec<Answer> = (2_000..2_040)
            .map(|at| trained.ask(&self::clean(at).0))
            .collect();
        let given = fresh
            .iter()
            .filter(|answer| answer.abstain.is_none())
            .count();
        assert!(given >= 30, "{given} of {} are answered", fresh.len());
        let report = &trained.model.report;
        assert!(
            report.precision >= TARGET && report.coverage > 0.7,
            "{report:?}"
        );
    }
    // The two odd rows hardly move the threshold.
    let moved = clean.model.report.threshold - with_odd.model.report.threshold;
    assert!(moved.abs() < 0.1, "{moved}");
}

#[test]
fn a_label_with_one_example_is_not_acted_upon() {
    let trained = Trained::on(TaskKind::SingleLabel, 200, &[Odd::RareLabel(5)]);
    let answer = trained.ask(UNRELATED[5]);
    // Nothing could show that it is right, though the text is the example itself.
    assert_eq!(
        answer.abstain,
        Some(AbstainReason::LowConfidence),
        "{answer:?}"
    );
    assert!(answer.labels.iter().all(|label| label.confidence <= 1.0));
    let warnings = &trained.model.report.warnings;
    assert!(
        warnings.iter().any(|text| text.contains("single example")),
        "{warnings:?}"
    );
}
