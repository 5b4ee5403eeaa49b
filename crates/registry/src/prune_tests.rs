//! Pruning on a real store and real files.

use domain::{AliasMoveCause, ExpertId, INPUTS, RoutingPolicy, VerticalId};
use storage::{AliasMove, Answer, NewModel, Purpose};

use super::*;
use crate::test_store::{TestStore, day, found_better};

fn by(cause: AliasMoveCause, at: i64) -> AliasMove<'static> {
    AliasMove {
        cause,
        reason: "measured",
        actor: "ops",
        now: day(at),
    }
}

struct World {
    at: TestStore,
    pruner: Pruner,
    files: std::path::PathBuf,
}

impl World {
    /// A tenant, at noon of day 100.
    async fn new() -> Self {
        let at = TestStore::new().await;
        let files = at.folder.path().join("models");
        let pruner = Pruner {
            store: at.store.clone(),
            artifacts: at.artifacts.clone(),
            retention: Retention {
                models: ModelRetention {
                    newest: 3,
                    younger: TimeDelta::days(30),
                },
                answers: TimeDelta::days(90),
                jobs: TimeDelta::days(30),
                requests: TimeDelta::days(7),
            },
            now: day(100),
        };
        Self { at, pruner, files }
    }

    async fn tx(&self) -> TenantTx {
        self.at.tx().await
    }

    /// Registers a version of `task` that was made on that day, with its file.
    async fn version(&self, task: &str, version: u64, made: i64) {
        let task = TaskId::parse(task).unwrap();
        let owner = ModelOwner::Tenant(self.at.ctx.tenant().clone());
        let new = self.stored(&owner, &task, version).await;
        let tx = self.tx().await;
        tx.inputs().put("inputs", "{}", day(made)).await.unwrap();
        tx.commit().await.unwrap();
        self.at.register(new, day(made)).await;
    }

    async fn stored(&self, owner: &ModelOwner, task: &TaskId, version: u64) -> NewModel {
        let path = match owner {
            ModelOwner::Tenant(_) => {
                format!("{owner}/models/{task}/versions/{version}-0123456789abcdef.json")
            }
            _ => format!("{owner}/models/{task}-0123456789abcdef-job{version}.json"),
        };
        let bytes = format!("artifact {version}").into_bytes();
        let put = self.pruner.artifacts.put(&path, bytes.into()).await;
        let put = put.unwrap();
        let mut new = found_better(task, version, path);
        new.checksum = put.checksum;
        new.size = put.size;
        new.lineage.parameters = vec![(INPUTS.to_owned(), "inputs".to_owned())];
        new
    }

