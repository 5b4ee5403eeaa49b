//! The report of a month: costs from `domain::cost`, and the value beside them.

use std::collections::HashMap;
use std::sync::Arc;

use api::v1;
use domain::cost::{By, CostReport, CostRow, Month, Priced, Unpriced, cost_report_and_lines};
use domain::{TenantId, TenantState};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rust_decimal::Decimal;
use server::ServiceError;

use crate::Costs;
use crate::month::MonthData;
use crate::value::{Earned, extra_costs};

/// Tenants whose answers are counted at the same time: some of the store's connections stay free.
const AT_ONCE: usize = 4;

/// A month's report with all that is told beside it.
pub(crate) struct MonthReport {
    pub data: Arc<MonthData>,
    pub report: CostReport,
    pub priced: Priced,
    /// By tenant; those that are erased have none.
    pub earned: HashMap<TenantId, Earned>,
}

impl Costs {
    /// The report of a month, of all tenants or of one. Nothing is written.
    pub(crate) async fn report(
        &self,
        tenant: Option<&TenantId>,
        month: Month,
        by: By,
    ) -> Result<MonthReport, ServiceError> {
        if let Some(tenant) = tenant {
            self.check_known(tenant).await?;
        }
        // A month of all tenants is large: one is held at a time.
        let _turn = self.turns.acquire().await.map_err(ServiceError::internal)?;
        let data = Arc::new(self.month_data(month).await?);
        let (mut report, priced) = worked_out(data.clone(), by).await?;
        let extra = extra_costs(&priced.lines);
        if let Some(tenant) = tenant {
            only(&mut report, &data, tenant);
        }
        let earned = self.all_earned(&data, &report, &extra).await?;
        Ok(MonthReport {
            data,
            report,
            priced,
            earned,
        })
    }

    /// What the tenants of the report earned, some of them at the same time.
    async fn all_earned(
        &self,
        data: &MonthData,
        report: &CostReport,
        extra: &HashMap<TenantId, Decimal>,
    ) -> Result<HashMap<TenantId, Earned>, ServiceError> {
        let mut rows = Vec::with_capacity(report.rows.len());
        for row in &report.rows {
            if let Some(tenant) = row.tenant.clone() {
                let extra = extra.get(&tenant).copied().unwrap_or_default();
                rows.push((tenant, (row.total, extra)));
            }
        }
        let earned: Vec<_> = stream::iter(rows)
            .map(|(tenant, costs)| async move {
                let earned = self.earned(data, &tenant, costs, report.currency).await?;
                Ok::<_, ServiceError>(earned.map(|earned| (tenant, earned)))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(earned.into_iter().flatten().collect())
    }
}

/// Prices a month on a thread of its own: a large platform has many lines.
async fn worked_out(data: Arc<MonthData>, by: By) -> Result<(CostReport, Priced), ServiceError> {
    let work = move || {
        let input = data.input();
        let before = data.input_before();
        cost_report_and_lines(&input, by, Some(&before), &data.budgets)
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ServiceError::internal)?
        .map_err(|error: domain::cost::CostError| error.into())
}

/// Leaves nothing in the report but what one tenant may see: its own row, and its own usage without
/// a price.
fn only(report: &mut CostReport, data: &MonthData, tenant: &TenantId) {
    report.keep_only(tenant);
    let own = |unpriced: &mut Unpriced| {
        let lines = data
            .lines_of(tenant)
            .filter(|line| line.consumed_on() == unpriced.day && line.meter == unpriced.meter);
        unpriced.quantity = lines.fold(0, |sum: u64, line| sum.saturating_add(line.quantity));
        unpriced.quantity > 0
    };
    report.unpriced.retain_mut(own);
}

impl MonthReport {
    /// The report as the caller may see it.
    pub(crate) fn to_wire(&self, tenant: Option<&TenantId>) -> v1::CostReport {
        let report = self.report.clone();
        let text = |amount: Decimal| amount.to_string();
        let common = v1::CostReport {
            month: report.month.to_string(),
            until: report.until.to_string(),
            currency: report.currency.code().to_owned(),
            rows: report.rows.into_iter().map(|row| self.row(row)).collect(),
            unpriced: report.unpriced.into_iter().map(Into::into).collect(),
            example_prices: report.example_prices,
            price_book_revision: self.data.prices.revision,
            ..v1::CostReport::default()
        };
        match tenant {
            Some(_) => common,
            None => v1::CostReport {
                unallocated: Some(v1::CostRow::of(report.unallocated)),
                total: text(report.total),
                price_book_total: text(report.price_book_total),
                forecast: text(report.forecast),
                previous: report.previous.map(Into::into),
                unit_costs: Some(report.units.into()),
                budget: report.budget.map(Into::into),
                ..common
            },
        }
    }

    fn row(&self, row: CostRow) -> v1::CostRow {
        let tenant = row.tenant.clone();
        let mut wire = v1::CostRow::of(row);
        if let Some(tenant) = tenant {
            let known = self.data.tenants.get(&tenant);
            wire.erased = known.is_none_or(|known| known.state == TenantState::Erasing);
            let earned = self.earned.get(&tenant);
            wire.value = earned.map(|earned| earned.to_wire(self.report.currency));
        }
        wire
    }
}
