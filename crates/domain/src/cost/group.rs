//! Cost lines summed by who bears them, and rounded once.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::money::round_parts;
use super::pricing::total;
use super::{By, CostError, CostKind, CostLine, Currency, MoneyError, Part};
use crate::TenantId;

/// Who bears costs; none: nobody. Rows are made in this order, in which nobody comes first.
pub(super) type Bearer = Option<TenantId>;

/// The exact sums of one bearer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums {
    kinds: BTreeMap<CostKind, Decimal>,
    parts: BTreeMap<String, (Option<u64>, Decimal)>,
}

impl Sums {
    /// Adds a line, to its kind and to its part.
    fn add(&mut self, line: &CostLine, by: By) -> Result<(), CostError> {
        let kind = self.kinds.entry(line.kind).or_default();
        *kind = total([*kind, line.cost])?;
        if by == By::None {
            return Ok(());
        }
        let (quantity, cost) = self.parts.entry(label(line, by)).or_default();
        *cost = total([*cost, line.cost])?;
        if by == By::Meter && line.meter.is_some() {
            let so_far = quantity.get_or_insert(0);
            *so_far = so_far.saturating_add(line.quantity);
        }
        Ok(())
    }

    /// The sum of one kind.
    pub(super) fn of(&self, kind: CostKind) -> Decimal {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }

    /// The sum of all kinds.
    pub(super) fn total(&self) -> Result<Decimal, CostError> {
        total(self.kinds.values().copied())
    }

    /// The sums by kind, in the order of [`CostKind::ALL`], rounded to sum to `whole`.
    pub(super) fn columns(
        &self,
        whole: Decimal,
        currency: Currency,
    ) -> Result<Vec<Decimal>, CostError> {
        let exact = CostKind::ALL.map(|kind| self.of(kind));
        rounded(whole, &exact, currency)
    }

    /// The parts, rounded to sum to `whole`: days in their order, the others by cost.
    pub(super) fn parts(
        self,
        whole: Decimal,
        by: By,
        currency: Currency,
    ) -> Result<Vec<Part>, CostError> {
        let exact: Vec<Decimal> = self.parts.values().map(|(_, cost)| *cost).collect();
        let costs = rounded(whole, &exact, currency)?;
        let made = self.parts.into_iter().zip(costs);
        let mut parts: Vec<Part> = made
            .map(|((label, (quantity, _)), cost)| Part {
                label,
                quantity,
                cost,
            })
            .collect();
        if by != By::Day {
            parts.sort_by_key(|part| std::cmp::Reverse(part.cost));
        }
        Ok(parts)
    }
}

/// What a line is called in a dimension. What has no place in it goes by its kind.
fn label(line: &CostLine, by: By) -> String {
    let kind = || line.kind.as_str();
    match by {
        By::None => String::new(),
        By::Day => line.day.to_string(),
        By::Service => line
            .service
            .map_or_else(kind, |one| one.as_str())
            .to_owned(),
        By::Meter => line.meter.map_or_else(kind, |one| one.as_str()).to_owned(),
        By::Model if line.meter.is_none() => kind().to_owned(),
        By::Model => line.model.clone(),
    }
}

/// The exact sums of every bearer of a line, and of `bearers` without any.
pub(super) fn sum_up<'a>(
    lines: &[CostLine],
    bearers: impl IntoIterator<Item = &'a TenantId>,
    by: By,
) -> Result<BTreeMap<Bearer, Sums>, CostError> {
    let mut sums: BTreeMap<Bearer, Sums> = BTreeMap::from([(None, Sums::default())]);
    for tenant in bearers {
        sums.entry(Some(tenant.clone())).or_default();
    }
    for line in lines {
        match sums.get_mut(&line.tenant) {
            Some(known) => known.add(line, by)?,
            None => sums.entry(line.tenant.clone()).or_default().add(line, by)?,
        }
    }
    Ok(sums)
}

/// The totals of all bearers in whole minor units, and their sum. The sum is what is rounded; the
/// totals follow it.
pub(super) fn round_totals(
    sums: &BTreeMap<Bearer, Sums>,
    currency: Currency,
) -> Result<(Decimal, Vec<Decimal>), CostError> {
    let exact: Vec<Decimal> = sums.values().map(Sums::total).collect::<Result<_, _>>()?;
    let whole = currency.round(total(exact.iter().copied())?);
    let totals = rounded(whole, &exact, currency)?;
    Ok((whole, totals))
}

/// `exact` in whole minor units that sum to `whole`.
pub(super) fn rounded(
    whole: Decimal,
    exact: &[Decimal],
    currency: Currency,
) -> Result<Vec<Decimal>, CostError> {
    let failed = |source: MoneyError| CostError::Money {
        what: "rounding the report".to_owned(),
        source,
    };
    round_parts(whole, exact, currency.minor_digits()).map_err(failed)
}
