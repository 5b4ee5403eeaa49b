//! Two models held against each other by what they did after their training.

use chrono::{DateTime, Utc};
use domain::{
    Alias, Comparison, Estimate, ExpertId, ModelName, ModelOwner, OnlineEvaluation, RouteReason,
    RunningMean, SIGNIFICANCE_LEVEL, TaskId, TenantContext, resolve_assignees,
};
use registry::resolve::{TierChampions, builtin_model};
use server::ServiceError;
use storage::JudgedAnswer;

use crate::Training;

/// Pieces of feedback that a comparison looks at, the newest.
const FEEDBACK: u32 = 20_000;

/// Which models to compare; none means the one that the aliases name.
pub(crate) struct Compare {
    pub task: TaskId,
    pub baseline: Option<ModelName>,
    pub candidate: Option<ModelName>,
}

/// What two models did, the baseline before the candidate.
#[derive(Debug)]
pub(crate) struct ModelComparison {
    pub served: [ServedResult; 2],
    /// Each is the candidate's minus the baseline's.
    pub take_rate_gain: Estimate,
    pub served_gain: Estimate,
    pub shadow_gain: Estimate,
    pub outcome: Comparison,
}

/// What one model did when it answered.
#[derive(Debug)]
pub(crate) struct ServedResult {
    pub model: ModelName,
    pub answers: u64,
    pub judged: u64,
    pub take_rate: Estimate,
    pub mrr: Estimate,
    /// On what came after its training; of the tenant's own.
    pub online_evaluation: Option<OnlineEvaluation>,
}

/// What a model did when it answered.
#[derive(Debug, Clone, Copy, Default)]
struct Served {
    answers: u64,
    taken: u64,
    ranks: RunningMean,
}

impl Served {
    /// Where `takers` took the question, of an answer that recommended `experts`.
    fn judge(&mut self, experts: &[&ExpertId], takers: &[ExpertId]) {
        let rank = reciprocal(experts, takers);
        self.taken += u64::from(rank > 0.0);
        self.ranks.add(rank);
    }

    fn take_rate(&self, doubt: f64) -> Estimate {
        RunningMean::of_share(self.taken, self.answers).estimate(doubt)
    }
}

impl Training {
    /// Compares two models of the tenant's own chain.
    pub(crate) async fn compare(
        &self,
        ctx: &TenantContext,
        command: Compare,
    ) -> Result<ModelComparison, ServiceError> {
        let names = self.compared(ctx, &command).await?;
        let tx = self.begin(ctx).await?;
        let judged = tx.answers().judged(FEEDBACK).await?;
        let mut served = [Served::default(); 2];
        let mut shadow = RunningMean::default();
        let since = begin_of(&judged).max(both_from(&judged, &names));
        let together = judged
            .iter()
            .filter(|one| is_routed(one) && Some(one.answer.answered_at) >= since);
        for one in together {
            weigh(one, &names, &mut served, &mut shadow);
        }
        for (name, served) in names.iter().zip(&mut served) {
            let count = tx.answers().count_of(&name.to_string(), since).await?;
            served.answers = count;
        }
        drop(tx);
        let mut made = conclude(&names, &served, &shadow);
        for (name, served) in names.iter().zip(&mut made.served) {
            served.online_evaluation = self.online_evaluation(ctx, name).await?;
        }
        Ok(made)
    }

    /// How a model of the tenant's own does on what came after its training.
    pub(crate) async fn online_evaluation(
        &self,
        ctx: &TenantContext,
        name: &ModelName,
    ) -> Result<Option<OnlineEvaluation>, ServiceError> {
        if name.owner != ModelOwner::Tenant(ctx.tenant().clone()) {
            return Ok(None);
        }
        let tx = self.begin(ctx).await?;
        Ok(tx.scores().get(&name.task, name.version).await?)
    }

