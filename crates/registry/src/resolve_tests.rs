//! Resolving on a real store and real files.

use domain::AliasMoveCause;
use storage::{AliasMove, NewModel, Purpose};

use super::*;
use crate::test_store::{TestStore, day};

fn experts() -> TaskId {
    TaskId::experts()
}

fn measured() -> AliasMove<'static> {
    AliasMove {
        cause: AliasMoveCause::GatePassed,
        reason: "measured",
        actor: "test",
        now: day(1),
    }
}

impl TestStore {
    /// Registers a version of a tier, which serves.
    async fn serve_tier(&self, owner: &ModelOwner, artifact: &str) -> ModelName {
        let new = self.stored(&experts(), 1, artifact).await;
        let path = format!("{owner}/{}", new.artifact_path);
        let bytes = artifact.as_bytes().to_vec();
        self.artifacts.put(&path, bytes.into()).await.unwrap();
        let new = NewModel {
            artifact_path: path,
            ..new
        };
        let tiers = self.store.maintenance(Purpose::StartUp).tiers();
        tiers
            .register(owner, new, true, measured())
            .await
            .unwrap()
            .name
    }

    async fn point(&self, alias: Alias, version: Option<u64>) {
        let tx = self.tx().await;
        let models = tx.models();
        models
            .set_alias(&experts(), alias, version, measured())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn own(&self, mode: RoutingMode) -> Vec<(u64, ModelRole)> {
        let policy = RoutingPolicy {
            mode,
            ..RoutingPolicy::default()
        };
        let tx = self.tx().await;
        tx.routing().set(&experts(), &policy, day(3)).await.unwrap();
        let own = OwnModels::read(&tx, &experts()).await.unwrap();
        let each = own.models.into_iter();
        each.map(|(model, role)| (model.name.version, role))
            .collect()
    }
}

fn vertical() -> ModelOwner {
    ModelOwner::Vertical(VerticalId::parse("software").unwrap())
}

#[tokio::test]
async fn a_policy_wants_the_aliases_and_what_it_pins_each_once() {
    let at = TestStore::new().await;
    for version in 1..=4 {
        at.publish(&experts(), version, GLOBAL_RANKER).await;
    }
    assert_eq!(at.own(RoutingMode::Auto).await, []);
    at.point(Alias::Champion, Some(2)).await;
    at.point(Alias::Challenger, Some(3)).await;
    let aliases = [(2, ModelRole::Champion), (3, ModelRole::Challenger)];
    assert_eq!(at.own(RoutingMode::Auto).await, aliases);
    let name = |version| ModelName {
        owner: ModelOwner::Tenant(at.ctx.tenant().clone()),
        task: experts(),
        version,
    };
    let pinned = [aliases[0], aliases[1], (1, ModelRole::Unaliased)];
    assert_eq!(at.own(RoutingMode::PinnedVersion(name(1))).await, pinned);
    assert_eq!(at.own(RoutingMode::PinnedVersion(name(3))).await, aliases);
    let newest = [aliases[0], aliases[1], (4, ModelRole::Unaliased)];
    assert_eq!(at.own(RoutingMode::PinnedTier(Tier::Tenant)).await, newest);
}

#[tokio::test]
async fn the_parent_is_the_nearest_tier_that_can_be_used() {
    let at = TestStore::new().await;
    let software = VerticalId::parse("software").unwrap();
    let tiers = at.store.maintenance(Purpose::StartUp).tiers();
    let parent = async |vertical| {
        let read = ParentRanker::read(&tiers, &at.artifacts, vertical);
        read.await.unwrap().name
    };
    assert_eq!(parent(Some(&software)).await, builtin_model(&experts()));
    let global = at.serve_tier(&ModelOwner::Global, GLOBAL_RANKER).await;
    assert_eq!(parent(Some(&software)).await, global);
    let name = at.serve_tier(&vertical(), GLOBAL_RANKER).await;
    assert_eq!(parent(Some(&software)).await, name);
    assert_eq!(parent(None).await, global);
    std::fs::remove_dir_all(at.folder.path().join("models/verticals")).unwrap();
    assert_eq!(parent(Some(&software)).await, global, "its file is missing");

    let above = TierChampions::read(&tiers, Some(&software), &experts())
        .await
        .unwrap();
    assert_eq!(Vec::from_iter(above.names()), [name, global]);
    let auto = RoutingPolicy::default();
    let models = above.models(&tiers, &auto).await.unwrap();
    assert_eq!(models.len(), 2);
}

#[tokio::test]
async fn a_parent_of_a_lineage_is_found_while_its_bytes_are_the_same() {
    let at = TestStore::new().await;
    let global = at.serve_tier(&ModelOwner::Global, GLOBAL_RANKER).await;
    let tiers = at.store.maintenance(Purpose::StartUp).tiers();
    let checksum = ParentRanker::builtin().checksum();
    for name in [&builtin_model(&experts()), &global] {
        for (checksum, found) in [(checksum.as_str(), true), ("another", false)] {
            let of_lineage = ParentRanker::of_lineage(&tiers, &at.artifacts, name, checksum);
            assert_eq!(of_lineage.await.unwrap().is_some(), found, "{name}");
        }
    }
}

#[tokio::test]
async fn models_of_others_are_not_found_by_name() {
    let at = TestStore::new().await;
    let own = at.publish(&experts(), 1, GLOBAL_RANKER).await.name;
    let tier = at.serve_tier(&vertical(), GLOBAL_RANKER).await;
    let other = at.tenant("other", "insurance").await;
    let builtin = builtin_model(&experts());
    for (ctx, name, found) in [
        (&at.ctx, &own, true),
        (&at.ctx, &tier, true),
        (&at.ctx, &builtin, true),
        (&other, &own, false),
        (&other, &tier, false),
        (&other, &builtin, true),
    ] {
        let ranker = ranker_of_chain(&at.store, &at.artifacts, ctx, name).await;
        match ranker {
            Ok(_) => assert!(found, "{name}"),
            Err(error) => assert!(
                !found && matches!(error, RegistryError::NotFound(_)),
                "{name}: {error}"
            ),
        }
    }
    let head = head_of_chain(&at.store, &at.artifacts, &at.ctx, (&experts(), &own)).await;
    let error = head.err().unwrap();
    assert!(matches!(error, RegistryError::Unusable { .. }), "{error}");
    let intent = TaskId::parse("intent").unwrap();
    let head = head_of_chain(&at.store, &at.artifacts, &at.ctx, (&intent, &own)).await;
    assert!(matches!(head.err(), Some(RegistryError::NotFound(_))));
}

#[tokio::test]
async fn a_champion_of_another_space_or_without_a_file_is_none() {
    let at = TestStore::new().await;
    let read = async |space| ChampionRanker::read(&at.store, &at.artifacts, &at.ctx, space).await;
    assert!(read("").await.unwrap().is_none());
    let model = at.publish(&experts(), 1, GLOBAL_RANKER).await;
    at.point(Alias::Champion, Some(1)).await;
    let champion = read("").await.unwrap().unwrap();
    assert_eq!(champion.name, model.name);
    assert_eq!(champion.known_until, model.created_at);
    assert!(read("another").await.unwrap().is_none());
    at.artifacts.delete(&model.artifact_path).await.unwrap();
    assert!(read("").await.unwrap().is_none());
}
