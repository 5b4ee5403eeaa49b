//! What was consumed, what it costs, and what answers earned.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::cost::{Meter, Month, PriceBook, Service, UsageEntry, UsageLine, ValueVerdict};
use domain::{Change, ErrorKind, FeedbackEvent, FeedbackVerdict, TenantContext, Tier};
use tenantry_storage::{
    Answer, Booked, CountedAnswers, NewFeedback, Purpose, Retain, StoredVerdict, Usage, UsageKey,
};

use super::world::{World, context, expert_id, later, now, tenant_id};

fn entry(id: &str, tenant: &str, at: DateTime<Utc>, quantities: &[(Meter, u64)]) -> UsageEntry {
    UsageEntry {
        id: id.to_owned(),
        tenant: (!tenant.is_empty()).then(|| tenant_id(tenant)),
        at,
        service: Service::Router,
        rpc: "RecommendExperts".to_owned(),
        tier: Some(Tier::Tenant),
        model: "m".to_owned(),
        quantities: quantities.to_vec(),
    }
}

fn days_ago(days: i64) -> DateTime<Utc> {
    now() - TimeDelta::days(days)
}

fn day(days_ago: i64) -> NaiveDate {
    self::days_ago(days_ago).date_naive()
}

/// All lines of the last ten days, in short: day ago, for day ago, quantity.
async fn lines(usage: &Usage, tenant: &str, meter: Meter) -> Vec<(i64, Option<i64>, u64)> {
    let tenant = (!tenant.is_empty()).then(|| tenant_id(tenant));
    let all = usage
        .lines(tenant.as_ref(), day(10), day(-1))
        .await
        .unwrap();
    let ago = |of: NaiveDate| (day(0) - of).num_days();
    let of_meter = all.into_iter().filter(|line| line.meter == meter);
    of_meter
        .map(|line: UsageLine| (ago(line.day), line.for_day.map(ago), line.quantity))
        .collect()
}

fn kept(month: &str, verdict: ValueVerdict) -> StoredVerdict {
    StoredVerdict {
        month: month.parse().unwrap(),
        verdict,
        lift: (None, 0.25, Some(0.5)),
        net: "-1.5".parse().unwrap(),
        computed_at: now(),
    }
}

