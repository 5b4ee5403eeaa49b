//! What answers earn, and when a model of one's own pays.

use super::*;
use proptest::prelude::*;

fn arm(answered: u64, judged: u64, accepted: u64) -> ArmFeedback {
    ArmFeedback {
        answered,
        judged,
        accepted,
        positions: vec![accepted],
    }
}

fn case<'a>(own: &'a ArmFeedback, above: &'a ArmFeedback, extra_cost: i64) -> ModelCase<'a> {
    ModelCase {
        own,
        above,
        answers_in_month: 10_000,
        value_per_accepted: Decimal::ONE,
        extra_cost: extra_cost.into(),
        doubt: SIGNIFICANCE_LEVEL,
    }
}

#[test]
fn a_model_that_lifts_enough_is_worth_it() {
    let (own, above) = (arm(2_000, 2_000, 1_400), arm(2_000, 2_000, 1_000));
    let value = verdict(&case(&own, &above, 100)).unwrap();
    assert_eq!(value.verdict, ValueVerdict::CostEffective);
    // A lift of 0.2 on 10,000 answers of 1 each, minus 100.
    assert_eq!(value.net.mean, 1_900.into());
    assert!(value.net.low > Decimal::ZERO && value.net.low < value.net.mean);
    let value = verdict(&case(&own, &above, 5_000)).unwrap();
    assert_eq!(value.verdict, ValueVerdict::NotCostEffective);
    let value = verdict(&case(&own, &above, 1_900)).unwrap();
    assert_eq!(value.verdict, ValueVerdict::NotEnoughFeedback);
}

#[test]
fn a_model_that_lifts_nothing_costs_what_it_costs() {
    let same = arm(500, 500, 250);
    let nothing = verdict(&case(&same, &same, 9_000)).unwrap();
    assert_eq!(nothing.net.mean, (-9_000).into());
    assert_eq!(nothing.verdict, ValueVerdict::NotCostEffective);
    // A model that saves money may be worth it without any lift.
    let saves = verdict(&case(&same, &same, -9_000)).unwrap();
    assert_eq!(saves.verdict, ValueVerdict::CostEffective);
}

#[test]
fn little_feedback_decides_nothing() {
    let (few, many) = (arm(10_000, 29, 29), arm(2_000, 2_000, 1_000));
    for (own, above) in [(&few, &many), (&many, &few)] {
        for extra in [-1_000_000, 0, 1_000_000] {
            let value = verdict(&case(own, above, extra)).unwrap();
            assert_eq!(value.verdict, ValueVerdict::NotEnoughFeedback);
        }
    }
    let none = ArmFeedback::default();
    let value = verdict(&case(&none, &none, 0)).unwrap();
    assert_eq!(
        value.net,
        Net {
            low: (-10_000).into(),
            mean: 0.into(),
            high: 10_000.into()
        }
    );
}

#[test]
fn all_accepted_is_not_certainty() {
    let rate = arm(40, 40, 40).take_rate(SIGNIFICANCE_LEVEL);
    assert!(
        rate.low < 0.95 && rate.mean == 1.0 && rate.high == 1.0,
        "{rate:?}"
    );
    let rate = arm(40, 40, 0).take_rate(SIGNIFICANCE_LEVEL);
    assert!(
        rate.low == 0.0 && rate.mean == 0.0 && rate.high > 0.05,
        "{rate:?}"
    );
    let rate = arm(10, 10, 5).take_rate(SIGNIFICANCE_LEVEL);
    assert_eq!((rate.low, rate.high), (0.0, 1.0));
}

#[test]
fn positions_are_counted_from_one() {
    let mut some = arm(100, 50, 20);
    some.positions = vec![10, 0, 5];
    assert!(some.validate().is_ok());
    assert_eq!(some.mean_position(), Some(25.0 / 15.0));
    assert_eq!((some.hits_at(1), some.hits_at(9)), (Some(0.2), Some(0.3)));
    let none = ArmFeedback::default();
    assert_eq!((none.mean_position(), none.hits_at(1)), (None, None));
}

