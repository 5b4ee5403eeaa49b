//! What is paid for whoever uses it: shared costs and idle machines, day by day, and who bears it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, Timelike as _, Utc};
use rust_decimal::Decimal;

use super::money::{scaled, split, times};
use super::{
    AMOUNT_DECIMALS, Allocation, CostError, CostKind, CostLine, MoneyError, Month, PriceVersion,
};
use crate::TenantId;

/// How much of a day the platform was there: nothing is paid before its first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DayShare {
    seconds: u32,
}

impl DayShare {
    const DAY: u32 = 24 * 60 * 60;

    /// That of `day`, for a platform that was there from `since` on; none: always.
    pub(super) fn of(day: NaiveDate, since: Option<DateTime<Utc>>) -> Self {
        let seconds = match since {
            Some(since) if day < since.date_naive() => 0,
            Some(since) if day == since.date_naive() => {
                Self::DAY.saturating_sub(since.num_seconds_from_midnight())
            }
            _ => Self::DAY,
        };
        Self { seconds }
    }

    /// In seconds.
    pub(super) fn seconds(self) -> u128 {
        self.seconds.into()
    }

    /// The share of what a whole day costs.
    fn part_of(self, amount: Decimal) -> Result<Decimal, MoneyError> {
        match self.seconds {
            Self::DAY => Ok(amount),
            _ => scaled(amount, self.seconds(), Self::DAY.into()),
        }
    }
}

/// What a day has besides usage.
pub(super) struct Day<'a> {
    pub(super) day: NaiveDate,
    pub(super) share: DayShare,
    pub(super) version: &'a PriceVersion,
    /// What all CPU time booked on the day costs.
    pub(super) cpu_cost: Decimal,
    /// Each tenant's direct cost of the day.
    pub(super) direct: BTreeMap<&'a TenantId, Decimal>,
}

fn failed(what: &str, source: MoneyError) -> CostError {
    CostError::Money {
        what: what.to_owned(),
        source,
    }
}

/// What accrues of a monthly amount on `day`. The whole days of a month sum exactly to the amount: each
/// is the difference of what has accrued by its end and by its beginning.
pub(super) fn accrued(
    monthly: Decimal,
    day: NaiveDate,
    share: DayShare,
) -> Result<Decimal, CostError> {
    let days = u128::from(Month::of(day).days());
    let by_end_of = |number: u32| {
        scaled(monthly, u128::from(number), days).map_err(|error| failed("a shared cost", error))
    };
    let whole = by_end_of(day.day())? - by_end_of(day.day() - 1)?;
    let part = share.part_of(whole);
    part.map_err(|error| failed("a shared cost", error))
}

/// What machines cost on a day beyond the CPU time that was metered on it. Usage and idle together
/// are never less than what is paid for the machines.
pub(super) fn idle(
    version: &PriceVersion,
    share: DayShare,
    cpu_cost: Decimal,
) -> Result<Decimal, CostError> {
    let (Some(idle), Some(hour)) = (&version.idle, version.cpu_hour) else {
        return Ok(Decimal::ZERO);
    };
    let cores = scaled(idle.cores, 24, 1);
    let paid = cores
        .and_then(|hours| times(hours, hour))
        .and_then(|paid| share.part_of(paid))
        .map_err(|error| failed("what machines cost", error))?;
    Ok((paid - cpu_cost).max(Decimal::ZERO))
}

impl Day<'_> {
    /// The lines of shared costs and idle machines, for those who share them.
    pub(super) fn lines(&self, sharers: &BTreeSet<&TenantId>) -> Result<Vec<CostLine>, CostError> {
        let mut lines = Vec::new();
        for shared in &self.version.shared {
            let amount = accrued(shared.monthly, self.day, self.share)?;
            for (tenant, cost) in self.bear(amount, shared.allocation, sharers)? {
                lines.push(self.line(CostKind::Shared, &shared.name, tenant, cost));
            }
        }
        if let Some(machines) = &self.version.idle {
            let amount = idle(self.version, self.share, self.cpu_cost)?;
            for (tenant, cost) in self.bear(amount, machines.allocation, sharers)? {
                lines.push(self.line(CostKind::Idle, "", tenant, cost));
            }
        }
        Ok(lines)
    }

    /// Who bears how much of an amount. Where there is nobody to bear it, it is unallocated.
    fn bear(
        &self,
        amount: Decimal,
        allocation: Allocation,
        sharers: &BTreeSet<&TenantId>,
    ) -> Result<Vec<(Option<TenantId>, Decimal)>, CostError> {
        let weight = |tenant: &&TenantId| match allocation {
            Allocation::Even => Decimal::ONE,
            Allocation::ByUsage => self.direct.get(*tenant).copied().unwrap_or_default(),
            Allocation::None => Decimal::ZERO,
        };
        let weights: Vec<Decimal> = sharers.iter().map(weight).collect();
        let parts = if weights.iter().all(Decimal::is_zero) {
            vec![(None, amount)]
        } else {
            let parts = split(amount, &weights, AMOUNT_DECIMALS)
                .map_err(|error| failed("a share of a cost", error))?;
            let tenants = sharers.iter().map(|tenant| Some((*tenant).clone()));
            tenants.zip(parts).collect()
        };
        Ok(parts
            .into_iter()
            .filter(|(_, part)| !part.is_zero())
            .collect())
    }

    fn line(
        &self,
        kind: CostKind,
        name: &str,
        tenant: Option<TenantId>,
        cost: Decimal,
    ) -> CostLine {
        CostLine {
            day: self.day,
            tenant,
            service: None,
            meter: None,
            rpc: String::new(),
            tier: None,
            model: String::new(),
            kind,
            name: name.to_owned(),
            quantity: 0,
            unit_price: Decimal::ZERO,
            cost,
        }
    }
}
