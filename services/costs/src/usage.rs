//! A tenant's usage by hour or by day.

use api::v1;
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use domain::TenantContext;
use server::{ServiceError, page, parse_page_token};
use storage::{UsageHour, UsageKey};

use crate::Costs;
use crate::month::midnight;

/// What usage is asked for.
pub(crate) struct UsageQuery {
    from: DateTime<Utc>,
    /// This time is not in it any more.
    to: DateTime<Utc>,
    hourly: bool,
    after: Option<UsageKey>,
    limit: u32,
}

impl UsageQuery {
    /// Reads a request; what it leaves out is this month until now.
    pub(crate) fn parse(
        request: &v1::ListUsageRequest,
        now: DateTime<Utc>,
    ) -> Result<Self, ServiceError> {
        let violated = |error| ServiceError::violations(vec![error]);
        let time = |field: &str, at: Option<&_>| {
            let read = at.map(|at| api::from_timestamp(field, at));
            read.transpose().map_err(violated)
        };
        let today = now.date_naive();
        let first = today.with_day(1).unwrap_or(today);
        let from = time("start_time", request.start_time.as_ref())?;
        let from = from.unwrap_or_else(|| midnight(first));
        let to = time("end_time", request.end_time.as_ref())?.unwrap_or(now.max(from));
        if from > to {
            let message = format!("is {from}, after the end {to}; send an earlier one");
            return Err(ServiceError::invalid("start_time", message));
        }
        Ok(Self {
            from,
            to,
            hourly: request.period() == v1::list_usage_request::Period::Hour,
            after: parse_page_token(&request.page_token)?,
            limit: api::page_limit(request.page_size, 500, 5_000).map_err(violated)?,
        })
    }

    /// The first and the last day that begin in the time asked for; none when no day does.
    fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let first = self.from.date_naive();
        let first = match self.from > midnight(first) {
            true => first.succ_opt()?,
            false => first,
        };
        let last = self.to.date_naive();
        let last = match self.to > midnight(last) {
            true => last,
            false => last.pred_opt()?,
        };
        (first <= last).then_some((first, last))
    }
}

impl Costs {
    /// A page of the tenant's usage.
    pub(crate) async fn usage(
        &self,
        ctx: &TenantContext,
        query: UsageQuery,
    ) -> Result<v1::ListUsageResponse, ServiceError> {
        self.check_known(ctx.tenant()).await?;
        let days = query.days();
        let UsageQuery {
            from,
            to,
            hourly,
            after,
            limit,
        } = query;
        let tx = self.store.begin(ctx).await?;
        let usage = tx.usage();
        let found: Vec<(UsageKey, v1::Usage)> = match (hourly, days) {
            (true, _) => {
                let rows = usage.hours_page(from, to, after, limit).await?;
                let wire = |(key, hour)| (key, of_hour(hour));
                rows.into_iter().map(wire).collect()
            }
            (false, Some((first, last))) => {
                let rows = usage.days_page(first, last, after, limit).await?;
                let wire = |(key, line)| (key, v1::Usage::from(line));
                rows.into_iter().map(wire).collect()
            }
            (false, None) => Vec::new(),
        };
        let page = page(found, limit, |(key, usage)| (key.to_string(), usage));
        Ok(v1::ListUsageResponse {
            usage: page.entries,
            next_page_token: page.next_page_token,
        })
    }
}

fn of_hour(hour: UsageHour) -> v1::Usage {
    v1::Usage {
        start_time: Some(api::timestamp(hour.hour)),
        service: hour.service.as_str().to_owned(),
        meter: hour.meter.as_str().to_owned(),
        quantity: hour.quantity,
        unit: hour.meter.unit().to_owned(),
        rpc: hour.rpc,
        tier: hour
            .tier
            .map_or(v1::Tier::Unspecified, v1::Tier::from)
            .into(),
        model: hour.model,
        adjustment_for: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: &str, to: &str) -> Result<UsageQuery, ServiceError> {
        let time = |text: &str| {
            let at: Option<DateTime<Utc>> = text.parse().ok();
            at.map(api::timestamp)
        };
        let request = v1::ListUsageRequest {
            start_time: time(from),
            end_time: time(to),
            ..Default::default()
        };
        UsageQuery::parse(&request, "2026-11-21T10:30:00Z".parse().unwrap())
    }

    #[test]
    fn days_are_those_that_begin_in_the_time_asked_for() {
        let days = |from, to| {
            let found = query(from, to).unwrap().days();
            found.map(|(first, last)| format!("{first} {last}"))
        };
        assert_eq!(days("", "").as_deref(), Some("2026-11-01 2026-11-21"));
        let november = days("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
        assert_eq!(november.as_deref(), Some("2026-11-01 2026-11-30"));
        let later = days("2026-11-01T00:00:01Z", "2026-11-03T00:00:01Z");
        assert_eq!(later.as_deref(), Some("2026-11-02 2026-11-03"));
        assert_eq!(days("2026-11-01T01:00:00Z", "2026-11-01T02:00:00Z"), None);
    }

    #[test]
    fn an_end_before_its_beginning_is_refused() {
        let error = query("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z").err();
        assert!(error.unwrap().message().contains("start_time"));
    }
}
