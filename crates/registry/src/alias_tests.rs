//! The champion's place, on a real store.

use domain::{AccessScope, ApiKey, KeyId, ModelOwner, OperatorContext, Role};
use storage::Purpose;

use super::*;
use crate::test_store::{TestStore, day, found_better};

fn moved(from: Option<u64>, to: Option<u64>, cause: AliasMoveCause) -> AliasEvent {
    AliasEvent {
        at: DateTime::UNIX_EPOCH,
        alias: Alias::Champion,
        from,
        to,
        cause,
        reason: String::new(),
        actor: String::new(),
    }
}

#[test]
fn roll_backs_in_a_row_go_back_step_by_step() {
    use AliasMoveCause::{GatePassed, GateRejected, RolledBackByAdmin};
    // Newest first: 1, 4, none, 9, none, 12.
    let mut events = vec![
        moved(None, Some(12), GatePassed),
        moved(Some(9), None, GateRejected),
        moved(None, Some(9), GatePassed),
        moved(Some(4), None, GateRejected),
        moved(Some(1), Some(4), GatePassed),
        moved(None, Some(1), GatePassed),
    ];
    let after = |steps| Vec::from_iter(roll_back_targets(&events, steps));
    assert_eq!(after(1), [] as [u64; 0], "the tier above");
    assert_eq!(after(2), [9]);
    assert_eq!(after(4), [4, 9]);
    assert_eq!(after(9), [1, 4, 9]);

    let mut current = Some(12);
    for expected in [None, Some(9), None, Some(4), Some(1), None] {
        let target = before(&events);
        assert_eq!(target, Some(expected), "from {current:?}");
        events.insert(0, moved(current, expected, RolledBackByAdmin));
        current = expected;
    }
    assert_eq!(before(&events), None, "nothing is left to roll back");
    events.insert(0, moved(None, Some(13), GatePassed));
    assert_eq!(before(&events), Some(None));
    assert_eq!(before(&[]), None);
}

#[test]
fn a_history_that_is_cut_is_no_trouble() {
    let rolled_back = AliasMoveCause::RolledBackByAdmin;
    let events = vec![
        moved(Some(7), Some(3), rolled_back),
        moved(Some(5), Some(7), rolled_back),
    ];
    assert_eq!(before(&events), None);
    assert!(roll_back_targets(&events, 3).is_empty());
}

struct World {
    at: TestStore,
    task: TaskId,
}

impl World {
    /// A tenant with three versions, of which the first serves because it was proven better.
    async fn new() -> Self {
        let (at, task) = (TestStore::new().await, TaskId::experts());
        for version in 1..=3 {
            let new = found_better(&task, version, format!("{version}.json"));
            at.register(new, day(0)).await;
        }
        let world = Self { at, task };
        world.judged(1, Verdict::Promote, None).await;
        world
    }

    /// Why the champion stays, and what is champion and challenger after a version was judged.
    async fn judged(
        &self,
        version: u64,
        verdict: Verdict,
        held_by: Option<u64>,
    ) -> (Option<ChampionStays>, [Option<u64>; 2]) {
        let tx = self.at.tx().await;
        let judged = Judged {
            task: &self.task,
            version,
            dataset: version,
            verdict,
            reason: "measured",
            held_by,
        };
        let placed = place(&tx, judged, "trainer", day(0)).await.unwrap();
        let champion = tx.models().alias(&self.task, Alias::Champion).await;
        let challenger = tx.models().alias(&self.task, Alias::Challenger).await;
        tx.commit().await.unwrap();
        let champion = champion.unwrap();
        assert_eq!(placed.serves, champion == Some(version));
        (placed.champion_stays, [champion, challenger.unwrap()])
    }

    fn owner(&self) -> Owner {
        Owner::Tenant(self.at.ctx.clone())
    }

    async fn promote(&self, owner: &Owner, version: u64) {
        let name = owner.name(&self.task, version);
        let named = (&name, Alias::Champion);
        promote(&self.at.store, owner, named, "pilot", day(1))
            .await
            .unwrap();
    }

    async fn roll_back(&self, owner: &Owner) -> Result<Option<u64>> {
        let back = roll_back(&self.at.store, owner, &self.task, "worse", day(2)).await?;
        Ok(back.map(|model| model.name.version))
    }

    /// The newest actions of the audit trail that are about models, newest first.
    #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
    async fn audited(&self, owner: &Owner) -> Vec<(String, String)> {
        let key = ApiKey {
            id: KeyId::parse("ops").unwrap(),
            tenant: None,
            role: Role::Operator,
            display_name: String::new(),
            created_at: day(0),
            revoked_at: None,
        };
        let all = AccessScope::Platform(OperatorContext::enter(&key).unwrap());
        let mut trail = self.at.store.audit_events(&all, None, 20).await.unwrap();
        let models = owner.name(&self.task, 1).to_string();
        trail.retain(|event| models.starts_with(&event.resource));
        let of_models = trail
            .into_iter()
            .filter(|e| e.action.starts_with("models."));
        of_models.map(|e| (e.action, e.detail)).collect()
    }
}

