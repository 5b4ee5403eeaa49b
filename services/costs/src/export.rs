//! A month's costs as a file: FOCUS as CSV or Parquet, or the page for finance.

use std::collections::BTreeMap;

use api::v1;
use chrono::{DateTime, NaiveDate, Utc};
use domain::TenantId;
use domain::cost::{By, Month};
use metering::MeteringError;
use metering::export::focus::{FocusContext, focus_rows, write_csv, write_parquet};
use metering::export::page::{CostPage, DayTotal, ValueRow, page};
use rust_decimal::Decimal;
use server::ServiceError;
use tokio_stream::Iter;
use tonic::Status;
use v1::export_costs_request::Format;

use crate::Costs;
use crate::report::MonthReport;
use crate::value::Earned;

/// Who runs the platform, as FOCUS wants it named.
const PROVIDER: &str = "Tenantry";
/// Who pays for the whole of it: there is one such account.
const BILLING_ACCOUNT: (&str, &str) = ("platform", "The whole platform");
/// The bytes of one message.
const PART: usize = 256 * 1024;

/// A file in messages.
pub(crate) type Parts = Iter<std::vec::IntoIter<Result<v1::ExportCostsResponse, Status>>>;

/// Cuts a file into messages.
pub(crate) fn in_parts(bytes: &[u8]) -> Parts {
    let part = |data: &[u8]| {
        Ok(v1::ExportCostsResponse {
            data: data.to_vec(),
        })
    };
    let parts: Vec<_> = bytes.chunks(PART).map(part).collect();
    tokio_stream::iter(parts)
}

impl Costs {
    /// The bytes of the file.
    pub(crate) async fn export(
        &self,
        tenant: Option<&TenantId>,
        month: Month,
        format: Format,
    ) -> Result<Vec<u8>, ServiceError> {
        let by = match format {
            Format::HtmlPage => By::Day,
            Format::Unspecified | Format::FocusCsv | Format::FocusParquet => By::None,
        };
        let mut made = self.report(tenant, month, by).await?;
        if let Some(tenant) = tenant {
            let own = |bearer: &Option<TenantId>| bearer.as_ref() == Some(tenant);
            made.priced.lines.retain(|line| own(&line.tenant));
        }
        let now = self.clock.now();
        // On a thread of its own: a large platform has many lines.
        tokio::task::spawn_blocking(move || written(&made, format, now))
            .await
            .map_err(ServiceError::internal)?
            .map_err(ServiceError::from)
    }
}

fn written(
    made: &MonthReport,
    format: Format,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, MeteringError> {
    let names = names(made);
    if format == Format::HtmlPage {
        return Ok(finance_page(made, &names, now)?.into_bytes());
    }
    let context = FocusContext {
        provider: PROVIDER,
        billing_account_id: BILLING_ACCOUNT.0,
        billing_account_name: BILLING_ACCOUNT.1,
        tenant_names: &names,
        late: made.data.lines(),
    };
    let rows = focus_rows(&made.priced, &context)?;
    let mut bytes = Vec::new();
    match format {
        Format::FocusParquet => write_parquet(&rows, &mut bytes)?,
        _ => write_csv(&rows, &mut bytes)?,
    }
    Ok(bytes)
}

/// What tenants are called, where they have a name for people.
fn names(made: &MonthReport) -> BTreeMap<TenantId, String> {
    let named = made.data.tenants.values();
    let named = named.filter(|tenant| !tenant.display_name.trim().is_empty());
    named
        .map(|tenant| (tenant.id.clone(), tenant.display_name.clone()))
        .collect()
}

fn finance_page(
    made: &MonthReport,
    names: &BTreeMap<TenantId, String>,
    now: DateTime<Utc>,
) -> Result<String, MeteringError> {
    let mut by_day: BTreeMap<NaiveDate, Decimal> = BTreeMap::new();
    for (day, worth) in made.earned.values().flat_map(Earned::by_day) {
        let sum = by_day.entry(day).or_default();
        let more = sum.checked_add(worth);
        *sum = more.ok_or(MeteringError::TooLarge("the value of a day"))?;
    }
    let mut values: Vec<ValueRow> = made.earned.values().filter_map(Earned::on_page).collect();
    values.sort_by(|one, other| one.value.tenant.cmp(&other.value.tenant));
    page(&CostPage {
        report: &made.report,
        tenant_names: names,
        values: &values,
        days: &DayTotal::of_report(&made.report, &by_day)?,
        generated_at: now,
    })
}
