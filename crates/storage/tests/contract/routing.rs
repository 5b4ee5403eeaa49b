//! Routing policies.

use domain::{Change, RoutingMode, RoutingPolicy, TaskId, Tier};

use super::world::{World, later, now, tenant_id};

pub async fn a_policy_is_set_and_replaced(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let mut heard = world.store.changes().subscribe();
    let tx = world.tx(&acme).await;
    assert_eq!(tx.routing().get(&task).await.unwrap(), None);
    let canary = RoutingPolicy {
        mode: RoutingMode::Canary { percent: 10 },
        kill_switch: false,
        ..Default::default()
    };
    tx.routing().set(&task, &canary, now()).await.unwrap();
    let pinned = RoutingPolicy {
        mode: RoutingMode::PinnedTier(Tier::Global),
        kill_switch: true,
        ..Default::default()
    };
    let kept = tx.routing().set(&task, &pinned, later(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Models(tenant_id("acme")));
    assert_eq!((&kept.policy, kept.updated_at), (&pinned, later(1)));

    let tx = world.tx(&acme).await;
    assert_eq!(tx.routing().get(&task).await.unwrap(), Some(kept));
    let other = TaskId::parse("urgency").unwrap();
    assert_eq!(tx.routing().get(&other).await.unwrap(), None);
    let trail = world.trail(Some("acme"), 1).await;
    assert_eq!(trail[0].detail, "experts: PINNED, kill switch on");
}

pub async fn tenant_b_cannot_see_policies_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let task = TaskId::experts();
    let tx = world.tx(&a).await;
    let policy = RoutingPolicy::default();
    tx.routing().set(&task, &policy, now()).await.unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&b).await;
    assert_eq!(tx.routing().get(&task).await.unwrap(), None);
}
