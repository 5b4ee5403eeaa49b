//! Cost lines in, rows out: one a day, tenant, service, meter, price and kind of cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::cost::{CostKind, CostLine, Currency, Meter, Month, Priced, Service, UsageLine, merge};
use domain::{TenantId, Tier};
use rust_decimal::{Decimal, RoundingStrategy};

use super::labels;
use crate::MeteringError;

/// Decimals of quantities and unit prices.
pub(super) const QUANTITY_DECIMALS: u32 = 18;

/// What the rows say that the cost lines do not.
#[derive(Debug, Clone, Copy)]
pub struct FocusContext<'a> {
    /// Who runs the platform: the provider, the publisher and the issuer.
    pub provider: &'a str,
    /// The id of who pays for the whole of it.
    pub billing_account_id: &'a str,
    /// The name of who pays for the whole of it.
    pub billing_account_name: &'a str,
    /// The display names of tenants. One that is missing, as of an erased tenant, is called by its
    /// id: the specification wants a name for each sub-account.
    pub tenant_names: &'a BTreeMap<TenantId, String>,
    /// The late usage among what was priced: cost lines do not tell which day they correct. What is
    /// not found here counts as of the day it is booked on.
    pub late: &'a [UsageLine],
}

/// One row of the export. Where a column of the specification always has the same value or follows
/// from another one, it is in [`super::COLUMNS`] and not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FocusRow {
    /// `ProviderName`, `PublisherName` and `InvoiceIssuerName`.
    pub provider: Arc<str>,
    /// `BillingAccountId`.
    pub billing_account_id: Arc<str>,
    /// `BillingAccountName`.
    pub billing_account_name: Arc<str>,
    /// `BillingCurrency`.
    pub currency: Currency,
    /// The month it is billed in: `BillingPeriodStart` and `BillingPeriodEnd`.
    pub month: Month,
    /// The day it was consumed on: `ChargePeriodStart` and `ChargePeriodEnd`.
    pub day: NaiveDate,
    /// `SubAccountId`; none: unallocated.
    pub tenant: Option<TenantId>,
    /// `SubAccountName`.
    pub tenant_name: Option<Arc<str>>,
    /// Why it is there.
    pub kind: CostKind,
    /// It corrects an earlier month: `ChargeClass`.
    pub correction: bool,
    /// Which service did the work.
    pub service: Option<Service>,
    /// What was consumed.
    pub meter: Option<Meter>,
    /// How much, in the meter's base unit: `ConsumedQuantity`.
    pub consumed: Decimal,
    /// The price of one billed unit: `ListUnitPrice`.
    pub unit_price: Decimal,
    /// The cost, to ten decimals.
    pub cost: Decimal,
    /// The name of the shared cost; empty for the others.
    pub name: String,
    /// The RPC, when the row has only one; may be empty.
    pub rpc: String,
    /// The tier, when the row has only one.
    pub tier: Option<Tier>,
    /// The model, when the row has only one; may be empty.
    pub model: String,
    /// Some prices of the month are orders of magnitude, not a bill's.
    pub example_prices: bool,
}

/// What rows are told apart by, in the order they are written in: tenants before what nobody bears.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    booked: NaiveDate,
    unallocated: bool,
    tenant: Option<TenantId>,
    kind: CostKind,
    service: Option<Service>,
    meter: Option<Meter>,
    name: String,
    consumed_on: NaiveDate,
    unit_price: Decimal,
}

/// What the lines of a row add up to.
#[derive(Debug)]
struct Sum<'a> {
    consumed: Decimal,
    cost: Decimal,
    rpc: Same<&'a str>,
    tier: Same<Option<Tier>>,
    model: Same<&'a str>,
}

/// A value that stays one, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Same<T> {
    One(T),
    Several,
}

impl<T: PartialEq> Same<T> {
    fn meet(&mut self, other: &T) {
        if !matches!(self, Self::One(one) if one == other) {
            *self = Self::Several;
        }
    }