#[tokio::test]
async fn a_champion_that_holds_stays_and_the_new_version_is_tried() {
    let world = World::new().await;
    let (stays, aliases) = world.judged(2, Verdict::Keep, Some(1)).await;
    assert_eq!(aliases, [Some(1), Some(2)]);
    assert_eq!(stays, Some(ChampionStays::HoldsOnNewItems));
    // Nothing of that holds for the next one.
    let (stays, aliases) = world.judged(3, Verdict::Promote, None).await;
    assert_eq!((aliases, stays), ([Some(3), None], None));
}

#[tokio::test]
async fn one_that_came_while_another_was_weighed_stays_too() {
    let world = World::new().await;
    world.judged(2, Verdict::Promote, None).await;
    let (stays, aliases) = world.judged(3, Verdict::Keep, Some(1)).await;
    assert_eq!(aliases, [Some(2), Some(3)]);
    assert_eq!(stays, Some(ChampionStays::Replaced));
}

#[tokio::test]
async fn without_one_that_holds_evidence_against_a_version_speaks_about_the_older_too() {
    let world = World::new().await;
    let (stays, aliases) = world.judged(2, Verdict::Keep, None).await;
    assert_eq!((aliases, stays), ([None, Some(2)], None));
    let (_, aliases) = world.judged(3, Verdict::InsufficientData, None).await;
    assert_eq!(aliases, [None, Some(2)]);
}

#[tokio::test]
async fn what_an_administrator_promoted_stays_unless_another_is_proven_better() {
    let world = World::new().await;
    world.promote(&world.owner(), 2).await;
    let (stays, aliases) = world.judged(3, Verdict::Keep, None).await;
    assert_eq!(aliases, [Some(2), Some(3)]);
    assert_eq!(stays, Some(ChampionStays::PromotedByAdmin));
    let (stays, aliases) = world.judged(3, Verdict::Promote, None).await;
    assert_eq!((aliases, stays), ([Some(3), None], None));
}

#[tokio::test]
async fn promoting_an_older_version_is_audited_as_a_promotion() {
    let world = World::new().await;
    let owner = world.owner();
    world.promote(&owner, 3).await;
    world.promote(&owner, 2).await;
    assert_eq!(world.roll_back(&owner).await.unwrap(), Some(3));
    let audited = world.audited(&owner).await;
    let expected = [
        ("models.rollback", "champion: 2 -> 3; rolled back: worse"),
        ("models.promote", "champion: 3 -> 2; promoted: pilot"),
        ("models.promote", "champion: 1 -> 3; promoted: pilot"),
        ("models.promote", "champion: none -> 1; measured"),
    ];
    assert_eq!(
        audited,
        expected.map(|(action, detail)| (action.to_owned(), detail.to_owned()))
    );
}

#[tokio::test]
async fn a_tier_is_audited_the_same() {
    let world = World::new().await;
    let owner = Owner::Tier {
        owner: ModelOwner::Global,
        actor: "ops".to_owned(),
        platform: world.at.store.maintenance(Purpose::StartUp),
    };
    let by = AliasMove {
        cause: AliasMoveCause::GatePassed,
        reason: "measured",
        actor: "trainer",
        now: day(0),
    };
    for version in 1..=2 {
        let new = found_better(&world.task, version, format!("global-{version}.json"));
        let tiers = world.at.store.maintenance(Purpose::StartUp).tiers();
        let registered = tiers
            .register(&ModelOwner::Global, new, version == 2, by)
            .await;
        registered.unwrap();
    }
    world.promote(&owner, 1).await;
    assert_eq!(world.roll_back(&owner).await.unwrap(), Some(2));
    let actions: Vec<_> = world.audited(&owner).await;
    let actions: Vec<_> = actions.iter().map(|(action, _)| action.as_str()).collect();
    let expected = ["models.rollback", "models.promote", "models.promote"];
    assert_eq!(actions, expected);
    let named = owner.name(&world.task, 1);
    let tried = (&named, Alias::Challenger);
    let refused = promote(&world.at.store, &owner, tried, "try", day(3)).await;
    assert!(matches!(refused, Err(RegistryError::Field(_))));
}

#[tokio::test]
async fn a_champion_that_fell_behind_goes_and_comes_back_by_a_roll_back() {
    let world = World::new().await;
    let name = world.owner().name(&world.task, 1);
    let tx = world.at.tx().await;
    let other = world.owner().name(&world.task, 2);
    for (name, stepped) in [(&other, false), (&name, true), (&name, false)] {
        let done = step_back(&tx, name, "behind", "check", day(1)).await;
        assert_eq!(done.unwrap(), stepped, "{name}");
    }
    let events = tx.models().events(&world.task, None, 1).await.unwrap();
    assert_eq!(events[0].cause, AliasMoveCause::SteppedBack);
    tx.commit().await.unwrap();
    assert_eq!(world.roll_back(&world.owner()).await.unwrap(), Some(1));
    assert_eq!(world.roll_back(&world.owner()).await.unwrap(), None);
    let error = world.roll_back(&world.owner()).await.unwrap_err();
    assert!(matches!(error, RegistryError::NothingToRollBack), "{error}");
}
