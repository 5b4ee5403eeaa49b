//! What one unit of work costs directly.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::pricing::total;
use super::{AMOUNT_DECIMALS, CostError, CostKind, CostLine, Meter, Service, UnitCosts, UsageLine};
use crate::TenantId;

/// The RPCs that recommend experts.
const RECOMMEND: [&str; 2] = ["RecommendExperts", "BatchRecommendExperts"];

/// What a unit is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Recommend,
    Ingest,
    Train,
}

const WORKS: [Work; 3] = [Work::Recommend, Work::Ingest, Work::Train];

impl Work {
    /// The work that usage of a service belongs to. Usage of the router that names no RPC, like
    /// the memory of resident models, belongs to none: it is there without any request.
    fn of(service: Service, rpc: &str) -> Option<Self> {
        match service {
            Service::Router if RECOMMEND.contains(&rpc) => Some(Self::Recommend),
            Service::Ingest => Some(Self::Ingest),
            Service::Trainer => Some(Self::Train),
            Service::Router | Service::Tenants | Service::Costs | Service::Platform => None,
        }
    }

    /// The meter that counts its units, and how many make one.
    fn counted_by(self) -> (Meter, u64) {
        match self {
            Self::Recommend => (Meter::Requests, 1),
            Self::Ingest => (Meter::ItemsIngested, 1_000),
            Self::Train => (Meter::Retrains, 1),
        }
    }
}

/// Cost and volume of each work.
#[derive(Debug, Clone, Copy, Default)]
struct Works {
    cost: [Decimal; 3],
    volume: [u64; 3],
}

impl Works {
    fn add_cost(&mut self, work: Work, cost: Decimal) -> Result<(), CostError> {
        let so_far = &mut self.cost[work as usize];
        *so_far = total([*so_far, cost])?;
        Ok(())
    }

    fn add_volume(&mut self, work: Work, quantity: u64) {
        let so_far = &mut self.volume[work as usize];
        *so_far = so_far.saturating_add(quantity);
    }

    fn unit_costs(&self) -> UnitCosts {
        let [per_recommend, per_1000_items, per_retrain] = WORKS.map(|work| {
            let (cost, volume) = (self.cost[work as usize], self.volume[work as usize]);
            let units = Decimal::from(volume).checked_div(work.counted_by().1.into())?;
            let each = cost.checked_div(units)?;
            Some(each.round_dp(AMOUNT_DECIMALS).normalize())
        });
        UnitCosts {
            per_recommend,
            per_1000_items,
            per_retrain,
        }
    }
}

/// Unit costs of each tenant with any work, and of all of them together. Volume is counted from the
/// usage, for requests may be free.
pub(super) fn unit_costs(
    usage: &[UsageLine],
    lines: &[CostLine],
) -> Result<(BTreeMap<TenantId, UnitCosts>, UnitCosts), CostError> {
    let mut all = Works::default();
    let mut each: BTreeMap<&TenantId, Works> = BTreeMap::new();
    for line in usage.iter().filter(|line| !line.adjustment) {
        let work = Work::of(line.service, &line.rpc);
        let counted = work.filter(|work| work.counted_by().0 == line.meter);
        if let (Some(work), Some(tenant)) = (counted, &line.tenant) {
            all.add_volume(work, line.quantity);
            each.entry(tenant)
                .or_default()
                .add_volume(work, line.quantity);
        }
    }
    for line in lines.iter().filter(|line| line.kind == CostKind::Direct) {
        let work = line
            .service
            .and_then(|service| Work::of(service, &line.rpc));
        if let (Some(work), Some(tenant)) = (work, &line.tenant) {
            all.add_cost(work, line.cost)?;
            each.entry(tenant).or_default().add_cost(work, line.cost)?;
        }
    }
    let told = |(tenant, works): (&TenantId, Works)| (tenant.clone(), works.unit_costs());
    Ok((each.into_iter().map(told).collect(), all.unit_costs()))
}
