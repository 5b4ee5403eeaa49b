//! Experts.

use domain::Change;

use super::world::{World, expert, expert_id, later, now, tenant_id};

pub async fn upsert_counts_what_changed(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let both = [expert("anna.berg@acme.com", "Anna"), expert("bo", "Bo")];
    assert_eq!(tx.experts().upsert(&both, now()).await.unwrap(), 2);
    assert_eq!(tx.experts().upsert(&both, later(1)).await.unwrap(), 0);
    let mut away = expert("bo", "Bo");
    away.available = false;
    assert_eq!(
        tx.experts()
            .upsert(&[both[0].clone(), away], later(2))
            .await
            .unwrap(),
        1
    );
    assert_eq!(tx.experts().upsert(&[], now()).await.unwrap(), 0);
    tx.commit().await.unwrap();

    let mut heard = world.store.changes().subscribe();
    let tx = world.tx(&acme).await;
    let bo = tx.experts().get(&expert_id("bo")).await.unwrap().unwrap();
    assert!(bo.active && !bo.available);
    assert_eq!(bo.updated_at, later(2));
    let anna = tx
        .experts()
        .get(&expert_id("anna.berg@acme.com"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(anna.updated_at, now(), "unchanged, untouched");
    tx.experts()
        .upsert(&[expert("cy", "Cy")], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        heard.try_recv().unwrap(),
        Change::Experts(tenant_id("acme"))
    );
}

pub async fn experts_are_listed_in_pages(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let many: Vec<_> = (0..2_500)
        .map(|n| expert(&format!("e{n:04}"), "E"))
        .collect();
    assert_eq!(tx.experts().upsert(&many, now()).await.unwrap(), 2_500);
    let page = tx.experts().list(None, 3).await.unwrap();
    assert_eq!(page[2].id, expert_id("e0002"));
    let page = tx.experts().list(Some(&page[2].id), 3).await.unwrap();
    assert_eq!(page[0].id, expert_id("e0003"));
    assert_eq!(tx.experts().all().await.unwrap().len(), 2_500);
    let asked = [expert_id("e0001"), expert_id("stranger")];
    let known = tx.experts().known(&asked).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [expert_id("e0001")]);
}

pub async fn tenant_b_cannot_see_experts_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let tx = world.tx(&a).await;
    tx.experts()
        .upsert(&[expert("e", "A's")], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    let id = expert_id("e");
    assert!(tx.experts().get(&id).await.unwrap().is_none());
    assert!(tx.experts().all().await.unwrap().is_empty());
    assert!(tx.experts().list(None, 9).await.unwrap().is_empty());
    assert!(
        tx.experts()
            .known(std::slice::from_ref(&id))
            .await
            .unwrap()
            .is_empty()
    );
    // The same id is another expert.
    assert_eq!(
        tx.experts()
            .upsert(&[expert("e", "B's")], now())
            .await
            .unwrap(),
        1
    );
    tx.commit().await.unwrap();
    let theirs = world
        .tx(&a)
        .await
        .experts()
        .get(&id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(theirs.display_name, "A's");
}

pub async fn the_stamp_changes_with_the_experts(world: World) {
    let (acme, beta) = (world.tenant("acme").await, world.tenant("beta").await);
    let stamp =
        async |ctx: &domain::TenantContext| world.tx(ctx).await.experts().stamp().await.unwrap();
    assert_eq!(stamp(&acme).await, (0, None));
    let tx = world.tx(&acme).await;
    tx.experts()
        .upsert(&[expert("ada", "Ada")], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stamp(&acme).await, (1, Some(now())));
    let tx = world.tx(&acme).await;
    tx.experts()
        .upsert(&[expert("ada", "Ada L.")], later(3))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stamp(&acme).await, (1, Some(later(3))));
    assert_eq!(stamp(&beta).await, (0, None), "tenant B does not see A");
}