/// A row in each of the tables, for whoever counts what is erased. What was used by day stays.
pub async fn fill(world: &World, ctx: &TenantContext) {
    let platform = world.store.maintenance(Purpose::StartUp);
    let id = format!("fill-{}", ctx.tenant());
    let used = entry(&id, ctx.tenant().as_str(), now(), &[(Meter::Requests, 1)]);
    platform.usage().add(vec![used], now()).await.unwrap();
    let budget = Some("5".parse().unwrap());
    let prices = platform.prices();
    prices
        .set_budget(Some(ctx.tenant()), budget, "ops", now())
        .await
        .unwrap();
    let tx = world.tx(ctx).await;
    let verdict = kept("2027-01", ValueVerdict::CostEffective);
    tx.values()
        .put(verdict.month, Some(&verdict))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

pub async fn an_entry_counts_once(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    let first = entry(
        "a",
        "acme",
        now(),
        &[(Meter::Requests, 2), (Meter::BytesIn, 9)],
    );
    let twice = vec![first.clone(), first.clone()];
    let booked = usage.add(twice, now()).await.unwrap();
    assert_eq!(
        booked,
        Booked {
            new: 1,
            known: 1,
            late: 0
        }
    );
    let other = entry("b", "acme", later(1), &[(Meter::Requests, 3)]);
    let booked = usage.add(vec![first, other], later(2)).await.unwrap();
    assert_eq!((booked.new, booked.known), (1, 1));
    assert_eq!(lines(&usage, "acme", Meter::Requests).await, [(0, None, 5)]);
    assert_eq!(lines(&usage, "acme", Meter::BytesIn).await, [(0, None, 9)]);
    let tx = world.tx(&context("acme")).await;
    let hours = tx.usage().hours_page(days_ago(1), later(60), None, 9).await;
    let hours = hours.unwrap();
    assert_eq!(hours.len(), 2);
    let of = |meter| hours.iter().find(|(_, hour)| hour.meter == meter).unwrap();
    assert_eq!(
        (
            of(Meter::Requests).1.quantity,
            of(Meter::BytesIn).1.quantity
        ),
        (5, 9)
    );
}

pub async fn the_highest_of_a_day_is_kept(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    for (id, quantity) in [("a", 7), ("b", 9), ("c", 8)] {
        let used = entry(id, "acme", now(), &[(Meter::StoredBytes, quantity)]);
        usage.add(vec![used], now()).await.unwrap();
    }
    assert_eq!(
        lines(&usage, "acme", Meter::StoredBytes).await,
        [(0, None, 9)]
    );
}

pub async fn late_usage_is_an_adjustment_and_closed_days_stay(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    assert_eq!(usage.closed_before().await.unwrap(), None);
    let meters = [(Meter::Requests, 4), (Meter::StoredBytes, 10)];
    let on_time = entry("a", "acme", days_ago(3), &meters);
    usage.add(vec![on_time], days_ago(3)).await.unwrap();
    usage.close_before(day(1)).await.unwrap();
    // Closing less closes nothing again.
    usage.close_before(day(5)).await.unwrap();
    assert_eq!(usage.closed_before().await.unwrap(), Some(day(1)));
    let late = [
        entry(
            "b",
            "acme",
            days_ago(3),
            &[(Meter::Requests, 1), (Meter::StoredBytes, 6)],
        ),
        entry(
            "c",
            "acme",
            days_ago(3),
            &[(Meter::Requests, 1), (Meter::StoredBytes, 13)],
        ),
        entry("d", "acme", days_ago(3), &[(Meter::StoredBytes, 12)]),
    ];
    for late in late {
        let booked = usage.add(vec![late], now()).await.unwrap();
        assert_eq!((booked.new, booked.late), (1, 1));
    }
    let requests = lines(&usage, "acme", Meter::Requests).await;
    assert_eq!(requests, [(3, None, 4), (0, Some(3), 2)]);
    // Of the highest, only what goes beyond it.
    let bytes = lines(&usage, "acme", Meter::StoredBytes).await;
    assert_eq!(bytes, [(3, None, 10), (0, Some(3), 3)]);
}

pub async fn a_clock_that_is_ahead_books_now(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    let ahead = now() + TimeDelta::days(1);
    let used = entry("a", "acme", ahead, &[(Meter::Requests, 1)]);
    usage.add(vec![used], now()).await.unwrap();
    assert_eq!(lines(&usage, "acme", Meter::Requests).await, [(0, None, 1)]);
}

pub async fn usage_is_forgotten_level_by_level(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    for (id, days) in [("old", 9), ("middle", 6), ("young", 1)] {
        let used = entry(id, "acme", days_ago(days), &[(Meter::Requests, 1)]);
        usage.add(vec![used], now()).await.unwrap();
    }
    let retain = Retain {
        entries_from: days_ago(3),
        hours_from: days_ago(7),
        days_from: day(8),
    };
    assert_eq!(usage.forget(retain).await.unwrap(), 2 + 1 + 1);
    let left: Vec<i64> = lines(&usage, "acme", Meter::Requests)
        .await
        .into_iter()
        .map(|(ago, ..)| ago)
        .collect();
    assert_eq!(left, [6, 1]);
    let tx = world.tx(&context("acme")).await;
    let hours = tx.usage().hours_page(days_ago(20), now(), None, 99).await;
    assert_eq!(hours.unwrap().len(), 2);
}

pub async fn usage_is_read_in_pages(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    let acme = context("acme");
    usage.close_before(day(2)).await.unwrap();
    for at in 0..7 {
        let meters = [(Meter::Requests, at + 1), (Meter::BytesIn, 1)];
        let used = entry(&format!("e{at}"), "acme", days_ago(at as i64 / 2), &meters);
        usage.add(vec![used], now()).await.unwrap();
    }
    let tx = world.tx(&acme).await;
    let (mut days, mut hours) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let page = tx
            .usage()
            .days_page(day(9), day(0), after, 2)
            .await
            .unwrap();
        after = page.last().map(|(key, _)| key.clone());
        let Some(last) = &after else { break };
        // The key survives being a text.
        assert_eq!(last.to_string().parse::<UsageKey>().as_ref(), Ok(last));
        days.extend(page.into_iter().map(|(_, line)| line));
    }
    let mut all = usage
        .lines(Some(&tenant_id("acme")), day(9), day(0))
        .await
        .unwrap();
    all.sort();
    let mut sorted = days.clone();
    sorted.sort();
    assert_eq!(sorted, all);
    assert!(days.windows(2).all(|two| two[0].day <= two[1].day));
    let mut after = None;
    loop {
        let page = tx
            .usage()
            .hours_page(days_ago(9), later(60), after, 3)
            .await
            .unwrap();
        after = page.last().map(|(key, _)| key.clone());
        if after.is_none() {
            break;
        }
        hours.extend(page.into_iter().map(|(_, hour)| hour));
    }
    let all = tx
        .usage()
        .hours_page(days_ago(9), later(60), None, 999)
        .await
        .unwrap();
    let all: Vec<_> = all.into_iter().map(|(_, hour)| hour).collect();
    assert_eq!(hours, all);
    assert_eq!(hours.len(), 8);
    assert!("made up".parse::<UsageKey>().is_err());
}