    async fn champion(&self, version: Option<u64>, cause: AliasMoveCause) {
        let tx = self.tx().await;
        let (task, alias) = (TaskId::experts(), Alias::Champion);
        tx.models()
            .set_alias(&task, alias, version, by(cause, 60))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    async fn left(&self) -> Vec<String> {
        let summaries = self.tx().await.models().summaries().await.unwrap();
        let name = |one: VersionSummary| format!("{}/{}", one.task, one.version);
        summaries.into_iter().map(name).collect()
    }

    fn file(&self, version: u64) -> bool {
        let folder = self.files.join("tenants/acme/models/experts/versions");
        folder
            .join(format!("{version}-0123456789abcdef.json"))
            .exists()
    }

    async fn prune(&self, payload: PruneModels) -> Pruned {
        self.pruner.tenant(&self.at.ctx, &payload).await.unwrap()
    }
}

#[tokio::test]
async fn what_serves_what_is_pinned_and_what_a_roll_back_needs_stays() {
    let world = World::new().await;
    for version in 1..=12 {
        world.version("experts", version, version as i64).await;
    }
    world.version("intent", 1, 1).await;
    // 2 served, then 3, then 5; 7 is the challenger and 8 is pinned.
    for version in [2, 3, 5] {
        world
            .champion(Some(version), AliasMoveCause::GatePassed)
            .await;
    }
    let tx = world.tx().await;
    let (task, challenger) = (TaskId::experts(), Alias::Challenger);
    tx.models()
        .set_alias(
            &task,
            challenger,
            Some(7),
            by(AliasMoveCause::GateRejected, 60),
        )
        .await
        .unwrap();
    let pinned = "tenants/acme/models/experts/versions/8".parse().unwrap();
    let policy = RoutingPolicy {
        mode: RoutingMode::PinnedVersion(pinned),
        kill_switch: false,
        ..Default::default()
    };
    tx.routing().set(&task, &policy, day(60)).await.unwrap();
    tx.commit().await.unwrap();

    let dry = PruneModels {
        dry_run: true,
        ..PruneModels::default()
    };
    let planned = world.prune(dry).await;
    assert_eq!(
        planned.versions,
        ["experts/1", "experts/4", "experts/6", "experts/9"]
    );
    assert_eq!((planned.kept, planned.files), (9, 0));
    assert!(world.file(1) && world.left().await.len() == 13);

    let pruned = world.prune(PruneModels::default()).await;
    assert_eq!((pruned.kept, pruned.files), (9, 4));
    assert_eq!(pruned.versions, planned.versions);
    assert!(world.file(2) && !world.file(4) && world.file(12));
    let left = world.left().await;
    assert_eq!(left.len(), 9);
    assert!(left.contains(&"intent/1".to_owned()), "the newest stays");
    // Again: nothing.
    let again = world.prune(PruneModels::default()).await;
    assert_eq!((again.versions.len(), again.files), (0, 0));
}

#[tokio::test]
async fn the_young_stay_and_keep_says_how_many() {
    let world = World::new().await;
    for version in 1..=8 {
        // 1 to 4 are old, the others a week.
        let made = if version <= 4 { 10 } else { 93 };
        world.version("experts", version, made).await;
    }
    let keep_one = PruneModels {
        keep: Some(1),
        ..PruneModels::default()
    };
    let pruned = world.prune(keep_one).await;
    assert_eq!(pruned.versions.len(), 4);
    assert_eq!(world.left().await.len(), 4, "younger than 30 days");
}

#[tokio::test]
async fn a_kill_between_rows_and_files_leaves_nothing_for_ever() {
    let world = World::new().await;
    for version in 1..=5 {
        world.version("experts", version, version as i64).await;
    }
    // The rows went, and then the power.
    let note = PruneNote {
        reason: "old",
        actor: "test",
        now: day(99),
    };
    let tx = world.tx().await;
    let gone = tx.models().prune(&TaskId::experts(), &[1, 2], note).await;
    assert_eq!(gone.unwrap(), [1, 2]);
    tx.commit().await.unwrap();
    // A training has stored the next version's file and is about to register it; somebody keeps
    // something else beside.
    let put = |path: &'static str| world.pruner.artifacts.put(path, bytes_of(path));
    put("tenants/acme/models/experts/versions/6-0123456789abcdef.json")
        .await
        .unwrap();
    put("tenants/acme/models/notes.txt").await.unwrap();
    put("tenants/acme/models/adapter/versions/1-0123456789abcdef.json")
        .await
        .unwrap();
    assert!(world.file(1) && world.file(2));
    // Files are as old as the machine's clock says; day 100 lies in its future.
    let pruned = world.prune(PruneModels::default()).await;
    assert_eq!((pruned.versions.len(), pruned.files), (0, 2));
    assert!(!world.file(1) && !world.file(2) && world.file(3) && world.file(6));
    assert!(world.files.join("tenants/acme/models/notes.txt").exists());
    let other = "tenants/acme/models/adapter/versions/1-0123456789abcdef.json";
    assert!(world.files.join(other).exists(), "not of a task here");
}

fn bytes_of(text: &'static str) -> bytes::Bytes {
    bytes::Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn tiers_are_pruned_and_what_only_grows_is_forgotten() {
    let world = World::new().await;
    let task = TaskId::experts();
    let tiers = world.pruner.store.maintenance(Purpose::StartUp).tiers();
    for version in 1..=6 {
        let new = world.stored(&ModelOwner::Global, &task, version).await;
        // 1 served, then 2.
        let promote = version <= 2;
        tiers
            .register(
                &ModelOwner::Global,
                new,
                promote,
                by(AliasMoveCause::GatePassed, 1),
            )
            .await
            .unwrap();
    }
    let answer = |id: &str, at: i64| Answer {
        request_id: id.to_owned(),
        text: String::new(),
        model: String::new(),
        tier: domain::Tier::Global,
        reason: String::new(),
        experts: vec![(ExpertId::parse("ada").unwrap(), 1.0)],
        answered_at: day(at),
        shadow: None,
        item: None,
    };
    let tx = world.tx().await;
    tx.answers()
        .add(vec![answer("old", 1), answer("new", 50)])
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let vertical = ModelOwner::Vertical(VerticalId::parse("software").unwrap());
    let nothing = PruneModels::default();
    let pruned = world.pruner.tiers(Some(&vertical), &nothing).await.unwrap();
    assert_eq!(pruned, Pruned::default());
    let pruned = world.pruner.tiers(None, &nothing).await.unwrap();
    assert_eq!(pruned.versions, ["global/experts/3"]);
    assert_eq!((pruned.kept, pruned.files), (5, 1));
    let forgotten = world.pruner.forget().await.unwrap();
    assert_eq!((forgotten.answers, forgotten.jobs), (1, 0));
    let tx = world.tx().await;
    assert!(tx.answers().get("old").await.unwrap().is_none());
    assert!(tx.answers().get("new").await.unwrap().is_some());
}
