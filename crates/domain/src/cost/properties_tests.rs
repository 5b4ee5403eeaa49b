//! What holds of every report: it adds up, to the minor unit.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::TenantId;

fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, number).unwrap()
}

fn tenant(number: u8) -> TenantId {
    TenantId::parse(format!("tenant-{number}")).unwrap()
}

fn allocation() -> impl Strategy<Value = Allocation> {
    prop::sample::select(Allocation::ALL.to_vec())
}

/// A price of up to ten decimals, small enough for all of the usage below.
fn price() -> impl Strategy<Value = Decimal> {
    (0..5_000_000_u64, 6..=10_u32).prop_map(|(digits, scale)| Decimal::new(digits as i64, scale))
}

fn version() -> impl Strategy<Value = PriceVersion> {
    let prices = prop::collection::vec((0..Meter::ALL.len(), price()), 0..12);
    let shared = prop::collection::vec((price(), allocation()), 0..4);
    let idle = prop::option::of((0..800_i64, allocation()));
    (price(), prices, shared, idle).prop_map(|(hour, prices, shared, idle)| {
        let own = |(at, price): (usize, Decimal)| (Meter::ALL[at], price);
        let prices = prices.into_iter().map(own);
        let shared = shared.into_iter().enumerate();
        PriceVersion {
            valid_from: day(1),
            valid_until: None,
            currency: Currency::EUR,
            cpu_hour: Some(hour),
            prices: prices
                .filter(|(meter, _)| meter.is_priced() && !meter.is_cpu())
                .collect(),
            shared: shared
                .map(|(at, (monthly, allocation))| SharedCost {
                    name: format!("cost {at}"),
                    monthly,
                    allocation,
                })
                .collect(),
            idle: idle.map(|(cores, allocation)| IdleCost {
                cores: Decimal::new(cores, 2),
                allocation,
            }),
            note: String::new(),
            example: false,
        }
    })
}

/// One to four versions in November, with a gap here and there.
fn book() -> impl Strategy<Value = PriceBook> {
    let code = prop::sample::select(vec!["EUR", "JPY", "BHD"]);
    let versions = prop::collection::vec((version(), any::<bool>()), 1..5);
    (versions, code).prop_map(|(versions, code)| {
        let last = versions.len();
        let place = |(at, (mut version, gap)): (usize, (PriceVersion, bool))| {
            let begin = 1 + 8 * at as u32;
            version.valid_from = day(begin);
            version.valid_until = (at + 1 < last).then(|| day(begin + 7 - u32::from(gap)));
            version.currency = code.parse().unwrap();
            version
        };
        PriceBook {
            versions: versions.into_iter().enumerate().map(place).collect(),
        }
    })
}

fn line() -> impl Strategy<Value = UsageLine> {
    let who = prop::option::of(0..6_u8);
    let what = (0..Meter::ALL.len(), 0..Service::ALL.len(), 0..3_usize);
    let much = prop_oneof![0..100_u64, 0..10_u64.pow(10), Just(10_u64.pow(11))];
    (1..=30_u32, who, what, much, prop::option::of(1..=30_u32)).prop_map(
        |(booked, who, (meter, service, rpc), quantity, late)| {
            let late = late.filter(|late| *late < booked).map(day);
            UsageLine {
                day: day(booked),
                tenant: who.map(tenant),
                service: Service::ALL[service],
                meter: Meter::ALL[meter],
                rpc: ["", "RecommendExperts", "Classify"][rpc].to_owned(),
                tier: None,
                model: String::new(),
                quantity,
                adjustment: late.is_some(),
                for_day: late,
            }
        },
    )
}

#[derive(Debug, Clone)]
struct World {
    until: NaiveDate,
    lines: Vec<UsageLine>,
    book: PriceBook,
    tenants: Vec<TenantId>,
    since: Option<DateTime<Utc>>,
}

fn world() -> impl Strategy<Value = World> {
    let tenants = prop::collection::btree_set(0..9_u8, 0..6);
    let lines = prop::collection::vec(line(), 0..50);
    (1..=30_u32, lines, book(), tenants).prop_map(|(until, lines, book, tenants)| World {
        until: day(until),
        lines,
        book,
        tenants: tenants.into_iter().map(tenant).collect(),
        since: None,
    })
}

impl World {
    fn input(&self) -> CostInput<'_> {
        CostInput {
            month: Month::new(2026, 11).unwrap(),
            until: self.until,
            lines: &self.lines,
            book: &self.book,
            tenants: &self.tenants,
            there: None,
            since: self.since,
        }
    }

    fn report(&self, by: By) -> CostReport {
        cost_report(&self.input(), by, None, &BTreeMap::new()).unwrap()
    }
}

fn rows(report: &CostReport) -> impl Iterator<Item = &CostRow> {
    report.rows.iter().chain([&report.unallocated])
}

/// The cost of a quantity of a meter in whole units of 10^-10, by nothing but integers.
fn by_hand(version: &PriceVersion, meter: Meter, quantity: u128) -> Option<u128> {
    let mut price = version.price_of(meter)?.normalize();
    price.rescale(10);
    let product = price.mantissa() as u128 * quantity;
    let per = u128::from(meter.billed_per().base_units);
    let (below, rest) = (product / per, product % per);
    let up = 2 * rest > per || (2 * rest == per && below % 2 == 1);
    Some(below + u128::from(up))
}

