//! Feedback: what a person did with an answer, joined with the answer.

use api::v1::{self, send_feedback_request::Verdict};
use domain::{ExpertId, TenantContext};
use server::ServiceError;
use storage::NewFeedback;

use crate::Router;

/// Feedback as it was checked.
pub(crate) struct Feedback {
    request_id: String,
    verdict: &'static str,
    expert: Option<ExpertId>,
    reassigned_to: Option<ExpertId>,
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
            Verdict::Accepted => "ACCEPTED",
            Verdict::Rejected => "REJECTED",
            Verdict::Reassigned => "REASSIGNED",
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
        let made = Self {
            verdict,
            expert: expert("expert_id", &request.expert_id)?,
            reassigned_to: expert("reassigned_to", &request.reassigned_to)?,
            request_id: request.request_id,
        };
        if verdict == "REASSIGNED" && made.reassigned_to.is_none() {
            return Err(ServiceError::invalid(
                "reassigned_to",
                "say who took the question",
            ));
        }
        if verdict != "REASSIGNED" && made.expert.is_none() {
            return Err(ServiceError::invalid(
                "expert_id",
                "say which expert is meant",
            ));
        }
        if verdict != "REASSIGNED" && made.reassigned_to.is_some() {
            return Err(ServiceError::invalid(
                "reassigned_to",
                "goes with REASSIGNED only",
            ));
        }
        Ok(made)
    }
}

impl Router {
    /// Keeps the feedback, and answers with the place of the expert it is about: the one who took
    /// the question, or who was refused.
    pub(crate) async fn keep_feedback(
        &self,
        ctx: &TenantContext,
        feedback: Feedback,
    ) -> Result<u32, ServiceError> {
        let store = &self.parts.store;
        let mut answer = store
            .begin(ctx)
            .await?
            .answers()
            .get(&feedback.request_id)
            .await?;
        if answer.is_none() {
            // It may be younger than the last write.
            self.parts.answers.flush().await?;
            answer = store
                .begin(ctx)
                .await?
                .answers()
                .get(&feedback.request_id)
                .await?;
        }
        let answer = answer.ok_or_else(|| {
            ServiceError::not_found(format_args!("the answer {}", feedback.request_id))
        })?;
        let meant = feedback.reassigned_to.as_ref().or(feedback.expert.as_ref());
        let place = answer
            .experts
            .iter()
            .position(|(expert, _)| Some(expert) == meant);
        let tx = store.begin(ctx).await?;
        let new = NewFeedback {
            request_id: feedback.request_id,
            verdict: feedback.verdict.to_owned(),
            expert: feedback.expert,
            reassigned_to: feedback.reassigned_to,
        };
        tx.feedback().add(new, self.parts.clock.now()).await?;
        tx.commit().await?;
        // An answer has at most a hundred experts.
        Ok(place.map_or(0, |at| at as u32 + 1))
    }
}
