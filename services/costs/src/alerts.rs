//! Alerts to operators: gauges without tenants in them, and a line in the log that names the tenant.

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use domain::TenantId;
use domain::cost::{BudgetLevel, BudgetStatus, Jump, Month, cost_lines, jumps};
use server::ServiceError;
use storage::Purpose;

use crate::Costs;
use crate::month::MonthData;
use crate::report::MonthReport;

/// The alerts that this process has logged: each is logged once.
#[derive(Debug, Default)]
pub(crate) struct SentAlerts {
    budgets: HashSet<(Month, Option<TenantId>, u8)>,
    jumps: HashSet<(NaiveDate, TenantId)>,
}

impl SentAlerts {
    /// Counts budgets by the level that is reached, and logs new ones.
    pub(crate) fn budgets(&mut self, made: &MonthReport) -> [(BudgetLevel, usize); 3] {
        let all = (None, made.report.budget.as_ref());
        let rows = made.report.rows.iter();
        let rows = rows.map(|row| (row.tenant.clone(), row.budget.as_ref()));
        let reached: Vec<(Option<TenantId>, &BudgetStatus, BudgetLevel)> = std::iter::once(all)
            .chain(rows)
            .filter_map(|(who, status)| Some((who, status?, status?.level?)))
            .collect();
        for (who, status, level) in &reached {
            let new = (made.report.month, who.clone(), level.percent());
            if self.budgets.insert(new) {
                tracing::warn!(
                    tenant = who.as_ref().map_or("all together", TenantId::as_str),
                    level = level.percent(),
                    spent_percent = %status.spent_percent,
                    monthly = %status.monthly,
                    forecast_exceeds = status.forecast_exceeds,
                    "a budget's level is reached"
                );
            }
        }
        BudgetLevel::ALL.map(|level| {
            let at = reached.iter().filter(|(_, _, of)| *of == level);
            (level, at.count())
        })
    }

    fn jumps(&mut self, day: NaiveDate, found: &[Jump]) {
        for jump in found {
            if self.jumps.insert((day, jump.tenant.clone())) {
                tracing::warn!(
                    tenant = %jump.tenant,
                    %day,
                    cost = %jump.cost.round_dp(2),
                    usual = %jump.usual.round_dp(2),
                    "a tenant's cost jumped"
                );
            }
        }
    }
}

impl Costs {
    /// Sets the gauges, and logs what is new.
    pub(crate) async fn alert(
        &self,
        made: &MonthReport,
        sent: &mut SentAlerts,
    ) -> Result<(), ServiceError> {
        for (level, count) in sent.budgets(made) {
            let percent = level.percent().to_string();
            metrics::gauge!("tenantry_budgets_reached", "percent" => percent).set(count as f64);
        }
        let open = self
            .store
            .maintenance(Purpose::Costs)
            .usage()
            .closed_before()
            .await?;
        let day = open.and_then(|open| open.checked_sub_days(Days::new(1)));
        let found = match day {
            Some(day) => jumped(made, day)?,
            None => Vec::new(),
        };
        if let Some(day) = day {
            sent.jumps(day, &found);
        }
        metrics::gauge!("tenantry_tenants_cost_jumped").set(found.len() as f64);
        Ok(())
    }
}

/// The tenants whose cost jumped on `day`, which may be the last one of the month before.
pub(crate) fn jumped(made: &MonthReport, day: NaiveDate) -> Result<Vec<Jump>, ServiceError> {
    let before = before(&made.data)?;
    let same = before.currency == made.priced.currency;
    // Amounts of two currencies tell nothing about each other.
    let before = before.lines.iter().filter(|_| same);
    Ok(jumps(made.priced.lines.iter().chain(before), day))
}

fn before(data: &MonthData) -> Result<domain::cost::Priced, ServiceError> {
    Ok(cost_lines(&data.input_before())?)
}