    fn or(self, several: T) -> T {
        match self {
            Self::One(one) => one,
            Self::Several => several,
        }
    }
}

/// The rows of a month's cost lines: their costs sum to those of the lines, exactly.
///
/// # Errors
/// [`MeteringError::TooLarge`] when a sum is too large to be true.
pub fn focus_rows(
    priced: &Priced,
    context: &FocusContext<'_>,
) -> Result<Vec<FocusRow>, MeteringError> {
    let mut late = LateDays::new(context.late);
    let mut sums: BTreeMap<Key, Sum<'_>> = BTreeMap::new();
    for line in &priced.lines {
        let key = Key {
            booked: line.day,
            unallocated: line.tenant.is_none(),
            tenant: line.tenant.clone(),
            kind: line.kind,
            service: line.service,
            meter: line.meter,
            name: line.name.clone(),
            consumed_on: late.day_of(line),
            unit_price: line.unit_price.normalize(),
        };
        let sum = sums.entry(key).or_insert_with(|| Sum::of(line));
        sum.add(line)?;
    }
    let maker = Maker::new(priced, context);
    Ok(sums
        .into_iter()
        .map(|(key, sum)| maker.row(key, &sum))
        .collect())
}

impl<'a> Sum<'a> {
    /// The labels of `line`, and no amount.
    fn of(line: &'a CostLine) -> Self {
        Self {
            consumed: Decimal::ZERO,
            cost: Decimal::ZERO,
            rpc: Same::One(&line.rpc),
            tier: Same::One(line.tier),
            model: Same::One(&line.model),
        }
    }

    fn add(&mut self, line: &'a CostLine) -> Result<(), MeteringError> {
        self.rpc.meet(&line.rpc.as_str());
        self.tier.meet(&line.tier);
        self.model.meet(&line.model.as_str());
        self.consumed = self
            .consumed
            .checked_add(Decimal::from(line.quantity))
            .ok_or(MeteringError::TooLarge("the quantity of a row"))?;
        self.cost = self
            .cost
            .checked_add(line.cost)
            .ok_or(MeteringError::TooLarge("the cost of a row"))?;
        Ok(())
    }
}

/// Which day late usage was consumed on, by all that cost lines keep of it.
struct LateDays {
    days: BTreeMap<LateKey, Vec<NaiveDate>>,
}

type LateKey = (
    NaiveDate,
    Option<TenantId>,
    Service,
    Meter,
    String,
    Option<Tier>,
    String,
    u64,
);

impl LateDays {
    fn new(usage: &[UsageLine]) -> Self {
        // Merged as it was for pricing, so that the quantities are those of the cost lines.
        let late = merge(usage.iter().filter(|line| line.adjustment).cloned());
        let mut days: BTreeMap<LateKey, Vec<NaiveDate>> = BTreeMap::new();
        for line in late.into_iter().rev() {
            let consumed_on = line.consumed_on();
            let key = (
                line.day,
                line.tenant,
                line.service,
                line.meter,
                line.rpc,
                line.tier,
                line.model,
                line.quantity,
            );
            days.entry(key).or_default().push(consumed_on);
        }
        Self { days }
    }

    /// The day `line` was consumed on. Lines that differ in nothing but that day are given their
    /// days in turn.
    fn day_of(&mut self, line: &CostLine) -> NaiveDate {
        let (CostKind::Adjustment, Some(service), Some(meter)) =
            (line.kind, line.service, line.meter)
        else {
            return line.day;
        };
        let key = (
            line.day,
            line.tenant.clone(),
            service,
            meter,
            line.rpc.clone(),
            line.tier,
            line.model.clone(),
            line.quantity,
        );
        let found = self.days.get_mut(&key).and_then(Vec::pop);
        found.unwrap_or(line.day)
    }
}

