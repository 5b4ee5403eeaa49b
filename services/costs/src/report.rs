//! The report of a month: costs from `domain::cost`, and the value beside them.

use std::collections::HashMap;
use std::sync::Arc;

use api::v1;
use domain::cost::{By, CostReport, CostRow, Month, Priced, Unpriced, cost_report_and_lines};
use domain::{TenantId, TenantState};
use rust_decimal::Decimal;
use server::ServiceError;

use crate::Costs;
use crate::month::MonthData;
use crate::scope::Scope;
use crate::value::{Earned, extra_costs};

/// A month's report with all that is told beside it.
pub(crate) struct MonthReport {
    pub data: Arc<MonthData>,
    pub report: CostReport,
    pub priced: Priced,
    /// By tenant; those that are erased have none.
    pub earned: HashMap<TenantId, Earned>,
}

impl Costs {
    /// The report of a month, of all tenants or of one.
    pub(crate) async fn report(
        &self,
        scope: &Scope,
        month: Month,
        by: By,
    ) -> Result<MonthReport, ServiceError> {
        if let Some(tenant) = scope.tenant() {
            self.check_known(tenant).await?;
        }
        // A month of all tenants is large: one is held at a time.
        let _turn = self.turns.acquire().await.map_err(ServiceError::internal)?;
        let data = Arc::new(self.month_data(month).await?);
        let (mut report, priced) = worked_out(data.clone(), by).await?;
        let extra = extra_costs(&priced.lines);
        if let Some(tenant) = scope.tenant() {
            only(&mut report, &data, tenant);
        }
        let current = Month::of(self.clock.now().date_naive()) == month;
        let mut earned = HashMap::new();
        for row in &report.rows {
            let Some(tenant) = &row.tenant else { continue };
            let costs = (row.total, extra.get(tenant).copied().unwrap_or_default());
            let found = self.earned(&data, tenant, costs, report.currency).await?;
            if let Some(found) = found {
                if current {
                    self.keep_verdict(&data, tenant, &found).await;
                }
                earned.insert(tenant.clone(), found);
            }
        }
        Ok(MonthReport {
            data,
            report,
            priced,
            earned,
        })
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
    pub(crate) fn to_wire(&self, scope: &Scope) -> v1::CostReport {
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
        match scope {
            Scope::Tenant(_) => common,
            Scope::All => v1::CostReport {
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
