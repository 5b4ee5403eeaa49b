//! What tenants' answers are worth, and whether their own models pay for themselves.

use std::collections::HashMap;

use api::v1;
use chrono::{DateTime, NaiveDate, Utc};
use domain::cost::{
    ArmFeedback, CostError, CostKind, CostLine, Currency, ModelCase, ModelValue, Service,
    TenantValue, ValueSetting, verdict,
};
use domain::{SIGNIFICANCE_LEVEL, TenantContext, TenantId, Tier};
use metering::export::page::ValueRow;
use rust_decimal::Decimal;
use server::ServiceError;
use storage::{CountedAnswers, StoredVerdict};

use crate::Costs;
use crate::month::MonthData;

/// A verdict that has not changed is written again when it is older than this.
const REWRITE_AFTER: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// What a tenant's answers of a month earned.
#[derive(Debug, Clone)]
pub(crate) struct Earned {
    answers: CountedAnswers,
    all: ArmFeedback,
    setting: Option<ValueSetting>,
    /// None where the value of an answer is not known.
    value: Option<TenantValue>,
    /// The verdict on its own model, and what that costs beyond the tier above; none without one.
    own: Option<(ModelValue, Decimal)>,
}

/// What the own models of tenants cost in a month beyond the tier above: their training. A tenant's
/// share of training the tiers above is none of it; and what a tenant holds in memory is its history,
/// whichever model reads it.
pub(crate) fn extra_costs(lines: &[CostLine]) -> HashMap<TenantId, Decimal> {
    let mut extra: HashMap<TenantId, Decimal> = HashMap::new();
    for line in lines.iter().filter(|line| line.kind == CostKind::Direct) {
        let above = line.tier.is_some_and(|tier| tier != Tier::Tenant);
        let own = line.service == Some(Service::Trainer) && !above;
        if let Some(tenant) = line.tenant.as_ref().filter(|_| own) {
            let so_far = extra.entry(tenant.clone()).or_default();
            // Sums of these lines have been checked on their way to the total.
            *so_far = so_far.saturating_add(line.cost);
        }
    }
    extra
}

/// The counts of several models together.
fn together<'a>(arms: impl Iterator<Item = &'a ArmFeedback>) -> ArmFeedback {
    let mut sum = ArmFeedback::default();
    for arm in arms {
        sum.answered += arm.answered;
        sum.judged += arm.judged;
        sum.accepted += arm.accepted;
        if sum.positions.len() < arm.positions.len() {
            sum.positions.resize(arm.positions.len(), 0);
        }
        for (sum, count) in sum.positions.iter_mut().zip(&arm.positions) {
            *sum += count;
        }
    }
    sum
}

impl Earned {
    /// What the counted answers of a tenant are worth, against its total cost.
    pub(crate) fn of(
        tenant: &TenantId,
        answers: CountedAnswers,
        value_per_accepted: Option<Decimal>,
        costs: (Decimal, Decimal),
        currency: Currency,
    ) -> Result<Self, CostError> {
        let (total, extra) = costs;
        let arm = |own: bool| {
            let models = answers.models.iter();
            let of_arm = models.filter(move |one| (one.tier == Tier::Tenant) == own);
            together(of_arm.map(|one| &one.feedback))
        };
        let (own, above) = (arm(true), arm(false));
        let all = together([&own, &above].into_iter());
        let setting = value_per_accepted.map(|value_per_accepted| ValueSetting {
            value_per_accepted,
            currency,
        });
        let value = setting.map(|one| one.of_tenant(tenant.clone(), all.accepted, total, currency));
        // Without an own model there is nothing to judge.
        let has_own = own.answered > 0 || extra > Decimal::ZERO;
        let judged = setting.filter(|_| has_own).map(|setting| {
            verdict(&ModelCase {
                own: &own,
                above: &above,
                answers_in_month: all.answered,
                value_per_accepted: setting.value_per_accepted,
                extra_cost: extra,
                doubt: SIGNIFICANCE_LEVEL,
            })
        });
        Ok(Self {
            value: value.transpose()?,
            own: judged.transpose()?.map(|value| (value, extra)),
            answers,
            all,
            setting,
        })
    }

    /// The verdict on the own model, as it is kept.
    fn kept(&self, data: &MonthData, now: DateTime<Utc>) -> Option<StoredVerdict> {
        self.own.as_ref().map(|(own, _)| StoredVerdict {
            month: data.month,
            verdict: own.verdict,
            lift: (
                Some(own.lift.low).filter(|end| end.is_finite()),
                own.lift.mean,
                Some(own.lift.high).filter(|end| end.is_finite()),
            ),
            net: own.net.mean,
            computed_at: now,
        })
    }

