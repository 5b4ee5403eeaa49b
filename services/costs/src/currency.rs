//! What a change of the price book's currency does to amounts that stand outside of it.

use api::v1;
use domain::cost::{CurrencyChange, PriceBook};
use domain::{OperatorContext, ResourceName, TenantId};
use server::ServiceError;

use crate::Costs;
use crate::month::all_tenants;

/// Names of a warning; more are counted.
const NAMED: usize = 5;

impl Costs {
    /// Warnings of budgets, and of the values of answers, that were set in another currency than they
    /// would be read in by `book`.
    pub(crate) async fn currency_warnings(
        &self,
        operator: &OperatorContext,
        before: &PriceBook,
        book: &PriceBook,
    ) -> Result<Vec<v1::PriceBookWarning>, ServiceError> {
        let today = self.clock.now().date_naive();
        let Some(change) = book.currency_change(before, today) else {
            return Ok(Vec::new());
        };
        let budgets = self.store.platform(operator).prices().budgets().await?;
        let all = || "all tenants together".to_owned();
        let budgets = budgets
            .into_keys()
            .map(|tenant| tenant.map_or_else(all, name));
        let valued = all_tenants(&self.store.platform(operator))
            .await?
            .into_iter();
        let valued = valued.filter(|tenant| tenant.settings.value_per_accepted.is_some());
        let valued = valued.map(|tenant| name(tenant.id));
        let (budgets, valued): (Vec<_>, Vec<_>) = (budgets.collect(), valued.collect());
        let warnings = [
            warning(
                "CURRENCY_OF_BUDGETS",
                "the budget",
                "SetBudget",
                &budgets,
                change,
            ),
            warning(
                "CURRENCY_OF_VALUES",
                "`settings.value_per_accepted`",
                "UpdateTenant",
                &valued,
                change,
            ),
        ];
        Ok(warnings.into_iter().flatten().collect())
    }
}

fn name(tenant: TenantId) -> String {
    ResourceName::Tenant(tenant).to_string()
}

/// A warning about `what` of those who have it; none when nobody has.
fn warning(
    reason: &str,
    what: &str,
    remedy: &str,
    whose: &[String],
    change: CurrencyChange,
) -> Option<v1::PriceBookWarning> {
    if whose.is_empty() {
        return None;
    }
    let CurrencyChange { from, to, on } = change;
    let mut named = whose[..whose.len().min(NAMED)].join(", ");
    if whose.len() > NAMED {
        named.push_str(&format!(" and {} more", whose.len() - NAMED));
    }
    let message = format!(
        "{what} of {named} was set in {} and counts as {} from {on} on; set it again with {remedy}",
        from.code(),
        to.code()
    );
    Some(v1::PriceBookWarning {
        reason: reason.to_owned(),
        message,
    })
}
