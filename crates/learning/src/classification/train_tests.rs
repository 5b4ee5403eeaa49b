//! Training on small made-up tasks: what is learned, what is said when nothing can be.

use domain::{DEFAULT_TARGET_PRECISION, TaskId, TaskSource, Verdict};

use super::*;

pub(crate) fn task(kind: TaskKind) -> TaskDefinition {
    TaskDefinition {
        id: TaskId::parse("intent").unwrap(),
        display_name: String::new(),
        kind,
        source: TaskSource::Labels {
            prefix: String::new(),
        },
        labels: Vec::new(),
        target_precision: DEFAULT_TARGET_PRECISION,
        out_of_scope_label: None,
    }
}

const SUBJECTS: [(&str, [&str; 4]); 3] = [
    (
        "security",
        [
            "encryption keys",
            "firewall rules",
            "access logs",
            "penetration test",
        ],
    ),
    (
        "billing",
        [
            "late invoice",
            "volume discount",
            "payment terms",
            "price increase",
        ],
    ),
    (
        "support",
        [
            "help desk hours",
            "training course",
            "onboarding users",
            "response time",
        ],
    ),
];
const DIMENSIONS: usize = 8;

/// `n` texts with their label, and embeddings that know the label a little.
fn examples(n: usize) -> (Vec<Example>, Array2<f32>) {
    let made = (0..n).map(|at| {
        let (label, phrases) = SUBJECTS[at % 3];
        let text = format!("Question {at} about {} for us", phrases[at / 3 % 4]);
        let target = Target::Labels(vec![label.to_owned()]);
        Example {
            text,
            target,
            corrected: at % 50 == 0,
        }
    });
    let mut vectors = Array2::from_shape_fn((n, DIMENSIONS), |(row, column)| {
        let noise = ((row * 31 + column * 17) % 13) as f32 / 13.0 - 0.5;
        f32::from(u8::from(column == row % 3)) + noise
    });
    for mut row in vectors.outer_iter_mut() {
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    (made.collect(), vectors)
}

fn train(
    task: &TaskDefinition,
    examples: &[Example],
    vectors: &Array2<f32>,
) -> Result<TaskModel, TaskTrainError> {
    let labels = LabelSet::new(task, examples.iter().map(|example| &example.target));
    let label_vectors = Array2::from_shape_fn((labels.len(), vectors.ncols()), |(row, column)| {
        f32::from(u8::from(row == column))
    });
    let input = TaskInput {
        task,
        examples,
        vectors: vectors.view(),
        labels: &labels,
        label_vectors: label_vectors.view(),
        seed: 1,
        parameters: None,
        search: None,
    };
    train_task(&input, &|_, _| true)
}

#[test]
fn a_head_is_learned_judged_and_kept_as_bytes() {
    let (examples, vectors) = examples(240);
    let model = train(&task(TaskKind::SingleLabel), &examples, &vectors).unwrap();
    let report = &model.report;
    assert_eq!((report.rows, report.corrections), (240, 5));
    assert_eq!(report.verdict, Verdict::Promote, "{}", report.reason);
    assert!(
        report
            .methods
            .iter()
            .any(|m| m.method == "keywords" && m.role == "baseline")
    );
    let head = report.methods.iter().find(|m| m.method == "head").unwrap();
    assert!(head.accuracy > 0.95, "{head:?}");
    assert!(
        report.calibration_error < 0.1,
        "{}",
        report.calibration_error
    );
    assert!(
        report.precision >= 0.95 && report.coverage > 0.5,
        "{report:?}"
    );
    assert_eq!(report.classes.len(), 3);
    assert!(report.confusions_complete);
    // JSON keeps numbers to the last digit but one.
    let kept = TaskReport::from_json(&report.to_json()).unwrap();
    assert_eq!(
        (kept.methods, kept.verdict),
        (report.methods.clone(), report.verdict)
    );

    let bytes = model.classifier.to_bytes();
    let kept = LinearClassifier::from_bytes(&bytes).unwrap();
    assert_eq!(
        (&kept.linear, &kept.parts.terms),
        (&model.classifier.linear, &model.classifier.parts.terms)
    );
    assert!(LinearClassifier::from_bytes(&bytes[..bytes.len() - 4]).is_none());
    assert!(
        LinearClassifier::from_bytes(b"{}\n").is_none()
            && LinearClassifier::from_bytes(b"").is_none()
    );
    let vector = vectors.row(1).to_vec();
    let answer = kept.answer("a late invoice", &vector, None);
    assert_eq!(
        model.classifier.labels()[usize::from(answer.labels[0].label)],
        "billing"
    );
    let again = train(&task(TaskKind::SingleLabel), &examples, &vectors).unwrap();
    assert_eq!(again, model, "the same data give the same bytes");
}

#[test]
fn several_labels_are_learned() {
    let (mut examples, vectors) = examples(240);
    for (at, example) in examples.iter_mut().enumerate() {
        if at / 3 % 4 == 0
            && let Target::Labels(labels) = &mut example.target
        {
            labels.push("first".to_owned());
        }
    }
    let model = train(&task(TaskKind::MultiLabel), &examples, &vectors).unwrap();
    let head = model
        .report
        .methods
        .iter()
        .find(|m| m.method == "head")
        .unwrap();
    assert!(head.micro_f1 > 0.95, "{head:?}");
    let answer = model.classifier.answer(
        "Question about encryption keys",
        &vectors.row(0).to_vec(),
        None,
    );
    assert_eq!(
        answer.labels.iter().filter(|label| label.chosen).count(),
        2,
        "{answer:?}"
    );
}

#[test]
fn what_is_out_of_scope_is_found() {
    let (mut examples, mut vectors) = examples(300);
    for at in (0..300).step_by(5) {
        examples[at].text = format!("blah {} nonsense {at}", at % 7);
        examples[at].target = Target::Labels(vec!["oos".to_owned()]);
        vectors.row_mut(at).fill(0.0);
        vectors[[at, DIMENSIONS - 1 - at % 2]] = 1.0;
    }
    let mut task = task(TaskKind::SingleLabel);
    task.out_of_scope_label = Some("OOS".to_owned());
    let model = train(&task, &examples, &vectors).unwrap();
    let (found, alarms) = model.report.out_of_scope.unwrap();
    assert!(found > 0.9 && alarms < 0.05, "{found} {alarms}");
    let answer = model
        .classifier
        .answer("nonsense blah", &vectors.row(0).to_vec(), None);
    assert!(
        answer.out_of_scope && answer.labels.iter().all(|label| !label.chosen),
        "{answer:?}"
    );
}

#[test]
fn numbers_are_learned_and_noise_falls_back_to_the_middle() {
    let (mut examples, vectors) = examples(240);
    for (at, example) in examples.iter_mut().enumerate() {
        example.target = Target::Value([1.0, 5.0, 20.0][at % 3]);
    }
    let regression = task(TaskKind::Regression);
    let model = train(&regression, &examples, &vectors).unwrap();
    let of = |model: &TaskModel, name: &str| {
        let found = model.report.methods.iter().find(|m| m.method == name);
        found.unwrap().mean_absolute_error
    };
    assert!(
        of(&model, "head") < of(&model, "median") / 4.0,
        "{:?}",
        model.report.methods
    );
    let answer = model
        .classifier
        .answer("the help desk hours", &vectors.row(2).to_vec(), None);
    let value = answer.value.unwrap();
    assert!(
        (value.value - 20.0).abs() < 4.0 && value.low <= value.value,
        "{value:?}"
    );
    assert_eq!(
        LinearClassifier::from_bytes(&model.classifier.to_bytes())
            .unwrap()
            .linear,
        model.classifier.linear
    );

    for (at, example) in examples.iter_mut().enumerate() {
        example.target = Target::Value(((at * 7919) % 101) as f64);
    }
    let model = train(&regression, &examples, &vectors).unwrap();
    assert!(
        of(&model, "head") < of(&model, "median") * 1.05,
        "{:?}",
        model.report.methods
    );
    for example in &mut examples {
        example.target = Target::Value(3.0);
    }
    assert_eq!(
        train(&regression, &examples, &vectors),
        Err(TaskTrainError::OneValue)
    );
}

#[test]
fn the_length_of_a_text_and_letters_of_its_heading_tell_a_number() {
    let (mut examples, mut vectors) = examples(240);
    vectors.fill(0.5_f32.sqrt() / 2.0);
    let head_to_median = |examples: &[Example]| {
        let model = train(&task(TaskKind::Regression), examples, &vectors).unwrap();
        let of = |name: &str| {
            let found = model.report.methods.iter().find(|m| m.method == name);
            found.unwrap().mean_absolute_error
        };
        of("head") / of("median")
    };
    for (at, example) in examples.iter_mut().enumerate() {
        let lines = [1, 6, 30][at * 7919 % 101 % 3];
        example.text = "the same words\n".repeat(lines);
        example.text.push_str(&format!("{at}"));
        example.target = Target::Value(lines as f64);
    }
    let ratio = head_to_median(&examples);
    assert!(ratio < 0.1, "{ratio}");
    for (at, example) in examples.iter_mut().enumerate() {
        let which = at * 7919 % 101 % 3;
        let ending = ["ology", "river", "stone"][which];
        example.text = format!("x{:02}{ending}\n\nlong, short and short words", at % 100);
        example.target = Target::Value([1.0, 5.0, 20.0][which]);
    }
    let ratio = head_to_median(&examples);
    assert!(ratio < 0.1, "{ratio}");
}

#[test]
fn too_little_has_a_clear_outcome() {
    let (mut examples, vectors) = examples(40);
    let single = task(TaskKind::SingleLabel);
    for n in [0, 5] {
        let few = train(
            &single,
            &examples[..n],
            &vectors.slice(s![..n, ..]).to_owned(),
        );
        assert_eq!(few, Err(TaskTrainError::TooFew { found: n }));
    }
    let few = train(
        &single,
        &examples[..20],
        &vectors.slice(s![..20, ..]).to_owned(),
    )
    .unwrap();
    assert_eq!(few.report.verdict, Verdict::InsufficientData);
    examples[7].target = Target::Labels(vec!["seen once".to_owned()]);
    examples[8].target = Target::Labels(vec!["billing".to_owned(), "support".to_owned()]);
    let odd = train(&single, &examples, &vectors).unwrap();
    assert_eq!(odd.report.rows, 39, "two labels are one too many");
    assert!(odd.report.warnings.len() == 2, "{:?}", odd.report.warnings);
    for example in &mut examples {
        example.target = Target::Labels(vec!["same".to_owned()]);
    }
    let one = train(&single, &examples, &vectors);
    assert_eq!(
        one,
        Err(TaskTrainError::OneLabel {
            label: "same".to_owned()
        })
    );
}

#[test]
fn it_stops_when_asked() {
    let (examples, vectors) = examples(60);
    let labels = LabelSet::new(
        &task(TaskKind::SingleLabel),
        examples.iter().map(|e| &e.target),
    );
    let label_vectors = Array2::zeros((labels.len(), DIMENSIONS));
    let input = TaskInput {
        task: &task(TaskKind::SingleLabel),
        examples: &examples,
        vectors: vectors.view(),
        labels: &labels,
        label_vectors: label_vectors.view(),
        seed: 1,
        parameters: None,
        search: None,
    };
    assert_eq!(
        train_task(&input, &|_, _| false),
        Err(TaskTrainError::Stopped)
    );
}

/// The classifier of these examples, with parameters or a search.
fn made(
    kind: TaskKind,
    examples: &[Example],
    vectors: &Array2<f32>,
    parameters: Option<ClassifierParameters>,
    trials: u32,
) -> TaskModel {
    let task = task(kind);
    let labels = LabelSet::new(&task, examples.iter().map(|example| &example.target));
    let label_vectors = Array2::from_shape_fn((labels.len(), vectors.ncols()), |(row, column)| {
        f32::from(u8::from(row == column))
    });
    let input = TaskInput {
        task: &task,
        examples,
        vectors: vectors.view(),
        labels: &labels,
        label_vectors: label_vectors.view(),
        seed: 7,
        parameters,
        search: (trials > 0).then_some(Search {
            trials,
            now: std::time::Instant::now,
        }),
    };
    train_task(&input, &|_, _| true).unwrap()
}

#[test]
fn a_head_trained_twice_has_the_same_bytes() {
    let (examples, vectors) = examples(240);
    for kind in [TaskKind::SingleLabel, TaskKind::MultiLabel] {
        let first = made(kind, &examples, &vectors, None, 0);
        let again = made(kind, &examples, &vectors, None, 0);
        assert_eq!(first.classifier.to_bytes(), again.classifier.to_bytes());
        assert_eq!(first.report, again.report);
        let same = made(kind, &examples, &vectors, first.parameters, 0);
        assert_eq!(first.classifier.to_bytes(), same.classifier.to_bytes());
    }
}

#[test]
fn a_searched_head_is_judged_on_rows_that_chose_nothing() {
    let (examples, vectors) = examples(240);
    for kind in [TaskKind::SingleLabel, TaskKind::MultiLabel] {
        let found = made(kind, &examples, &vectors, None, 5);
        assert_eq!(found.trials.len(), 5);
        assert_eq!(found.report.rows, 120, "the newer half");
        let chosen: Vec<_> = found.trials.iter().filter(|trial| trial.chosen).collect();
        assert_eq!(chosen.len(), 1);
        let parameters = ClassifierParameters::from_parameters(&chosen[0].parameters);
        assert_eq!(parameters, found.parameters);
        assert!(found.trials.iter().all(|trial| trial.metrics[1].1 == 48.0));
        let by_hand = made(kind, &examples, &vectors, parameters, 0);
        assert_eq!(by_hand.classifier.to_bytes(), found.classifier.to_bytes());
    }
    let (few, few_vectors) = (
        examples[..60].to_vec(),
        vectors.slice(s![..60, ..]).to_owned(),
    );
    let few = made(TaskKind::SingleLabel, &few, &few_vectors, None, 5);
    assert!(few.trials.is_empty() && few.report.rows == 60);
}
