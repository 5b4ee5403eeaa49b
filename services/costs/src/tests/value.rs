//! What answers are worth, and what was used.

use super::*;

#[tokio::test]
async fn answers_have_a_value_and_own_models_a_verdict() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    // 600 of own training; the tier above is taken as often.
    world
        .used("t", "acme", "2026-11-03", Meter::TrainingCpu, 600_000_000)
        .await;
    world.answers("acme", Tier::Tenant, 300, 210).await;
    world.answers("acme", Tier::Global, 300, 210).await;
    let row = async || {
        let report = world.report(Some(&id("acme")), "", By::None).await.unwrap();
        report.rows.into_iter().next().unwrap()
    };
    let value = row().await.value.unwrap();
    assert_eq!(
        (value.answered, value.judged, value.accepted),
        (600, 600, 420)
    );
    assert!((value.take_rate.unwrap() - 0.7).abs() < 1e-9);
    assert_eq!(
        (value.value.as_str(), value.own_model),
        ("", None),
        "its value is not known"
    );
    let newest = async || {
        let tx = world.costs.store.begin(&ctx("acme")).await.unwrap();
        tx.values()
            .newest()
            .await
            .unwrap()
            .map(|kept| kept.verdict.as_str())
    };
    assert_eq!(newest().await, None);

    world.value_per_accepted("acme", "0.50").await;
    let costly = row().await;
    let value = costly.value.unwrap();
    assert_eq!(costly.total, "610.50");
    assert_eq!(
        (value.value.as_str(), value.net.as_str()),
        ("210.00", "-400.50")
    );
    let own = value.own_model.unwrap();
    assert_eq!(own.verdict(), v1::model_value::Verdict::NotCostEffective);
    assert_eq!(
        (own.extra_cost.as_str(), own.net_mean.as_str()),
        ("600.00", "-600.00")
    );
    assert_eq!(newest().await, None, "to read a report writes nothing");
    let watch = async || world.costs.watch(&mut SentAlerts::default()).await.unwrap();
    watch().await;
    assert_eq!(
        newest().await,
        Some("NOT_COST_EFFECTIVE"),
        "the router finds it"
    );

    // Where an answer is worth more, the same feedback says nothing yet.
    world.value_per_accepted("acme", "5000").await;
    let own = row().await.value.unwrap().own_model.unwrap();
    assert_eq!(own.verdict(), v1::model_value::Verdict::NotEnoughFeedback);
    watch().await;
    assert_eq!(newest().await, Some("NOT_ENOUGH_FEEDBACK"));
}

#[tokio::test]
async fn usage_is_listed_by_hour_and_by_day() {
    let world = World::new().await;
    world
        .used("a", "acme", "2026-11-03", Meter::Requests, 2)
        .await;
    world
        .used("b", "acme", "2026-11-04", Meter::Requests, 3)
        .await;
    world
        .used("c", "globex", "2026-11-04", Meter::Requests, 9)
        .await;
    let ctx = ctx("acme");
    let mut request = v1::ListUsageRequest {
        page_size: 1,
        ..Default::default()
    };
    let list = async |request: &v1::ListUsageRequest| {
        let query = crate::usage::UsageQuery::parse(request, at(NOW)).unwrap();
        world.costs.usage(&ctx, query).await.unwrap()
    };
    let first = list(&request).await;
    request.page_token = first.next_page_token;
    let second = list(&request).await;
    let quantities = [first.usage[0].quantity, second.usage[0].quantity];
    assert_eq!(quantities, [2, 3]);
    assert_eq!(first.usage[0].unit, "requests");
    request.page_token = second.next_page_token;
    assert!(list(&request).await.usage.is_empty());
    let hourly = v1::ListUsageRequest {
        period: v1::list_usage_request::Period::Hour.into(),
        ..Default::default()
    };
    let hours = list(&hourly).await.usage;
    assert_eq!(hours.len(), 2);
    assert_eq!(
        hours[0].start_time,
        Some(api::timestamp(at("2026-11-03T10:00:00Z")))
    );
}