    /// The names of the baseline and the candidate.
    async fn compared(
        &self,
        ctx: &TenantContext,
        command: &Compare,
    ) -> Result<[ModelName; 2], ServiceError> {
        let tx = self.begin(ctx).await?;
        let champion = tx.models().alias(&command.task, Alias::Champion).await?;
        let challenger = tx.models().alias(&command.task, Alias::Challenger).await?;
        drop(tx);
        let own = |version| ModelName {
            owner: ModelOwner::Tenant(ctx.tenant().clone()),
            task: command.task.clone(),
            version,
        };
        let baseline = match command.baseline.clone().or(champion.map(own)) {
            Some(name) => name,
            None => self.serving_above(ctx, &command.task).await?,
        };
        let candidate = command.candidate.clone().or(challenger.map(own));
        let candidate = candidate.ok_or_else(|| {
            let message = "there is no challenger; name the candidate, or retrain to get one";
            ServiceError::new(
                domain::ErrorKind::FailedPrecondition,
                "NO_CHALLENGER",
                message,
            )
        })?;
        if candidate == baseline {
            let message = "is the baseline itself; name two models";
            return Err(ServiceError::invalid("candidate", message));
        }
        for name in [&baseline, &candidate] {
            // Models of other tenants are not found. Those of the tiers are only counted by name.
            if let ModelOwner::Tenant(tenant) = &name.owner {
                let tx = self.begin(ctx).await?;
                let own = tenant == ctx.tenant();
                if !own || tx.models().get(&name.task, name.version).await?.is_none() {
                    return Err(ServiceError::not_found(name));
                }
            }
        }
        Ok([baseline, candidate])
    }

    /// The model of the tier above the tenant that serves now.
    async fn serving_above(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
    ) -> Result<ModelName, ServiceError> {
        let shared = self.store.shared_with(ctx).await?;
        let vertical = Some(&shared.tenant().vertical);
        let above = TierChampions::read(&shared.tiers(), vertical, task).await?;
        Ok(above.names().next().unwrap_or_else(|| builtin_model(task)))
    }
}

/// Where the feedback begins that a comparison looks at; none when it looks at all of it. Answers
/// before it are not counted either, or the shares taken would be too small.
fn begin_of(judged: &[JudgedAnswer]) -> Option<DateTime<Utc>> {
    let said: usize = judged.iter().map(|one| one.said.len()).sum();
    let cut = said >= FEEDBACK as usize;
    let times = judged.iter().map(|one| one.answer.answered_at);
    times.min().filter(|_| cut)
}

/// Whether the routing meant the model that answered. One that was asked for by name, or stood in for another
/// that could not answer, got questions of its own kind.
fn is_routed(one: &JudgedAnswer) -> bool {
    !RouteReason::NOT_BY_ROUTING
        .iter()
        .any(|reason| reason.code() == one.answer.reason)
}

/// From when on both models answered: before the later one began, times were others for the one alone.
/// None when one of them has no answer.
fn both_from(judged: &[JudgedAnswer], names: &[ModelName; 2]) -> Option<DateTime<Utc>> {
    let first = |name: &ModelName| {
        let name = name.to_string();
        let own = judged
            .iter()
            .filter(|one| is_routed(one) && one.answer.model == name);
        own.map(|one| one.answer.answered_at).min()
    };
    let [baseline, candidate] = names.each_ref().map(first);
    Some(baseline?.max(candidate?))
}

/// Counts an answer where one of the two gave it, and where both did, one of them as a shadow.
fn weigh(
    one: &JudgedAnswer,
    names: &[ModelName; 2],
    served: &mut [Served; 2],
    shadow: &mut RunningMean,
) {
    let takers = resolve_assignees(&one.said);
    let names = names.each_ref().map(ToString::to_string);
    let Some(at) = names.iter().position(|name| *name == one.answer.model) else {
        return;
    };
    if takers.is_empty() {
        // Everybody was refused, or what was said is contradicted: nobody knows who was right.
        return;
    }
    let experts: Vec<&ExpertId> = one.answer.experts.iter().map(|(id, _)| id).collect();
    served[at].judge(&experts, &takers);
    let Some(beside) = &one.answer.shadow else {
        return;
    };
    if beside.model == names[1 - at] {
        let other: Vec<&ExpertId> = beside.experts.iter().collect();
        let ranks = [reciprocal(&experts, &takers), reciprocal(&other, &takers)];
        shadow.add(ranks[1 - at] - ranks[at]);
    }
}

fn reciprocal(experts: &[&ExpertId], takers: &[ExpertId]) -> f64 {
    let place = experts.iter().position(|expert| takers.contains(expert));
    place.map_or(0.0, |at| 1.0 / (at as f64 + 1.0))
}

fn conclude(names: &[ModelName; 2], served: &[Served; 2], shadow: &RunningMean) -> ModelComparison {
    let half = SIGNIFICANCE_LEVEL / 2.0;
    let [baseline, candidate] = served;
    let take_rate = candidate.take_rate(half).minus(&baseline.take_rate(half));
    // Two kinds of evidence may each say it: together they are wrong as seldom as one would be.
    let outcome = Comparison::of(&[served_gain(served, half), shadow.estimate(half)]);
    let result = |at: usize| ServedResult {
        model: names[at].clone(),
        answers: served[at].answers,
        judged: served[at].ranks.estimate(SIGNIFICANCE_LEVEL).count,
        take_rate: served[at].take_rate(SIGNIFICANCE_LEVEL),
        mrr: served[at].ranks.estimate(SIGNIFICANCE_LEVEL),
        online_evaluation: None,
    };
    ModelComparison {
        served: [result(0), result(1)],
        take_rate_gain: take_rate,
        served_gain: served_gain(served, SIGNIFICANCE_LEVEL),
        shadow_gain: shadow.estimate(SIGNIFICANCE_LEVEL),
        outcome,
    }
}

