//! Moving aliases: by a training's evidence, by an administrator, or because the champion fell behind.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{Alias, AliasMoveCause, ModelName, ModelVersion, TaskId, Verdict};
use storage::{AliasEvent, AliasMove, Store, TenantTx};

use crate::scope::Owner;
use crate::{RegistryError, Result};

/// Moves of an alias that a roll-back looks back over.
pub const EVENTS: u32 = 50;

/// Points an alias at a version because an administrator says so.
///
/// # Errors
/// There is no such version; a tier has no challenger; the store fails.
pub async fn promote(
    store: &Store,
    owner: &Owner,
    (name, alias): (&ModelName, Alias),
    reason: &str,
    now: DateTime<Utc>,
) -> Result<ModelVersion> {
    let (task, version) = (&name.task, name.version);
    owner.model(store, task, version).await?;
    let by = AliasMove {
        cause: AliasMoveCause::PromotedByAdmin,
        reason: &format!("promoted: {reason}"),
        actor: owner.actor(),
        now,
    };
    owner.point(store, (task, alias), Some(version), by).await?;
    owner.model(store, task, version).await
}

/// Makes what the champion's place held before its last move serve again. Returns the version; none
/// where that is the tier above.
///
/// # Errors
/// [`RegistryError::NothingToRollBack`]; [`RegistryError::RollBackTargetPruned`]; the store fails.
pub async fn roll_back(
    store: &Store,
    owner: &Owner,
    task: &TaskId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Option<ModelVersion>> {
    let events = owner.champion_moves(store, task, EVENTS).await?;
    let target = before(&events).ok_or(RegistryError::NothingToRollBack)?;
    if let Some(version) = target {
        let found = owner.model(store, task, version).await;
        found.map_err(|error| match error {
            RegistryError::NotFound(name) | RegistryError::Pruned { name, .. } => {
                RegistryError::RollBackTargetPruned(name)
            }
            other => other,
        })?;
    }
    let by = AliasMove {
        cause: AliasMoveCause::RolledBackByAdmin,
        reason: &format!("rolled back: {reason}"),
        actor: owner.actor(),
        now,
    };
    owner
        .point(store, (task, Alias::Champion), target, by)
        .await?;
    match target {
        Some(version) => owner.model(store, task, version).await.map(Some),
        None => Ok(None),
    }
}

/// What the champion's place held, oldest first, up to what it holds now; of a place that was never
/// moved nothing. A roll-back takes the last one away, so two in a row go two steps back and not to
/// and fro. `events` are its moves, newest first.
fn held(events: &[AliasEvent]) -> Vec<Option<u64>> {
    let mut held: Vec<Option<u64>> = events.last().map(|event| event.from).into_iter().collect();
    for event in events.iter().rev() {
        if event.cause == AliasMoveCause::RolledBackByAdmin {
            held.pop();
        }
        // Where the history is cut, what a roll-back returned to may be out of sight.
        if held.last() != Some(&event.to) {
            held.push(event.to);
        }
    }
    held
}

/// What the champion's place held before its last move, for a roll-back to return to; none when it
/// was never moved.
fn before(events: &[AliasEvent]) -> Option<Option<u64>> {
    held(events).iter().rev().nth(1).copied()
}

/// The versions that the next so many roll-backs in a row return to. `events` are moves of the
/// champion, newest first.
#[must_use]
pub fn roll_back_targets(events: &[AliasEvent], steps: usize) -> BTreeSet<u64> {
    let held = held(events);
    let below = held.iter().rev().skip(1).take(steps);
    below.copied().flatten().collect()
}

/// What the gate said of a new version.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// What it predicts.
    pub task: &'a TaskId,
    /// Its number.
    pub version: u64,
    /// The dataset it was fitted on.
    pub dataset: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict in words.
    pub reason: &'a str,
    /// The version that served when it was weighed, and keeps its place.
    pub held_by: Option<u64>,
}

/// Where a new version's evidence put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// It is the champion.
    pub serves: bool,
    /// Why the champion stays where it is, if it does in spite of the evidence.
    pub champion_stays: Option<ChampionStays>,
}