#[test]
fn counts_that_contradict_each_other_are_refused() {
    let mut placed = arm(9, 9, 9);
    placed.positions = vec![u64::MAX, 1];
    let good = arm(100, 100, 50);
    for (bad, field) in [
        (arm(1, 2, 0), "above.judged"),
        (arm(9, 3, 4), "above.accepted"),
        (placed, "above.positions"),
    ] {
        let error = verdict(&case(&good, &bad, 0)).unwrap_err();
        assert!(
            matches!(&error, CostError::Field(found) if found.field == field),
            "{error}"
        );
    }
}

#[test]
fn strange_numbers_are_refused_or_read_carefully() {
    let good = arm(100, 100, 50);
    let mut strange = case(&good, &good, 0);
    for doubt in [f64::NAN, f64::INFINITY, -1.0, 0.0, 7.0] {
        strange.doubt = doubt;
        assert!(verdict(&strange).is_ok(), "{doubt}");
    }
    strange.answers_in_month = u64::MAX;
    assert_eq!(
        verdict(&strange).unwrap_err().reason(),
        "AMOUNT_OUT_OF_RANGE"
    );
    strange.answers_in_month = 1;
    strange.extra_cost = Decimal::MIN;
    assert_eq!(
        verdict(&strange).unwrap_err().reason(),
        "AMOUNT_OUT_OF_RANGE"
    );
    strange.extra_cost = Decimal::ZERO;
    strange.value_per_accepted = Decimal::NEGATIVE_ONE;
    assert!(verdict(&strange).is_err());
    for (number, text) in [
        (f64::NAN, "0"),
        (f64::INFINITY, "1"),
        (-3.0, "-1"),
        (0.1, "0.1"),
    ] {
        assert_eq!(fraction(number).normalize().to_string(), text);
    }
}

#[test]
fn a_tenant_earns_its_accepted_answers() {
    let setting = ValueSetting {
        value_per_accepted: "0.125".parse().unwrap(),
        currency: Currency::EUR,
    };
    let acme = TenantId::parse("acme").unwrap();
    let of = |accepted, currency| setting.of_tenant(acme.clone(), accepted, 30.into(), currency);
    let earned = of(81, Currency::EUR).unwrap();
    assert_eq!(earned.value.to_string(), "10.12");
    assert_eq!(earned.net.to_string(), "-19.88");
    assert_eq!(
        of(1, Currency::USD).unwrap_err().reason(),
        "CURRENCY_MISMATCH"
    );
    assert_eq!(
        of(u64::MAX, Currency::EUR).unwrap_err().reason(),
        "AMOUNT_OUT_OF_RANGE"
    );
    assert!(setting.validate().is_ok());
    for bad in ["-1", "1000000001", "0.00000000001"] {
        let setting = ValueSetting {
            value_per_accepted: bad.parse().unwrap(),
            ..setting
        };
        assert_eq!(setting.validate().unwrap_err().field, "value_per_accepted");
    }
}

#[test]
fn verdicts_are_read_as_they_are_written() {
    for verdict in ValueVerdict::ALL {
        assert_eq!(ValueVerdict::parse(verdict.as_str()), Some(verdict));
    }
}

fn arms() -> impl Strategy<Value = ArmFeedback> {
    (0..5_000_u64, 0..=100_u64, 0..=100_u64).prop_map(|(answered, judged, accepted)| {
        let judged = answered * judged / 100;
        arm(answered, judged, judged * accepted / 100)
    })
}

proptest! {
    #[test]
    fn the_interval_holds_the_mean_and_the_verdict_its_word(
        own in arms(), above in arms(), extra in -20_000..20_000_i64,
    ) {
        let value = verdict(&case(&own, &above, extra)).unwrap();
        let Net { low, mean, high } = value.net;
        prop_assert!(low <= mean && mean <= high, "{:?}", value);
        match value.verdict {
            ValueVerdict::CostEffective => prop_assert!(low > Decimal::ZERO),
            ValueVerdict::NotCostEffective => prop_assert!(high < Decimal::ZERO),
            ValueVerdict::NotEnoughFeedback => {}
        }
    }
}