/// What all rows share.
struct Maker<'a> {
    provider: Arc<str>,
    billing_account_id: Arc<str>,
    billing_account_name: Arc<str>,
    names: BTreeMap<&'a TenantId, Arc<str>>,
    currency: Currency,
    example_prices: bool,
}

impl<'a> Maker<'a> {
    fn new(priced: &Priced, context: &FocusContext<'a>) -> Self {
        let names = context.tenant_names.iter();
        Self {
            provider: context.provider.into(),
            billing_account_id: context.billing_account_id.into(),
            billing_account_name: context.billing_account_name.into(),
            names: names
                .filter(|(_, name)| !name.trim().is_empty())
                .map(|(id, name)| (id, name.as_str().into()))
                .collect(),
            currency: priced.currency,
            example_prices: priced.example_prices,
        }
    }

    fn row(&self, key: Key, sum: &Sum<'_>) -> FocusRow {
        let month = Month::of(key.booked);
        let named = |id: &TenantId| {
            let known = self.names.get(id).cloned();
            known.unwrap_or_else(|| id.as_str().into())
        };
        FocusRow {
            provider: self.provider.clone(),
            billing_account_id: self.billing_account_id.clone(),
            billing_account_name: self.billing_account_name.clone(),
            currency: self.currency,
            month,
            day: key.consumed_on,
            tenant_name: key.tenant.as_ref().map(named),
            tenant: key.tenant,
            kind: key.kind,
            correction: key.kind == CostKind::Adjustment && Month::of(key.consumed_on) < month,
            service: key.service,
            meter: key.meter,
            consumed: sum.consumed,
            unit_price: key.unit_price,
            cost: sum.cost,
            name: key.name,
            rpc: sum.rpc.or("").to_owned(),
            tier: sum.tier.or(None),
            model: sum.model.or("").to_owned(),
            example_prices: self.example_prices,
        }
    }
}

impl FocusRow {
    /// `ConsumedQuantity` in billed units: `PricingQuantity`, to 18 decimals.
    #[must_use]
    pub fn pricing_quantity(&self) -> Option<Decimal> {
        let base_units = Decimal::from(self.meter?.billed_per().base_units);
        let quantity = self.consumed.checked_div(base_units)?;
        Some(
            quantity
                .round_dp_with_strategy(QUANTITY_DECIMALS, RoundingStrategy::MidpointNearestEven),
        )
    }

    /// What the row is for, in words.
    #[must_use]
    pub fn description(&self) -> String {
        let service = labels::service(self.service, self.kind).name;
        let what = match (self.kind, self.meter) {
            (CostKind::Shared, _) => format!("Part of the shared cost {}", self.name),
            (CostKind::Idle, _) => "Part of what idle machines cost".to_owned(),
            (_, Some(meter)) => format!("{}: {}", service, labels::meter(meter)),
            (_, None) => service.to_owned(),
        };
        match self.kind {
            CostKind::Adjustment => format!("{what}, known late"),
            CostKind::Overhead => format!("{what}, the platform's own"),
            CostKind::Direct | CostKind::Shared | CostKind::Idle => what,
        }
    }

    /// Whether something was consumed.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.meter.is_some()
    }

    /// The first moment of the day it was consumed on.
    #[must_use]
    pub fn charge_start(&self) -> DateTime<Utc> {
        midnight(self.day)
    }

    /// The first moment after the day it was consumed on.
    #[must_use]
    pub fn charge_end(&self) -> DateTime<Utc> {
        midnight(after(self.day))
    }

    /// The first moment of the month it is billed in.
    #[must_use]
    pub fn billing_start(&self) -> DateTime<Utc> {
        midnight(self.month.first())
    }

    /// The first moment after the month it is billed in.
    #[must_use]
    pub fn billing_end(&self) -> DateTime<Utc> {
        midnight(after(self.month.last()))
    }
}

