//! Thresholds, calibration, and what is left to a person.

use super::*;
use proptest::prelude::*;

fn scores(shares: &[f32], support: f64) -> Scores {
    Scores {
        shares: shares.to_vec(),
        support,
    }
}

fn held(rows: &[(Scores, Vec<u16>)]) -> Vec<HeldOutRow<'_>> {
    rows.iter()
        .map(|(scores, right)| HeldOutRow { scores, right })
        .collect()
}

proptest! {
    #[test]
    fn confidence_is_a_probability_and_rises_with_the_share(
        a in 0.01..0.98f32, more in 0.001..0.01f32, support in 0.0..1.0f64
    ) {
        let decision = Decision::unmeasured(SimpleMethod::Knn, TaskKind::SingleLabel, None, 0.95);
        let of = |share: f32| {
            let answer = decision.answer(&scores(&[share, (1.0 - share) / 2.0, (1.0 - share) / 2.0], support));
            answer.labels.iter().find(|l| l.label == 0).map_or(0.0, |l| l.confidence)
        };
        prop_assert!((0.0..=1.0).contains(&of(a)));
        if a > 0.5 { prop_assert!(of(a + more) >= of(a)); }
    }
}

#[test]
fn held_out_rows_calibrate_and_out_of_scope_texts_are_found() {
    // Shares of 0.9 are right four times in five; out-of-scope rows share 0.6 and are far.
    let rows: Vec<(Scores, Vec<u16>)> = (0..300)
        .map(|i| match i % 3 {
            0 => (scores(&[0.6, 0.1, 0.3], 0.3), vec![2]),
            _ => (scores(&[0.9, 0.08, 0.02], 0.8), vec![u16::from(i % 5 == 0)]),
        })
        .collect();
    let held = held(&rows);
    let prior = Decision::unmeasured(SimpleMethod::Knn, TaskKind::SingleLabel, Some(2), 0.95);
    let fitted = prior.fit(&held, 0.7);
    let near = fitted.answer(&rows[1].0);
    assert!(!near.out_of_scope && near.abstain.is_none(), "{near:?}");
    assert!((near.labels[0].confidence - 0.8).abs() < 0.05, "{near:?}");
    let far = fitted.answer(&rows[0].0);
    assert_eq!(
        (far.out_of_scope, far.abstain),
        (true, Some(AbstainReason::OutOfScope))
    );
    assert!(
        far.labels
            .iter()
            .all(|label| !label.chosen && label.label != 2)
    );
}

#[test]
fn what_is_far_from_all_examples_is_sooner_out_of_scope() {
    // The label for it is as unlikely near the examples as far from them; where it is likely, it is right.
    let rows: Vec<(Scores, Vec<u16>)> = (0..400)
        .map(|i| match i % 8 {
            0 | 4 => (scores(&[0.45, 0.25, 0.3], 0.2), vec![2]),
            1 => (scores(&[0.3, 0.2, 0.5], 0.8), vec![2]),
            _ => (scores(&[0.45, 0.25, 0.3], 0.8), vec![0]),
        })
        .collect();
    let held = held(&rows);
    let prior = Decision::unmeasured(SimpleMethod::Knn, TaskKind::SingleLabel, Some(2), 0.95);
    let fitted = prior.fit(&held, 0.7);
    assert!(fitted.answer(&rows[0].0).out_of_scope);
    assert!(!fitted.answer(&rows[2].0).out_of_scope);
    assert!(
        fitted.answer(&rows[1].0).out_of_scope,
        "its label is the likeliest of all"
    );
}

#[test]
fn several_labels_are_chosen_where_that_pays() {
    let rows: Vec<(Scores, Vec<u16>)> = (0..200)
        .map(|i| {
            (
                scores(&[0.8, 0.6, 0.05], 0.7),
                if i % 4 == 0 { vec![0] } else { vec![0, 1] },
            )
        })
        .collect();
    let held = held(&rows);
    let prior = Decision::unmeasured(SimpleMethod::Knn, TaskKind::MultiLabel, None, 0.9);
    let answer = prior.fit(&held, 0.9).answer(&rows[0].0);
    let chosen: Vec<u16> = answer
        .labels
        .iter()
        .filter(|l| l.chosen)
        .map(|l| l.label)
        .collect();
    assert_eq!(chosen, [0, 1]);
    assert!(answer.abstain.is_none(), "{answer:?}");
}

#[test]
fn nothing_known_is_said() {
    for kind in [TaskKind::SingleLabel, TaskKind::MultiLabel] {
        let decision = Decision::unmeasured(SimpleMethod::Knn, kind, None, 0.95);
        assert_eq!(
            decision.answer(&scores(&[], 0.0)).abstain,
            Some(AbstainReason::NoExamples)
        );
    }
}