#[tokio::test]
async fn a_jump_over_the_turn_of_the_month_is_seen() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let tokens = Meter::EmbeddingTokens;
    for (n, day) in ["2026-10-28", "2026-10-30", "2026-10-31"]
        .iter()
        .enumerate()
    {
        world
            .used(&format!("a{n}"), "acme", day, tokens, 1_000_000)
            .await;
        world
            .used(&format!("g{n}"), "globex", day, tokens, 1_000_000)
            .await;
    }
    world
        .used("a", "acme", "2026-11-01", tokens, 9_000_000)
        .await;
    world
        .used("g", "globex", "2026-11-01", tokens, 2_000_000)
        .await;
    let month = world.costs.month("2026-11").unwrap();
    let made = world.costs.report(None, month, By::None).await.unwrap();
    let day = "2026-11-01".parse().unwrap();
    let found = crate::alerts::jumped(&made, day).unwrap();
    let short: Vec<_> = found
        .iter()
        .map(|jump| (jump.tenant.as_str(), jump.cost))
        .collect();
    assert_eq!(short, [("acme", rust_decimal::Decimal::from(9))]);
}

#[tokio::test]
async fn a_verdict_ends_with_what_it_was_made_from() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let ctx = ctx("acme");
    let october = storage::StoredVerdict {
        month: "2026-10".parse().unwrap(),
        verdict: domain::cost::ValueVerdict::NotCostEffective,
        lift: (None, 0.0, None),
        net: (-5).into(),
        computed_at: at("2026-10-31T12:00:00Z"),
    };
    let tx = world.costs.store.begin(&ctx).await.unwrap();
    tx.values()
        .put(october.month, Some(&october))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // In November nothing says anything about an own model.
    world.costs.watch(&mut SentAlerts::default()).await.unwrap();
    let tx = world.costs.store.begin(&ctx).await.unwrap();
    assert_eq!(tx.values().newest().await.unwrap(), None);
}

#[tokio::test]
async fn budgets_are_counted_by_the_level_that_is_reached() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    for (parent, monthly) in [
        ("tenants/acme", "12.00"),
        ("tenants/globex", "500"),
        ("tenants/-", "20"),
    ] {
        let request = v1::SetBudgetRequest {
            parent: parent.to_owned(),
            monthly: monthly.to_owned(),
        };
        world.costs.set_budget(request, &operator()).await.unwrap();
    }
    let month = world.costs.month("").unwrap();
    let made = world.costs.report(None, month, By::None).await.unwrap();
    // 10.50 each of 12 and of 500, 21 of 20 together.
    let mut sent = SentAlerts::default();
    let counts = sent
        .budgets(&made)
        .map(|(level, count)| (level.percent(), count));
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<usize>(), 2);
    assert!(
        counts.contains(&(80, 1)) && counts.contains(&(100, 1)),
        "{counts:?}"
    );
    // Said once, counted each time.
    assert_eq!(
        sent.budgets(&made).map(|(_, count)| count),
        counts.map(|(_, count)| count)
    );
}

#[test]
fn a_share_of_training_the_tiers_above_is_no_cost_of_the_own_model() {
    use domain::cost::{CostKind, CostLine};
    let line = |service, tier, cost: u32| CostLine {
        day: "2026-11-03".parse().unwrap(),
        tenant: Some(id("acme")),
        service: Some(service),
        meter: Some(Meter::TrainingCpu),
        rpc: String::new(),
        tier,
        model: String::new(),
        kind: CostKind::Direct,
        name: String::new(),
        quantity: 1,
        unit_price: 1.into(),
        cost: cost.into(),
    };
    let lines = [
        line(Service::Trainer, None, 1),
        line(Service::Trainer, Some(Tier::Tenant), 2),
        line(Service::Trainer, Some(Tier::Global), 40),
        line(Service::Trainer, Some(Tier::Vertical), 50),
        line(Service::Router, Some(Tier::Tenant), 60),
    ];
    let extra = crate::value::extra_costs(&lines);
    assert_eq!(extra[&id("acme")], 3.into());
}