fn after(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{day, priced, rows, tenant};
    use super::*;

    fn only(pick: impl Fn(&&FocusRow) -> bool) -> FocusRow {
        let rows = rows();
        let found: Vec<_> = rows.iter().filter(pick).collect();
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0].clone()
    }

    #[test]
    fn rows_keep_the_sum_of_each_day_tenant_and_kind() {
        let sums = |lines: Vec<(NaiveDate, Option<TenantId>, CostKind, Decimal)>| {
            let mut sums = BTreeMap::new();
            for (_, tenant, kind, cost) in lines {
                *sums.entry((tenant, kind)).or_insert(Decimal::ZERO) += cost;
            }
            sums
        };
        let priced = priced();
        let lines = priced.lines.iter();
        let rows = rows();
        assert_eq!(
            sums(
                rows.iter()
                    .map(|row| (row.day, row.tenant.clone(), row.kind, row.cost))
                    .collect()
            ),
            sums(
                lines
                    .map(|line| (line.day, line.tenant.clone(), line.kind, line.cost))
                    .collect()
            ),
        );
        assert!(rows.len() < priced.lines.len());
    }

    #[test]
    fn models_are_summed_and_named_only_where_there_is_one() {
        let both = only(|row| row.meter == Some(Meter::ModelCpu));
        assert_eq!(both.consumed, Decimal::from(1_000_000_000));
        assert_eq!((both.model.as_str(), both.tier), ("", None));
        assert_eq!(both.rpc, "RecommendExperts");
        let acme = Some(tenant("acme"));
        let one = only(|row| row.meter == Some(Meter::Requests) && row.tenant == acme);
        assert_eq!(one.model, "global/models/experts/versions/1");
        assert_eq!(one.pricing_quantity(), Some("1.234".parse().unwrap()));
        assert_eq!(one.tenant_name.as_deref(), Some("Acme"));
    }

    #[test]
    fn late_usage_corrects_only_what_an_earlier_month_was_billed_for() {
        let of = |quantity: u64| only(|row| row.consumed == quantity.into() && !row.cost.is_zero());
        let (same, earlier) = (of(5), of(11));
        assert_eq!((same.day, same.correction), (day("2026-11-02"), false));
        assert_eq!((earlier.day, earlier.correction), (day("2026-10-30"), true));
        assert_eq!(earlier.month.to_string(), "2026-11");
        assert!(earlier.description().ends_with("known late"));
    }

    #[test]
    fn late_usage_of_an_unknown_day_counts_as_of_the_day_it_is_booked_on() {
        let names = BTreeMap::new();
        let context = super::super::fixtures::context(&names);
        let rows = focus_rows(&priced(), &context).unwrap();
        let late: Vec<_> = rows
            .iter()
            .filter(|row| row.kind == CostKind::Adjustment)
            .collect();
        assert_eq!(late.len(), 1);
        assert_eq!(
            (late[0].day, late[0].correction),
            (day("2026-11-03"), false)
        );
        assert_eq!(late[0].tenant_name.as_deref(), Some("beta"));
    }

    #[test]
    fn what_nobody_bears_has_no_tenant() {
        let rows = rows();
        let unallocated: Vec<_> = rows.iter().filter(|row| row.tenant.is_none()).collect();
        let kinds: Vec<_> = unallocated.iter().map(|row| row.kind).collect();
        assert!(kinds.contains(&CostKind::Overhead) && kinds.contains(&CostKind::Shared));
        assert!(unallocated.iter().all(|row| row.tenant_name.is_none()));
    }

    #[test]
    fn a_sum_too_large_is_an_error() {
        let mut priced = priced();
        priced.lines.truncate(1);
        priced.lines[0].cost = Decimal::MAX;
        priced.lines.push(priced.lines[0].clone());
        let names = BTreeMap::new();
        let error = focus_rows(&priced, &super::super::fixtures::context(&names)).unwrap_err();
        assert!(matches!(error, MeteringError::TooLarge(_)));
    }
}