    /// As the page for finance shows it; none where the value of an answer is not known.
    pub(crate) fn on_page(&self) -> Option<ValueRow> {
        Some(ValueRow {
            value: self.value.clone()?,
            answered: self.all.answered,
            verdict: self.own.as_ref().map(|(own, _)| own.verdict),
        })
    }

    /// What answers were worth, by the day they were given on.
    pub(crate) fn by_day(&self) -> Vec<(NaiveDate, Decimal)> {
        let worth = |accepted: u64| {
            let setting = self.setting?;
            setting.value_per_accepted.checked_mul(accepted.into())
        };
        let days = self.answers.accepted_on.iter();
        days.filter_map(|(day, accepted)| Some((*day, worth(*accepted)?)))
            .collect()
    }

    pub(crate) fn to_wire(&self, currency: Currency) -> v1::TenantValue {
        let all = &self.all;
        let rate = all.accepted as f64 / all.answered.max(1) as f64;
        let models = self.answers.models.iter().map(|one| v1::AnswersOfModel {
            model: one.model.clone(),
            tier: v1::Tier::from(one.tier).into(),
            answered: one.feedback.answered,
            judged: one.feedback.judged,
            accepted: one.feedback.accepted,
            positions: one.feedback.positions.clone(),
        });
        let text = |amount: Option<Decimal>| amount.map_or_else(String::new, |a| a.to_string());
        let value = self.value.as_ref();
        v1::TenantValue {
            answered: all.answered,
            judged: all.judged,
            accepted: all.accepted,
            take_rate: (all.answered > 0).then_some(rate),
            mean_position: all.mean_position(),
            models: models.collect(),
            value_per_accepted: text(self.setting.map(|setting| setting.value_per_accepted)),
            value: text(value.map(|value| value.value)),
            net: text(value.map(|value| value.net)),
            own_model: self.own.as_ref().map(|(own, extra)| {
                v1::ModelValue::of(own, *extra, |amount| currency.round(amount))
            }),
        }
    }
}

impl Costs {
    /// What a tenant earned in the month, and costs in it; none when it is not there any more.
    pub(crate) async fn earned(
        &self,
        data: &MonthData,
        tenant: &TenantId,
        costs: (Decimal, Decimal),
        currency: Currency,
    ) -> Result<Option<Earned>, ServiceError> {
        let Some(known) = data.tenants.get(tenant) else {
            return Ok(None);
        };
        let ctx = TenantContext::for_background_work(tenant, "costs");
        let (from, to) = data.span();
        let tx = self.store.begin(&ctx).await?;
        let answers = tx.answers().counted(from, to).await?;
        drop(tx);
        let value = known.settings.value_per_accepted;
        let earned = Earned::of(tenant, answers, value, costs, currency);
        // A value that is a slip of one tenant's keeps nobody from the others' report.
        let told = |error: &CostError| {
            tracing::warn!(%tenant, %error, "what a tenant earns cannot be worked out");
        };
        Ok(earned.inspect_err(told).ok())
    }

    /// Stores the verdict on the tenant's own model where the router finds it. One that cannot be
    /// stored holds up nobody's: it is computed again soon.
    pub(crate) async fn store_verdict(&self, data: &MonthData, tenant: &TenantId, earned: &Earned) {
        let ctx = TenantContext::for_background_work(tenant, "costs");
        let kept = earned.kept(data, self.clock.now());
        if let Err(error) = self.try_store(&ctx, data, kept).await {
            tracing::warn!(%tenant, %error, "the verdict on an own model was not stored");
        }
    }

    async fn try_store(
        &self,
        ctx: &TenantContext,
        data: &MonthData,
        kept: Option<StoredVerdict>,
    ) -> Result<(), ServiceError> {
        let tx = self.store.begin(ctx).await?;
        let before = tx.values().newest().await?;
        let none = before.is_none();
        let of_month = before.filter(|before| before.month == data.month);
        let fresh = match (&of_month, &kept) {
            // One of an older month is taken away: nothing is to be said any more.
            (None, None) => none,
            (Some(before), Some(kept)) => {
                before.verdict == kept.verdict
                    && kept.computed_at - before.computed_at < REWRITE_AFTER
            }
            _ => false,
        };
        if !fresh {
            tx.values().put(data.month, kept.as_ref()).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
