//! Cost and value by day, as bars. The only floats of this crate: places on paper, not money.

use domain::cost::Currency;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{DayTotal, numbers};

/// The drawing, in its own units.
pub(super) const WIDTH: f64 = 960.0;
pub(super) const HEIGHT: f64 = 260.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// Lines across, about.
const LINES: u32 = 4;

/// The chart, drawn.
pub(super) struct Chart {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) base: String,
    pub(super) lines: Vec<Line>,
    pub(super) bars: Vec<Bar>,
    pub(super) labels: Vec<Label>,
    /// What it shows, for who cannot see it.
    pub(super) description: String,
}

/// A line across, with its amount.
pub(super) struct Line {
    pub(super) y: String,
    pub(super) text: String,
}

/// A bar.
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    /// What it stands for.
    pub(super) title: String,
}

/// A day below.
pub(super) struct Label {
    pub(super) x: String,
    pub(super) text: String,
}

/// The chart; none without days.
pub(super) fn chart(days: &[DayTotal], currency: Currency) -> Option<Chart> {
    let highest = days
        .iter()
        .flat_map(|day| [day.cost, day.value])
        .max()
        .filter(|highest| !days.is_empty() && *highest > Decimal::ZERO)?;
    let step = step(highest)?;
    let tops = highest.checked_div(step)?.ceil().max(Decimal::ONE);
    let top = step.checked_mul(tops)?.to_f64()?;
    let height = HEIGHT - TOP - BOTTOM;
    let y = |amount: Decimal| {
        let share = amount.to_f64().unwrap_or_default() / top;
        TOP + height * (1.0 - share.clamp(0.0, 1.0))
    };
    let lines = (0..=tops.to_u32()?).map(|at| {
        let amount = step * Decimal::from(at);
        Line {
            y: place(y(amount)),
            text: numbers::grouped(amount.normalize()),
        }
    });
    let slot = (WIDTH - LEFT - RIGHT) / days.len() as f64;
    let bars = days.iter().enumerate().flat_map(|(at, total)| {
        let begin = LEFT + slot * at as f64;
        [
            bar("cost", total, total.cost, begin + slot * 0.12, currency, y),
            bar(
                "value",
                total,
                total.value,
                begin + slot * 0.51,
                currency,
                y,
            ),
        ]
        .map(|mut bar| {
            bar.width = place(slot * 0.37);
            bar
        })
    });
    // A label every so many days, so that they do not touch.
    let every = (days.len() / 10).max(1);
    let labels = days.iter().enumerate().step_by(every);
    Some(Chart {
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        right: WIDTH - RIGHT,
        base: place(TOP + height),
        lines: lines.collect(),
        bars: bars.collect(),
        labels: labels
            .map(|(at, total)| Label {
                x: place(LEFT + slot * (at as f64 + 0.5)),
                text: numbers::short_day(total.day),
            })
            .collect(),
        description: description(days, currency),
    })
}

fn bar(
    class: &'static str,
    total: &DayTotal,
    amount: Decimal,
    x: f64,
    currency: Currency,
    y: impl Fn(Decimal) -> f64,
) -> Bar {
    let day = numbers::short_day(total.day);
    let told = numbers::amount(amount, currency);
    Bar {
        class,
        x: place(x),
        y: place(y(amount)),
        width: String::new(),
        height: place(y(Decimal::ZERO) - y(amount)),
        title: format!("{day}: {class} {told} {currency}"),
    }
}

/// A round amount, 1, 2 or 5 times a power of ten, that is about a quarter of the highest.
fn step(highest: Decimal) -> Option<Decimal> {
    let about = highest.checked_div(Decimal::from(LINES))?;
    let mut power = Decimal::ONE;
    while power > about && power.scale() < 12 {
        power = power.checked_div(Decimal::TEN)?;
    }
    while power.checked_mul(Decimal::TEN)? <= about {
        power = power.checked_mul(Decimal::TEN)?;
    }
    let round = [Decimal::ONE, Decimal::TWO, Decimal::from(5), Decimal::TEN];
    round
        .into_iter()
        .filter_map(|times| power.checked_mul(times))
        .find(|step| *step >= about)
}

fn place(place: f64) -> String {
    format!("{place:.2}")
}

fn description(days: &[DayTotal], currency: Currency) -> String {
    let highest = days.iter().max_by_key(|day| day.cost);
    let (Some(first), Some(last), Some(highest)) = (days.first(), days.last(), highest) else {
        return String::new();
    };
    format!(
        "Two bars for each day from {} to {}. The highest cost is {} {currency}, on {}.",
        numbers::short_day(first.day),
        numbers::short_day(last.day),
        numbers::amount(highest.cost, currency),
        numbers::short_day(highest.day),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (highest, expected) in [
            ("100", "50"),
            ("80", "20"),
            ("3.9", "1"),
            ("0.07", "0.02"),
            ("1", "0.5"),
            ("123456789", "50000000"),
        ] {
            let found = step(highest.parse().unwrap()).unwrap();
            assert_eq!(found.normalize().to_string(), expected, "{highest}");
        }
    }

    #[test]
    fn without_costs_there_is_no_chart() {
        assert!(chart(&[], Currency::EUR).is_none());
        let nothing = DayTotal {
            day: "2026-11-01".parse().unwrap(),
            cost: Decimal::ZERO,
            value: Decimal::ZERO,
        };
        assert!(chart(std::slice::from_ref(&nothing), Currency::EUR).is_none());
        let one = DayTotal {
            cost: Decimal::ONE,
            ..nothing
        };
        let drawn = chart(&[one], Currency::EUR).unwrap();
        assert_eq!(drawn.bars.len(), 2);
        assert!(drawn.description.contains("1.00 EUR"));
    }
}