/// The candidate's MRR minus the baseline's. Each of the two holds with half of the doubt, so their
/// difference holds with all of it.
fn served_gain([baseline, candidate]: &[Served; 2], doubt: f64) -> Estimate {
    let candidate = candidate.ranks.estimate(doubt / 2.0);
    candidate.minus(&baseline.ranks.estimate(doubt / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{FeedbackEvent, FeedbackVerdict, TenantId, Tier};
    use storage::{Answer, Shadow};

    fn model(version: u64) -> ModelName {
        ModelName {
            owner: ModelOwner::Tenant(TenantId::parse("acme").unwrap()),
            task: TaskId::experts(),
            version,
        }
    }

    fn expert(id: &str) -> ExpertId {
        ExpertId::parse(id).unwrap()
    }

    /// An answer of version `by` that recommends `order`, beside which the other one says `beside`.
    fn judged(by: u64, order: &[&str], beside: Option<&[&str]>, taker: &str) -> JudgedAnswer {
        let answer = Answer {
            request_id: "r".to_owned(),
            text: "t".to_owned(),
            model: model(by).to_string(),
            tier: Tier::Tenant,
            reason: "CANARY".to_owned(),
            experts: order.iter().map(|id| (expert(id), 0.0)).collect(),
            answered_at: DateTime::UNIX_EPOCH,
            shadow: beside.map(|experts| Shadow {
                model: model(3 - by).to_string(),
                experts: experts.iter().map(|id| expert(id)).collect(),
            }),
            item: None,
        };
        let said = vec![FeedbackEvent {
            verdict: FeedbackVerdict::Reassigned,
            expert: None,
            reassigned_to: Some(expert(taker)),
        }];
        JudgedAnswer { answer, said }
    }

    fn compared(answers: &[JudgedAnswer]) -> ModelComparison {
        let names = [model(1), model(2)];
        let mut served = [Served::default(); 2];
        let mut shadow = RunningMean::default();
        for one in answers {
            weigh(one, &names, &mut served, &mut shadow);
        }
        for one in &mut served {
            one.answers = answers.len() as u64;
        }
        conclude(&names, &served, &shadow)
    }

    #[test]
    fn a_shadow_that_is_better_on_the_same_questions_is_found() {
        let worse: Vec<_> = (0..60)
            .map(|at| {
                let taker = ["ada", "bob"][usize::from(at % 5 == 0)];
                judged(1, &["bob", "ada"], Some(&["ada", "bob"]), taker)
            })
            .collect();
        let made = compared(&worse);
        assert_eq!(made.outcome, Comparison::Better, "{made:?}");
        let gain = made.shadow_gain;
        assert_eq!(gain.count, 60);
        assert!((gain.mean - 0.3).abs() < 1e-9, "{gain:?}");
        assert!(gain.low > 0.0);
    }

    #[test]
    fn a_canary_that_is_worse_is_found_and_few_answers_say_nothing() {
        let arms: Vec<_> = (0..200)
            .map(|at| match at % 2 {
                0 => judged(1, &["ada", "bob"], None, "ada"),
                _ => judged(2, &["bob", "eve"], None, ["ada", "bob"][at / 2 % 2]),
            })
            .collect();
        let made = compared(&arms);
        assert_eq!(made.outcome, Comparison::Worse);
        assert_eq!(made.served[1].judged, 100);
        assert!(made.take_rate_gain.mean < 0.0);
        let few = compared(&arms[..20]);
        assert_eq!(few.outcome, Comparison::Undecided);
        assert_eq!(few.served_gain.low, f64::NEG_INFINITY);
    }

    #[test]
    fn answers_of_other_models_and_unknown_ends_are_not_counted() {
        let mut refused = judged(1, &["ada"], None, "ada");
        refused.said[0] = FeedbackEvent {
            verdict: FeedbackVerdict::Rejected,
            expert: Some(expert("ada")),
            reassigned_to: None,
        };
        let made = compared(&[judged(9, &["ada"], None, "ada"), refused]);
        assert_eq!((made.served[0].judged, made.served[1].judged), (0, 0));
    }
}
