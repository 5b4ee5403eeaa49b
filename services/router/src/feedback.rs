//! Feedback: what a person did with an answer, joined with the answer, and learned from.

use std::collections::{BTreeMap, HashSet};

use api::v1::{self, send_feedback_request::Verdict};
use chrono::{DateTime, Utc};
use domain::{
    ExpertId, FeedbackEvent, FeedbackVerdict, ItemContent, ItemId, ResourceName, TenantContext,
    resolve_assignees,
};
use jobs::{IndexItems, JobSpec};
use server::ServiceError;
use storage::{Answer, Feedback as Recorded, NewFeedback, TenantTx};

use crate::Router;
use crate::unknown_expert::check_known;

/// The attribute of an item that was made from feedback, with the id of the request.
const FROM_REQUEST: &str = "from_request";

/// Feedback as it was checked.
pub(crate) struct Feedback {
    request_id: String,
    said: FeedbackEvent,
}

impl TryFrom<v1::SendFeedbackRequest> for Feedback {
    type Error = ServiceError;

    fn try_from(request: v1::SendFeedbackRequest) -> Result<Self, ServiceError> {
        let expert = |field: &str, id: &str| match id {
            "" => Ok(None),
            id => ExpertId::parse(id)
                .map(Some)
                .map_err(|error| ServiceError::id(field, &error)),
        };
        let verdict = match request.verdict() {
            Verdict::Accepted => FeedbackVerdict::Accepted,
            Verdict::Rejected => FeedbackVerdict::Rejected,
            Verdict::Reassigned => FeedbackVerdict::Reassigned,
            Verdict::Unspecified => {
                return Err(ServiceError::invalid(
                    "verdict",
                    "say ACCEPTED, REJECTED or REASSIGNED",
                ));
            }
        };
        if request.request_id.is_empty() {
            return Err(ServiceError::invalid(
                "request_id",
                "is empty; send the answer's",
            ));
        }
        let said = FeedbackEvent {
            verdict,
            expert: expert("expert_id", &request.expert_id)?,
            reassigned_to: expert("reassigned_to", &request.reassigned_to)?,
        };
        check(&said)?;
        Ok(Self {
            said,
            request_id: request.request_id,
        })
    }
}

fn check(said: &FeedbackEvent) -> Result<(), ServiceError> {
    let problem = match (said.verdict, &said.expert, &said.reassigned_to) {
        (FeedbackVerdict::Reassigned, _, None) => ("reassigned_to", "say who took the question"),
        (FeedbackVerdict::Reassigned, _, Some(_)) => return Ok(()),
        (_, None, _) => ("expert_id", "say which expert is meant"),
        (_, Some(_), Some(_)) => ("reassigned_to", "goes with REASSIGNED only"),
        (_, Some(_), None) => return Ok(()),
    };
    Err(ServiceError::invalid(problem.0, problem.1))
}

impl Router {
    /// Records the feedback, has the tenant's models learn from it, and answers with the place of the
    /// expert it is about: the one who took the question, or who was refused.
    pub(crate) async fn record_feedback(
        &self,
        ctx: &TenantContext,
        feedback: Feedback,
    ) -> Result<v1::SendFeedbackResponse, ServiceError> {
        let store = &self.parts.store;
        let id = &feedback.request_id;
        let mut answer = store.begin(ctx).await?.answers().get(id).await?;
        if answer.is_none() {
            // It may be younger than the last write.
            self.parts.answers.flush().await?;
            answer = store.begin(ctx).await?.answers().get(id).await?;
        }
        let answer =
            answer.ok_or_else(|| ServiceError::not_found(format_args!("the answer {id}")))?;
        let tx = store.begin(ctx).await?;
        let (answer, said) = current_names(&tx, answer, feedback.said).await?;
        check_experts(&tx, &answer, &said).await?;
        let meant = said.reassigned_to.as_ref().or(said.expert.as_ref());
        let place = answer
            .experts
            .iter()
            .position(|(expert, _)| Some(expert) == meant);
        let now = self.parts.clock.now();
        let new = NewFeedback {
            request_id: feedback.request_id.clone(),
            said,
        };
        tx.feedback().add(new, now).await?;
        let recorded = tx.feedback().of_request(id).await?;
        let item = learn(&tx, &answer, &recorded, now).await?;
        tx.commit().await?;
        let item = item.map(|item| ResourceName::Item(ctx.tenant().clone(), item));
        Ok(v1::SendFeedbackResponse {
            // An answer has at most a hundred experts.
            rank: place.map_or(0, |at| at as u32 + 1),
            item: item.map(|item| item.to_string()).unwrap_or_default(),
        })
    }
}

/// The answer and what was said about it, with the names of today where experts became others since.
async fn current_names(
    tx: &TenantTx,
    mut answer: Answer,
    mut said: FeedbackEvent,
) -> Result<(Answer, FeedbackEvent), ServiceError> {
    let mut named: Vec<ExpertId> = answer.experts.iter().map(|(id, _)| id.clone()).collect();
    named.extend(said.expert.iter().chain(&said.reassigned_to).cloned());
    let called = tx.merges().now_called(&named).await?;
    if called.is_empty() {
        return Ok((answer, said));
    }
    let now = |id: &mut ExpertId| {
        if let Some(name) = called.get(id) {
            id.clone_from(name);
        }
    };
    let said_of = said.expert.iter_mut().chain(&mut said.reassigned_to);
    said_of.for_each(now);
    answer.experts.iter_mut().for_each(|(id, _)| now(id));
    let mut seen = HashSet::new();
    answer.experts.retain(|(id, _)| seen.insert(id.clone()));
    tx.answers()
        .set_experts(&answer.request_id, &answer.experts)
        .await?;
    Ok((answer, said))
}

