//! Where a new version's evidence puts it: champion, challenger or nowhere.

use domain::{Alias, PROMOTED, TaskId, TenantContext, Verdict};
use storage::{JobFailure, Outcome};

use crate::trainer::retry;

/// What the gate said of a new version.
#[derive(Clone, Copy)]
pub(crate) struct Weighed<'a> {
    pub verdict: Verdict,
    pub reason: &'a str,
    /// The version that served when it was weighed, and keeps its place.
    pub held_by: Option<u64>,
}

/// A version that is proven better becomes the champion. One that is not becomes the challenger, for a
/// canary or a shadow to try, and takes the champion's place from an older one by giving it back to
/// the tier above: the older one was fitted on less of the same history, and the new evidence speaks
/// about it too.
///
/// The champion stays where it does better on what came after its own training; where it was fitted on a
/// newer dataset, as a version that saw less does not outdo it; and, from one that is not proven, where an
/// administrator made it serve whatever the evidence, as that is not for a retrain to undo. Returns what
/// the job says of it: whether the version serves, and why the champion stays.
pub(crate) async fn move_aliases(
    ctx: &TenantContext,
    tx: &storage::TenantTx,
    (task, version, dataset): (&TaskId, u64, u64),
    weighed: Weighed<'_>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Outcome, JobFailure> {
    let Weighed {
        verdict, reason, ..
    } = weighed;
    let stays = match verdict {
        Verdict::InsufficientData => None,
        _ => stays(tx, task, dataset, weighed).await.map_err(retry)?,
    };
    let moves = match (verdict, stays) {
        (Verdict::InsufficientData, _) => Vec::new(),
        (_, Some(_)) => vec![(Alias::Challenger, Some(version))],
        (Verdict::Promote, None) => {
            vec![(Alias::Champion, Some(version)), (Alias::Challenger, None)]
        }
        (Verdict::Keep, None) => {
            vec![(Alias::Champion, None), (Alias::Challenger, Some(version))]
        }
    };
    let serves = moves.contains(&(Alias::Champion, Some(version)));
    for (alias, version) in moves {
        tx.models()
            .set_alias(task, alias, version, reason, ctx.actor(), now)
            .await
            .map_err(retry)?;
    }
    let mut outcome = vec![("serves".to_owned(), serves.to_string())];
    outcome.extend(stays.map(|why| ("champion_stays".to_owned(), why.to_owned())));
    Ok(outcome)
}

/// Why a new version's evidence leaves the champion where it is, if it does.
async fn stays(
    tx: &storage::TenantTx,
    task: &TaskId,
    dataset: u64,
    weighed: Weighed<'_>,
) -> storage::Result<Option<&'static str>> {
    let models = tx.models();
    let Some(champion) = models.alias(task, Alias::Champion).await? else {
        return Ok(None);
    };
    match weighed.held_by {
        Some(held) if held == champion => {
            return Ok(Some("it does better on what came after its training"));
        }
        Some(_) => return Ok(Some("it took its place while the new version was weighed")),
        None => {}
    }
    let known = models.get(task, champion).await?;
    if known.is_some_and(|model| model.lineage.dataset > dataset) {
        return Ok(Some("it was fitted on a newer dataset"));
    }
    let moves = models.events(task, Some(Alias::Champion), 1).await?;
    let last = moves.first();
    let by_hand = last.is_some_and(|last| last.reason.starts_with(PROMOTED));
    let stays = by_hand && weighed.verdict == Verdict::Keep;
    Ok(stays.then_some("an administrator promoted it"))
}

#[cfg(test)]
#[path = "aliases_tests.rs"]
mod tests;