/// The bill without tenants, by nothing but integers, for usage that came in time.
fn bill_by_hand(world: &World) -> u128 {
    let whole = |amount: Decimal| {
        let mut amount = amount.normalize();
        amount.rescale(10);
        amount.mantissa() as u128
    };
    let mut bill = 0;
    for number in 1..=chrono::Datelike::day(&world.until) {
        let Some(version) = world.book.at(day(number)) else {
            continue;
        };
        let mut cpu = 0;
        for meter in Meter::ALL.into_iter().filter(|meter| meter.is_priced()) {
            let merged = merge(world.lines.iter().cloned());
            let of_day = merged
                .iter()
                .filter(|l| l.day == day(number) && l.meter == meter);
            let quantity = of_day.map(|line| u128::from(line.quantity)).sum();
            let cost = by_hand(version, meter, quantity).unwrap_or(0);
            bill += cost;
            cpu += if meter.is_cpu() { cost } else { 0 };
        }
        for shared in &version.shared {
            // November has 30 days; the rounding half to even of thirtieths, twice.
            let until = |number: u128| {
                let product = whole(shared.monthly) * number;
                let (below, rest) = (product / 30, product % 30);
                below + u128::from(rest > 15 || (rest == 15 && below % 2 == 1))
            };
            bill += until(number.into()) - until(u128::from(number) - 1);
        }
        if let Some(idle) = &version.idle {
            // Cores have two decimals here, so 24 times them over 100 times the price.
            let hours = whole(idle.cores) / 10_u128.pow(8) * 24;
            let product = whole(version.cpu_hour.unwrap()) * hours;
            let (below, rest) = (product / 100, product % 100);
            let paid = below + u128::from(rest > 50 || (rest == 50 && below % 2 == 1));
            bill += paid.saturating_sub(cpu);
        }
    }
    bill
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reports_reconcile(world in world(), by in prop::sample::select(By::ALL.to_vec())) {
        let report = world.report(by);
        prop_assert_eq!(report.total, report.price_book_total);
        let total: Decimal = rows(&report).map(|row| row.total).sum();
        prop_assert_eq!(total, report.total);
        let forecast: Decimal = rows(&report).map(|row| row.forecast).sum();
        prop_assert_eq!(forecast, report.forecast);
        for row in rows(&report) {
            let columns = row.direct + row.shared + row.idle + row.adjustment + row.overhead;
            prop_assert_eq!(columns, row.total);
            prop_assert!(row.tenant.is_none() || row.overhead.is_zero());
            if by != By::None {
                prop_assert_eq!(row.parts.iter().map(|part| part.cost).sum::<Decimal>(), row.total);
            }
            prop_assert!(row.total.scale() == report.currency.minor_digits());
        }
        prop_assert!(report.rows.is_sorted_by(|a, b| a.total >= b.total));
        for tenant in &world.tenants {
            prop_assert!(report.rows.iter().any(|row| row.tenant.as_ref() == Some(tenant)));
        }
    }

    #[test]
    fn lines_sum_to_the_bill_of_integers(mut world in world()) {
        world.lines.retain(|line| !line.adjustment);
        let priced = cost_lines(&world.input()).unwrap();
        let mut sum: Decimal = priced.lines.iter().map(|line| line.cost).sum();
        sum.rescale(10);
        prop_assert_eq!(sum.mantissa() as u128, bill_by_hand(&world));
        prop_assert!(priced.lines.is_sorted_by_key(|line| line.day));
    }

    #[test]
    fn more_usage_never_costs_less(mut world in world(), more in line()) {
        let before = world.report(By::None);
        world.lines.push(more);
        prop_assert!(world.report(By::None).total >= before.total);
    }

    #[test]
    fn a_month_that_is_over_is_its_own_forecast(mut world in world()) {
        world.until = day(30);
        let report = world.report(By::None);
        prop_assert_eq!(report.forecast, report.total);
        for row in rows(&report) {
            prop_assert_eq!(row.forecast, row.total);
        }
    }

    #[test]
    fn nothing_is_paid_before_the_first_start(mut world in world(), hours in 0..800_i64) {
        let since = day(1).and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(hours);
        let always = world.report(By::None);
        world.since = Some(since);
        let report = world.report(By::Day);
        prop_assert_eq!(report.total, report.price_book_total);
        prop_assert!(report.total <= always.total);
        let forecast: Decimal = rows(&report).map(|row| row.forecast).sum();
        prop_assert_eq!(forecast, report.forecast);
        let priced = cost_lines(&world.input()).unwrap();
        let paid = priced.lines.iter().filter(|line| line.meter.is_none());
        for line in paid {
            prop_assert!(line.day >= since.date_naive());
        }
        if hours == 0 {
            prop_assert_eq!(report.total, always.total);
        }
    }

    #[test]
    fn the_order_of_usage_does_not_matter(mut world in world()) {
        let before = world.report(By::Meter);
        world.lines.reverse();
        prop_assert_eq!(world.report(By::Meter), before);
    }

    #[test]
    fn what_has_no_price_is_listed(world in world()) {
        let priced = cost_lines(&world.input()).unwrap();
        let in_month: u128 = merge(world.lines.iter().cloned())
            .iter()
            .filter(|line| line.day <= world.until && line.meter.is_priced())
            .map(|line| u128::from(line.quantity))
            .sum();
        let with: u128 = priced.lines.iter().map(|line| u128::from(line.quantity)).sum();
        let without: u128 = priced.unpriced.iter().map(|one| u128::from(one.quantity)).sum();
        prop_assert_eq!(with + without, in_month);
    }
}
