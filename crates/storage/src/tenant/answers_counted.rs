//! Answers counted by what people did with them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use domain::cost::ArmFeedback;
use domain::{ExpertId, FeedbackEvent, RouteReason, Tier, resolve_assignees};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use super::Answers;
use crate::convert::{count, from_json, micros, named, time};
use crate::rows::answers::{Column, Entity};
use crate::rows::feedback;
use crate::{Feedback, Result};

/// Judged answers that are looked at together.
const PAGE: u64 = 500;
/// Places that are counted one by one; nobody is shown more experts.
const PLACES: usize = 100;

/// What people did with the answers of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswersOfModel {
    /// The name of the model.
    pub model: String,
    /// Its tier.
    pub tier: Tier,
    /// What people did. An answer is accepted when one of the experts that it names took the question.
    pub feedback: ArmFeedback,
}

/// Answers counted by what people did with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedAnswers {
    /// By tier and model.
    pub models: Vec<AnswersOfModel>,
    /// Those that were accepted, by the day they were given on; days without any are left out.
    pub accepted_on: BTreeMap<NaiveDate, u64>,
}

/// What of an answer is needed to judge it.
type Judged = (String, String, String, sea_orm::JsonValue, i64);

#[derive(Default)]
struct Counts {
    models: BTreeMap<(String, String), ArmFeedback>,
    accepted_on: BTreeMap<NaiveDate, u64>,
}

impl Answers<'_> {
    /// The answers given in `from..to`, counted by tier and model, with all that was said about them
    /// until now. Answers of a model that the request named are none: somebody compared. Reads in pages: memory does not grow with the number of answers.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "answers.counted", skip_all)]
    pub async fn counted(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<CountedAnswers> {
        let mut counts = self.answered(from, to).await?;
        let mut after = None;
        loop {
            let page = self.judged_page(from, to, after.as_deref()).await?;
            let full = page.len() as u64 >= PAGE;
            after = page.last().map(|(request, ..)| request.clone());
            self.judge(page, &mut counts).await?;
            if !full {
                break;
            }
        }
        let models = counts.models.into_iter().map(|((tier, model), feedback)| {
            let tier = named("answers.tier", &tier, Tier::parse)?;
            Ok(AnswersOfModel {
                model,
                tier,
                feedback,
            })
        });
        Ok(CountedAnswers {
            models: models.collect::<Result<_>>()?,
            accepted_on: counts.accepted_on,
        })
    }

    fn given(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Select<Entity> {
        self.tx
            .find::<Entity>()
            .filter(Column::AnsweredAt.gte(micros(from)))
            .filter(Column::AnsweredAt.lt(micros(to)))
            .filter(Column::Reason.ne(RouteReason::Requested.code()))
    }

    /// How many answers each tier's models gave.
    async fn answered(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Counts> {
        let db = self.tx.session().read().await?;
        let rows: Vec<(String, String, i64)> = self
            .given(from, to)
            .select_only()
            .column(Column::Tier)
            .column(Column::Model)
            .column_as(Column::RequestId.count(), "answers")
            .group_by(Column::Tier)
            .group_by(Column::Model)
            .into_tuple()
            .all(db)
            .await?;
        let counted = rows.into_iter().map(|(tier, model, answers)| {
            let feedback = ArmFeedback {
                answered: count(answers),
                ..ArmFeedback::default()
            };
            ((tier, model), feedback)
        });
        Ok(Counts {
            models: counted.collect(),
            ..Counts::default()
        })
    }

    /// Answers that something was said about, by request.
    async fn judged_page(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: Option<&str>,
    ) -> Result<Vec<Judged>> {
        let db = self.tx.session().read().await?;
        let said = self
            .tx
            .find::<feedback::Entity>()
            .select_only()
            .column(feedback::Column::RequestId)
            .into_query();
        let mut query = self
            .given(from, to)
            .filter(Column::RequestId.in_subquery(said))
            .select_only()
            .column(Column::RequestId)
            .column(Column::Tier)
            .column(Column::Model)
            .column(Column::Experts)
            .column(Column::AnsweredAt)
            .order_by_asc(Column::RequestId)
            .limit(PAGE);
        if let Some(after) = after {
            query = query.filter(Column::RequestId.gt(after));
        }
        Ok(query.into_tuple().all(db).await?)
    }

    async fn judge(&self, page: Vec<Judged>, counts: &mut Counts) -> Result<()> {
        if page.is_empty() {
            return Ok(());
        }
        let db = self.tx.session().read().await?;
        let requests = page.iter().map(|(request, ..)| request.as_str());
        let rows = self
            .tx
            .find::<feedback::Entity>()
            .filter(feedback::Column::RequestId.is_in(requests))
            .order_by_asc(feedback::Column::Sequence)
            .all(db)
            .await?;
        let mut said: HashMap<String, Vec<FeedbackEvent>> = HashMap::new();
        for row in rows {
            let one = Feedback::try_from(row)?;
            said.entry(one.request_id).or_default().push(one.said);
        }
        for (request, tier, model, experts, answered_at) in page {
            let said = said.remove(&request).unwrap_or_default();
            let experts: Vec<(ExpertId, f64)> = from_json("answers.experts", experts)?;
            let known = counts.models.entry((tier, model)).or_default();
            if count_judged(known, &experts, &said) {
                let day = time("answers.answered_at", answered_at)?.date_naive();
                *counts.accepted_on.entry(day).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// Counts one judged answer that named `experts`, and says if it was accepted.
fn count_judged(
    counts: &mut ArmFeedback,
    experts: &[(ExpertId, f64)],
    said: &[FeedbackEvent],
) -> bool {
    if said.is_empty() || counts.judged >= counts.answered {
        // What was answered between two reads of the same call waits for the next one.
        return false;
    }
    counts.judged += 1;
    let takers = resolve_assignees(said);
    let place = experts
        .iter()
        .position(|(expert, _)| takers.contains(expert));
    let Some(place) = place else { return false };
    counts.accepted += 1;
    let place = place.min(PLACES - 1);
    if counts.positions.len() <= place {
        counts.positions.resize(place + 1, 0);
    }
    if let Some(taken) = counts.positions.get_mut(place) {
        *taken += 1;
    }
    true
}