/// Checks that feedback names people whom the tenant knows.
async fn check_experts(
    tx: &TenantTx,
    answer: &Answer,
    said: &FeedbackEvent,
) -> Result<(), ServiceError> {
    let named = [
        ("expert_id", &said.expert),
        ("reassigned_to", &said.reassigned_to),
    ];
    for (field, expert) in named {
        let Some(expert) = expert else { continue };
        if !answer.experts.iter().any(|(known, _)| known == expert) {
            check_known(tx, field, expert).await?;
        }
    }
    Ok(())
}

/// Makes the question and who took it an item like any other, so that it counts in the index, in
/// recency and in the next training: the item that was asked by, or a new one. Feedback takes back only
/// what feedback gave: experts that the tenant itself named stay. When nobody is left, the new one goes,
/// and the other is open again.
async fn learn(
    tx: &TenantTx,
    answer: &Answer,
    recorded: &[Recorded],
    now: DateTime<Utc>,
) -> Result<Option<ItemId>, ServiceError> {
    let takers = resolve_assignees(recorded.iter().map(|one| &one.said));
    let taken = !takers.is_empty();
    let earlier = recorded
        .split_last()
        .map_or(&[][..], |(_, earlier)| earlier);
    let before = resolve_assignees(earlier.iter().map(|one| &one.said));
    let made = format!("answer-{}", answer.request_id);
    let id = match &answer.item {
        Some(item) => item.clone(),
        None => ItemId::parse(made).map_err(ServiceError::internal)?,
    };
    let stored = tx.items().get(&id).await?.map(|item| item.content);
    let mut content = match (stored, &answer.item) {
        // The question was deleted since: what is gone stays gone.
        (None, Some(_)) => return Ok(None),
        (None, None) => question(&id, answer),
        (Some(content), _) => content,
    };
    content
        .experts
        .retain(|expert| takers.contains(expert) || !before.contains(expert));
    // Twice the same is once: see `ItemContent::validate`.
    content.experts.extend(takers);
    let changed = if !content.experts.is_empty() || answer.item.is_some() {
        // A question that could be answered but has no words to keep teaches nothing.
        let Ok(content) = content.validate(now) else {
            return Ok(None);
        };
        tx.items().upsert(vec![content], now).await?.accepted
    } else {
        let gone = tx.items().delete(std::slice::from_ref(&id), now).await?;
        gone.deleted
    };
    if changed > 0 {
        tx.jobs().enqueue(IndexItems {}.new_job(), now).await?;
    }
    Ok(taken.then_some(id))
}

/// The question of an answer as an item that nobody has answered yet.
fn question(id: &ItemId, answer: &Answer) -> ItemContent {
    ItemContent {
        id: id.clone(),
        text: answer.text.clone(),
        answer: None,
        area: None,
        labels: Vec::new(),
        attributes: BTreeMap::from([(FROM_REQUEST.to_owned(), answer.request_id.clone())]),
        experts: Vec::new(),
        occurred_at: answer.answered_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(verdict: Verdict, expert: &str, to: &str) -> Result<Feedback, ServiceError> {
        Feedback::try_from(v1::SendFeedbackRequest {
            request_id: "r-1".to_owned(),
            verdict: verdict.into(),
            expert_id: expert.to_owned(),
            reassigned_to: to.to_owned(),
            ..Default::default()
        })
    }

    #[test]
    fn each_verdict_names_whom_it_is_about() {
        let accepted = read(Verdict::Accepted, "sofia", "").unwrap();
        assert_eq!(accepted.said.verdict, FeedbackVerdict::Accepted);
        assert_eq!(accepted.said.expert.unwrap().as_str(), "sofia");
        let taken = read(Verdict::Reassigned, "", "omar").unwrap();
        assert_eq!(taken.said.reassigned_to.unwrap().as_str(), "omar");
        assert!(read(Verdict::Reassigned, "sofia", "omar").is_ok());
        for (verdict, expert, to, field) in [
            (Verdict::Unspecified, "sofia", "", "verdict"),
            (Verdict::Accepted, "", "", "expert_id"),
            (Verdict::Rejected, "", "", "expert_id"),
            (Verdict::Accepted, "sofia", "omar", "reassigned_to"),
            (Verdict::Reassigned, "sofia", "", "reassigned_to"),
        ] {
            let error = read(verdict, expert, to).err().unwrap();
            let expected = format!("the request cannot be accepted: {field}:");
            assert!(
                error.message().starts_with(&expected),
                "{}",
                error.message()
            );
        }
        let nobody = Feedback::try_from(v1::SendFeedbackRequest {
            verdict: Verdict::Accepted.into(),
            expert_id: "sofia".to_owned(),
            ..Default::default()
        });
        assert!(nobody.err().unwrap().message().contains("request_id"));
    }

    #[test]
    fn a_question_becomes_an_item_that_nobody_has_answered() {
        let answer = Answer {
            request_id: "r-1".to_owned(),
            text: "Why?".to_owned(),
            item: None,
            model: String::new(),
            tier: domain::Tier::Global,
            reason: String::new(),
            shadow: None,
            experts: Vec::new(),
            answered_at: DateTime::UNIX_EPOCH,
        };
        let id = ItemId::parse("answer-r-1").unwrap();
        let content = question(&id, &answer);
        assert_eq!(content.attributes[FROM_REQUEST], "r-1");
        assert!(content.experts.is_empty() && content.occurred_at == DateTime::UNIX_EPOCH);
    }
}