pub async fn price_books_follow_each_other(world: World) {
    let prices = world.store.maintenance(Purpose::StartUp).prices();
    assert_eq!(prices.book().await.unwrap(), None);
    let book = PriceBook::example();
    let first = prices.keep(&book, 0, "ops", now()).await.unwrap();
    assert_eq!((first.revision, first.actor.as_str()), (1, "ops"));
    let error = prices.keep(&book, 0, "other", now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted);
    let mut dearer = book.clone();
    dearer.versions[0].cpu_hour = Some("0.08".parse().unwrap());
    prices.keep(&dearer, 1, "ops", later(1)).await.unwrap();
    let in_force = prices.book().await.unwrap().unwrap();
    assert_eq!((in_force.revision, in_force.book), (2, dearer));
    let events = world.trail(None, 9).await;
    let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(
        actions,
        ["prices.update", "prices.update"],
        "what is refused is none"
    );
}

pub async fn budgets_are_set_and_cleared(world: World) {
    let acme = world.tenant("acme").await;
    let prices = world.store.maintenance(Purpose::StartUp).prices();
    let amount = |text: &str| Some(text.parse().unwrap());
    let set = async |tenant, monthly| {
        prices
            .set_budget(tenant, monthly, "ops", now())
            .await
            .unwrap();
    };
    set(Some(acme.tenant()), amount("10")).await;
    set(Some(acme.tenant()), amount("12.50")).await;
    set(None, amount("100")).await;
    let budgets = prices.budgets().await.unwrap();
    assert_eq!(budgets[&Some(acme.tenant().clone())].to_string(), "12.50");
    assert_eq!(budgets[&None].to_string(), "100");
    set(None, None).await;
    assert_eq!(prices.budgets().await.unwrap().len(), 1);
}

fn answer(request: &str, tier: Tier, model: &str, at: DateTime<Utc>) -> Answer {
    Answer {
        request_id: request.to_owned(),
        text: "Who?".to_owned(),
        model: model.to_owned(),
        tier,
        reason: "PROVEN_BETTER".to_owned(),
        experts: vec![(expert_id("e1"), 1.0), (expert_id("e2"), 0.5)],
        answered_at: at,
        shadow: None,
        item: None,
    }
}

pub async fn answers_are_counted_by_what_became_of_them(world: World) {
    let (acme, globex) = (world.tenant("acme").await, world.tenant("globex").await);
    let tx = world.tx(&acme).await;
    let mut answers: Vec<Answer> = (0..1_100)
        .map(|at| answer(&format!("r{at:04}"), Tier::Tenant, "own", now()))
        .collect();
    answers.push(answer("global", Tier::Global, "above", now()));
    answers.push(Answer {
        reason: "REQUESTED".to_owned(),
        ..answer("compared", Tier::Global, "above", now())
    });
    answers.push(answer("before", Tier::Tenant, "own", days_ago(2)));
    tx.answers().add(answers).await.unwrap();
    let say = async |request: &str, verdict, expert: &str, to: Option<&str>| {
        let said = FeedbackEvent {
            verdict,
            expert: Some(expert_id(expert)),
            reassigned_to: to.map(expert_id),
        };
        let new = NewFeedback {
            request_id: request.to_owned(),
            said,
        };
        tx.feedback().add(new, now()).await.unwrap();
    };
    // More than a page of them.
    for at in 0..1_010 {
        let expert = ["e1", "e2"][at % 2];
        say(
            &format!("r{at:04}"),
            FeedbackVerdict::Accepted,
            expert,
            None,
        )
        .await;
    }
    say("r1011", FeedbackVerdict::Rejected, "e1", None).await;
    say("r1012", FeedbackVerdict::Reassigned, "e1", Some("e9")).await;
    // Taken back: judged, and not accepted any more.
    say("r0000", FeedbackVerdict::Rejected, "e1", None).await;
    say("compared", FeedbackVerdict::Accepted, "e1", None).await;
    say("before", FeedbackVerdict::Accepted, "e1", None).await;
    say("nowhere", FeedbackVerdict::Accepted, "e1", None).await;
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let counted = tx.answers().counted(days_ago(1), later(1)).await.unwrap();
    let of = |tier| counted.models.iter().find(|one| one.tier == tier).unwrap();
    let own = &of(Tier::Tenant).feedback;
    assert_eq!(
        (own.answered, own.judged, own.accepted),
        (1_100, 1_012, 1_009)
    );
    assert_eq!(own.positions, [504, 505]);
    assert!(own.validate().is_ok());
    let above = &of(Tier::Global).feedback;
    assert_eq!((above.answered, above.judged), (1, 0));
    assert_eq!(of(Tier::Global).model, "above");
    let days: Vec<_> = counted.accepted_on.into_iter().collect();
    assert_eq!(days, [(now().date_naive(), 1_009)]);
    // The end is not in it.
    let none = tx.answers().counted(days_ago(1), now()).await.unwrap();
    assert_eq!(none, CountedAnswers::default());
    drop(tx);
    let tx = world.tx(&globex).await;
    let none = tx.answers().counted(days_ago(9), later(9)).await.unwrap();
    assert_eq!(none, CountedAnswers::default());
}