/// Why a new version's evidence leaves the champion where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChampionStays {
    /// It does better on what came after its own training.
    HoldsOnNewItems,
    /// Another version took the place while the new one was weighed.
    Replaced,
    /// It saw more: a version that saw less does not outdo it.
    NewerDataset,
    /// An administrator made it serve, and the new version is not proven better.
    PromotedByAdmin,
}

impl ChampionStays {
    /// The reason in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::HoldsOnNewItems => "it does better on what came after its training",
            Self::Replaced => "it took its place while the new version was weighed",
            Self::NewerDataset => "it was fitted on a newer dataset",
            Self::PromotedByAdmin => "an administrator promoted it",
        }
    }
}

/// Moves the aliases as a new version's evidence says. One that is proven better becomes the champion.
/// One that is not becomes the challenger, for a canary or a shadow to try, and takes the champion's
/// place from an older one by giving it back to the tier above: the older one was fitted on less of
/// the same history, and the new evidence speaks about it too. For when the champion stays all the
/// same see [`ChampionStays`].
///
/// # Errors
/// The store fails.
pub async fn place(
    tx: &TenantTx,
    judged: Judged<'_>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Placement> {
    let Judged { task, version, .. } = judged;
    let champion_stays = match judged.verdict {
        Verdict::InsufficientData => None,
        _ => champion_stays(tx, judged).await?,
    };
    let moves = match (judged.verdict, champion_stays) {
        (Verdict::InsufficientData, _) => Vec::new(),
        (_, Some(_)) => vec![(Alias::Challenger, Some(version))],
        (Verdict::Promote, None) => {
            vec![(Alias::Champion, Some(version)), (Alias::Challenger, None)]
        }
        (Verdict::Keep, None) => {
            vec![(Alias::Champion, None), (Alias::Challenger, Some(version))]
        }
    };
    let by = AliasMove {
        cause: match judged.verdict {
            Verdict::Promote => AliasMoveCause::GatePassed,
            Verdict::Keep | Verdict::InsufficientData => AliasMoveCause::GateRejected,
        },
        reason: judged.reason,
        actor,
        now,
    };
    let serves = moves.contains(&(Alias::Champion, Some(version)));
    for (alias, version) in moves {
        tx.models().set_alias(task, alias, version, by).await?;
    }
    Ok(Placement {
        serves,
        champion_stays,
    })
}

async fn champion_stays(tx: &TenantTx, judged: Judged<'_>) -> Result<Option<ChampionStays>> {
    let (task, models) = (judged.task, tx.models());
    let Some(champion) = models.alias(task, Alias::Champion).await? else {
        return Ok(None);
    };
    match judged.held_by {
        Some(held) if held == champion => return Ok(Some(ChampionStays::HoldsOnNewItems)),
        Some(_) => return Ok(Some(ChampionStays::Replaced)),
        None => {}
    }
    let known = models.get(task, champion).await?;
    if known.is_some_and(|model| model.lineage.dataset > judged.dataset) {
        return Ok(Some(ChampionStays::NewerDataset));
    }
    let moves = models.events(task, Some(Alias::Champion), 1).await?;
    let last = moves.first();
    let by_hand = last.is_some_and(|last| last.cause == AliasMoveCause::PromotedByAdmin);
    let stays = by_hand && judged.verdict == Verdict::Keep;
    Ok(stays.then_some(ChampionStays::PromotedByAdmin))
}

/// Takes the champion's place from a version that fell behind; not when another one took it meanwhile.
/// Returns whether it did.
///
/// # Errors
/// The store fails.
pub async fn step_back(
    tx: &TenantTx,
    name: &ModelName,
    reason: &str,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let (task, champion) = (&name.task, Alias::Champion);
    if tx.models().alias(task, champion).await? != Some(name.version) {
        return Ok(false);
    }
    let by = AliasMove {
        cause: AliasMoveCause::SteppedBack,
        reason: &format!("stepped back: {reason}"),
        actor,
        now,
    };
    tx.models().set_alias(task, champion, None, by).await?;
    Ok(true)
}

#[cfg(test)]
#[path = "alias_tests.rs"]
mod tests;
