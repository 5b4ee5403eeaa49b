//! `tenantry costs usage`: what a tenant consumed.

use api::v1;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use v1::list_usage_request::Period;

use crate::args::{PageArgs, TenantArg, filled};
use crate::client::Client;
use crate::error::CliError;
use crate::models::view::tier_name;
use crate::output::{Output, Row, time};

/// Options of `costs usage`.
#[derive(Debug, clap::Args)]
pub struct UsageArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// From this day or time on (UTC) [default: the first of this month]
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    from: Option<DateTime<Utc>>,
    /// Before this day or time (UTC) [default: now]
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    to: Option<DateTime<Utc>>,
    /// By hour instead of by day
    #[arg(long)]
    hourly: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// A day, which stands for its beginning, or a time.
fn read_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse::<DateTime<Utc>>()
        .map_err(|_| "send a day such as 2026-11-20, or a time such as 2026-11-20T13:00:00Z".into())
}

/// One sum of usage, as it is printed.
#[derive(Debug, Serialize)]
struct UsageView {
    start: Option<String>,
    service: String,
    meter: String,
    quantity: u64,
    unit: String,
    rpc: Option<String>,
    tier: Option<String>,
    model: Option<String>,
    adjustment_for: Option<String>,
}

impl From<v1::Usage> for UsageView {
    fn from(usage: v1::Usage) -> Self {
        Self {
            start: time(usage.start_time.as_ref()),
            service: usage.service,
            meter: usage.meter,
            quantity: usage.quantity,
            unit: usage.unit,
            rpc: filled(usage.rpc),
            tier: Some(usage.tier).filter(|tier| *tier != 0).map(tier_name),
            model: filled(usage.model),
            adjustment_for: filled(usage.adjustment_for),
        }
    }
}

impl Row for UsageView {
    const COLUMNS: &'static [&'static str] = &[
        "start",
        "service",
        "meter",
        "quantity",
        "unit",
        "rpc",
        "tier",
        "model",
        "adjustment for",
    ];
    fn cells(&self) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            text(&self.start),
            self.service.clone(),
            self.meter.clone(),
            self.quantity.to_string(),
            self.unit.clone(),
            text(&self.rpc),
            text(&self.tier),
            text(&self.model),
            text(&self.adjustment_for),
        ]
    }
}

/// Runs `costs usage`.
///
/// # Errors
/// What the person should be told.
pub async fn run(client: &Client, args: &UsageArgs, out: &mut Output) -> Result<(), CliError> {
    let parent = args.tenant.parent()?;
    let period = match args.hourly {
        true => Period::Hour,
        false => Period::Day,
    };
    let usage = args
        .page
        .collect(async |page_size, page_token| {
            let request = v1::ListUsageRequest {
                parent: parent.clone(),
                start_time: args.from.map(api::timestamp),
                end_time: args.to.map(api::timestamp),
                period: period.into(),
                page_size,
                page_token,
            };
            let answer = client.costs().list_usage(client.timed(request)).await;
            let answer = client.answer(answer)?;
            Ok((answer.usage, answer.next_page_token))
        })
        .await?;
    out.list(&usage.into_iter().map(UsageView::from).collect::<Vec<_>>())
}