pub async fn verdicts_are_kept_by_month_and_changes_are_told(world: World) {
    let (acme, globex) = (world.tenant("acme").await, world.tenant("globex").await);
    let put = async |month: &str, verdict: Option<ValueVerdict>| {
        let tx = world.tx(&acme).await;
        let verdict = verdict.map(|verdict| kept(month, verdict));
        let month: Month = month.parse().unwrap();
        tx.values().put(month, verdict.as_ref()).await.unwrap();
        tx.commit().await.unwrap();
    };
    let newest = async || {
        let tx = world.tx(&acme).await;
        tx.values().newest().await.unwrap()
    };
    assert_eq!(newest().await, None);
    let mut heard = world.store.changes().subscribe();
    put("2026-12", Some(ValueVerdict::NotCostEffective)).await;
    let told = Change::Models(acme.tenant().clone());
    assert_eq!(heard.recv().await.unwrap(), told);
    put("2026-12", Some(ValueVerdict::NotCostEffective)).await;
    put("2027-01", Some(ValueVerdict::NotEnoughFeedback)).await;
    let last = newest().await;
    assert_eq!(last, Some(kept("2027-01", ValueVerdict::NotEnoughFeedback)));
    // Nothing is to be said any more: an older month does not speak up again.
    put("2027-01", None).await;
    assert_eq!(newest().await, None);
    let tx = world.tx(&globex).await;
    assert_eq!(tx.values().newest().await.unwrap(), None);
}

pub async fn of_an_erased_tenant_only_days_are_kept(world: World) {
    let (acme, usage) = (
        world.tenant("acme").await,
        world.store.maintenance(Purpose::StartUp).usage(),
    );
    let early = entry("early", "acme", now(), &[(Meter::Requests, 2)]);
    usage.add(vec![early], now()).await.unwrap();
    let platform = world.store.maintenance(Purpose::StartUp);
    platform
        .erase_tenant(acme.tenant(), later(1))
        .await
        .unwrap();
    let gone = usage.erased_since(day(0)).await.unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!((&gone[0].tenant, gone[0].erased), (acme.tenant(), day(0)));
    // What its last calls took becomes known after the erasure.
    let last = entry("last", "acme", later(2), &[(Meter::Requests, 3)]);
    usage.add(vec![last], later(3)).await.unwrap();
    assert_eq!(lines(&usage, "acme", Meter::Requests).await, [(0, None, 5)]);
    let tx = world.tx(&acme).await;
    let hours = tx.usage().hours_page(days_ago(1), later(60), None, 9).await;
    assert_eq!(hours.unwrap(), []);
}

pub async fn tenant_b_cannot_see_usage_of_a(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    let used = entry("a", "acme", now(), &[(Meter::Requests, 1)]);
    let platforms = entry("p", "", now(), &[(Meter::OverheadCpu, 5)]);
    usage.add(vec![used, platforms], now()).await.unwrap();
    let tx = world.tx(&context("globex")).await;
    let hours = tx.usage().hours_page(days_ago(1), later(9), None, 9).await;
    assert!(hours.unwrap().is_empty());
    let days = tx.usage().days_page(day(1), day(0), None, 9).await;
    assert!(days.unwrap().is_empty());
    assert!(lines(&usage, "globex", Meter::Requests).await.is_empty());
    // The platform's own is not a tenant's.
    assert!(lines(&usage, "acme", Meter::OverheadCpu).await.is_empty());
    assert_eq!(lines(&usage, "", Meter::OverheadCpu).await, [(0, None, 5)]);
}

pub async fn the_first_start_is_kept_once(world: World) {
    let usage = world.store.maintenance(Purpose::StartUp).usage();
    assert_eq!(usage.first_start().await.unwrap(), None);
    usage.keep_first_start(days_ago(3)).await.unwrap();
    for later_or_earlier in [days_ago(1), days_ago(30)] {
        usage.keep_first_start(later_or_earlier).await.unwrap();
        assert_eq!(usage.first_start().await.unwrap(), Some(days_ago(3)));
    }
}
