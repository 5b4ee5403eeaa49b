//! What people say is right of a text that a task was asked about, and take back.

use domain::{Correction, ResourceName, Target, TenantContext};
use server::ServiceError;
use storage::ClassificationOutcome;

use crate::Router;
use crate::classify_commands::{Correct, Withdraw};

impl Router {
    /// Records what a person says is right, and answers whether the answer had been.
    pub(crate) async fn correct(
        &self,
        ctx: &TenantContext,
        command: Correct,
    ) -> Result<bool, ServiceError> {
        let store = &self.parts.store;
        let kind = self.parts.tasks.kind(ctx, &command.task).await?;
        let target = command.target(kind)?;
        let find = async || {
            let tx = store.begin(ctx).await?;
            tx.classifications().get(&command.request_id).await
        };
        let mut answer = find().await?;
        if answer.is_none() {
            // It may be younger than the last write.
            self.parts.answers.flush().await?;
            answer = find().await?;
        }
        let answer = answer
            .filter(|answer| answer.task == command.task)
            .ok_or_else(|| {
                ServiceError::not_found(format_args!("the answer {}", command.request_id))
            })?;
        let confirmed = confirms(&answer.outcome, &target);
        let correction = Correction {
            request_id: command.request_id,
            text: answer.text,
            target,
            given_at: self.parts.clock.now(),
        };
        let tx = store.begin(ctx).await?;
        tx.corrections().put(&command.task, &correction).await?;
        tx.commit().await?;
        Ok(confirmed)
    }

    /// Takes a correction back; says whether there was one. This replica's answers forget it before the
    /// call returns.
    pub(crate) async fn withdraw(
        &self,
        ctx: &TenantContext,
        command: Withdraw,
    ) -> Result<bool, ServiceError> {
        let Withdraw { task, request_id } = command;
        let now = self.parts.clock.now();
        let tx = self.parts.store.begin(ctx).await?;
        if tx.tasks().get(&task).await?.is_none() {
            let name = ResourceName::Task(ctx.tenant().clone(), task);
            return Err(ServiceError::not_found(name));
        }
        let withdrawn = tx.corrections().withdraw(&task, &request_id, now).await?;
        if withdrawn {
            let name = ResourceName::Task(ctx.tenant().clone(), task.clone());
            tx.audit()
                .record("corrections.withdraw", &name.to_string(), &request_id, now)
                .await?;
        }
        tx.commit().await?;
        if withdrawn {
            self.parts.tasks.renew(ctx, &task).await;
        }
        Ok(withdrawn)
    }
}

/// Whether what was answered is what is right.
fn confirms(outcome: &ClassificationOutcome, target: &Target) -> bool {
    match target {
        Target::Value(value) => outcome
            .value
            .is_some_and(|said| (said - value).abs() < 1e-9),
        Target::Labels(right) => {
            let fold = |label: &String| label.to_lowercase();
            let mut said: Vec<String> = outcome
                .labels
                .iter()
                .map(|(label, _)| fold(label))
                .collect();
            let mut right: Vec<String> = right.iter().map(fold).collect();
            said.sort_unstable();
            right.sort_unstable();
            said == right
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[&str]) -> ClassificationOutcome {
        ClassificationOutcome {
            labels: labels.iter().map(|one| ((*one).to_owned(), 0.5)).collect(),
            value: None,
            abstained: false,
        }
    }

    #[test]
    fn an_answer_is_confirmed_by_the_same_labels_in_any_order_and_case() {
        let right = Target::Labels(vec!["Billing".to_owned(), "legal".to_owned()]);
        assert!(confirms(&labels(&["Legal", "billing"]), &right));
        assert!(!confirms(&labels(&["billing"]), &right));
        assert!(!confirms(&labels(&[]), &right));
    }

    #[test]
    fn a_number_is_confirmed_by_the_same_number() {
        let said = |value| ClassificationOutcome {
            value,
            ..labels(&[])
        };
        assert!(confirms(&said(Some(2.0)), &Target::Value(2.0)));
        assert!(!confirms(&said(Some(2.5)), &Target::Value(2.0)));
        assert!(!confirms(&said(None), &Target::Value(2.0)));
    }
}
