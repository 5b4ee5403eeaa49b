//! What is metered, held against work that is known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use api::v1;
use rust_decimal::Decimal;
use testkit::{Client, TestServer, row};
use tokio_stream::StreamExt as _;

const TENANTS: u64 = 20;

/// Prices that are easy to check by hand; all else is free.
fn prices() -> v1::PriceBook {
    let price = |meter: &str, price: &str| v1::MeterPrice {
        meter: meter.into(),
        price: price.into(),
        ..Default::default()
    };
    let free = [
        "retrains",
        "stored_vectors",
        "stored_bytes",
        "model_memory",
        "bytes_in",
        "bytes_out",
    ];
    let mut all = vec![
        price("requests", "12.5"),
        price("items_ingested", "40"),
        price("embedding_tokens", "3000"),
    ];
    all.extend(free.map(|meter| price(meter, "0")));
    v1::PriceBook {
        versions: vec![v1::PriceVersion {
            valid_from: "2020-01-01".into(),
            currency: "EUR".into(),
            cpu_hour: "36".into(),
            prices: all,
            shared: vec![v1::SharedCost {
                name: "licences".into(),
                monthly: "310".into(),
                allocation: "even".into(),
            }],
            note: "a test's".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// What a unit of a meter costs by [`prices`], in base units.
fn unit_price(meter: &str) -> Decimal {
    match meter {
        "requests" => Decimal::new(125, 4),
        "items_ingested" => Decimal::new(40, 3),
        "embedding_tokens" => Decimal::new(3, 3),
        // 36 an hour is a cent a second.
        cpu if cpu.ends_with("_cpu") => Decimal::new(1, 8),
        _ => Decimal::ZERO,
    }
}

fn text(tenant: u64, number: u64) -> String {
    format!("How does product {tenant} protect the data of customer number {number} at rest?")
}

fn question(tenant: u64, number: u64) -> String {
    format!("Who knows about rule {number} for the safety of product {tenant}?")
}

/// Items and questions of a tenant.
fn script(tenant: u64) -> (u64, u64) {
    (12 + tenant, 3 + tenant % 5)
}

async fn usage_of(operator: &Client, tenant: &str) -> BTreeMap<(String, String), u64> {
    let request = v1::ListUsageRequest {
        parent: format!("tenants/{tenant}"),
        page_size: 5_000,
        period: v1::list_usage_request::Period::Day.into(),
        ..Default::default()
    };
    let answer = operator.costs().list_usage(request).await.unwrap();
    let mut sums = BTreeMap::new();
    for usage in answer.into_inner().usage {
        *sums.entry((usage.meter, usage.rpc)).or_default() += usage.quantity;
    }
    sums
}

/// Asks again until the journal has come to the store.
async fn usage_with(
    operator: &Client,
    tenant: &str,
    meter: &str,
    rpc: &str,
    at_least: u64,
) -> BTreeMap<(String, String), u64> {
    let key = (meter.to_owned(), rpc.to_owned());
    for _ in 0..600 {
        let usage = usage_of(operator, tenant).await;
        if usage.get(&key).copied().unwrap_or(0) >= at_least {
            return usage;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{tenant} never had {at_least} {meter} of {rpc}");
}

async fn report(operator: &Client, by: v1::get_cost_report_request::By) -> v1::CostReport {
    let request = v1::GetCostReportRequest {
        parent: "tenants/-".into(),
        by: by.into(),
        ..Default::default()
    };
    let answer = operator.costs().get_cost_report(request).await.unwrap();
    answer.into_inner().report.unwrap()
}

fn amount(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The cost of a row's usage, worked out from its quantities.
fn worked_out(row: &v1::CostRow) -> Decimal {
    let of = |part: &v1::CostPart| {
        let quantity = part.quantity.unwrap_or(0);
        unit_price(&part.label) * Decimal::from(quantity)
    };
    row.parts.iter().map(of).sum()
}

/// The tokens of texts, counted by the same tokenizer but without the server.
async fn tokens(embedder: &embedding::Embedder, texts: impl Iterator<Item = String>) -> u64 {
    let made = embedder.embed_passages(texts.collect()).await.unwrap();
    made.iter().map(|one| u64::from(one.tokens)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripted_work_of_twenty_tenants_is_in_the_report_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let before = since_midnight();
    let server = TestServer::start(folder.path()).await;
    let after = since_midnight();
    let operator = server.operator().await;
    let request = v1::UpdatePriceBookRequest {
        price_book: Some(prices()),
        ..Default::default()
    };
    operator.costs().update_price_book(request).await.unwrap();
    for tenant in 0..TENANTS {
        let (id, (items, questions)) = (format!("t-{tenant}"), script(tenant));
        operator.make_tenant(&id).await;
        let rows = (0..items).map(|at| {
            let name = format!("q-{at}");
            row(at + 1, &name, &text(tenant, at), "sofia", at as i64)
        });
        operator.ingest_rows(&id, "content", rows.collect()).await;
        // The same batch again is the same work.
        let rows = (0..items).map(|at| {
            let name = format!("q-{at}");
            row(at + 1, &name, &text(tenant, at), "sofia", at as i64)
        });
        operator.ingest_rows(&id, "content", rows.collect()).await;
        operator.wait_indexed(&id).await;
        for number in 0..questions {
            operator.recommend(&id, &question(tenant, number)).await;
        }
        // A question that was asked a moment ago is not embedded again.
        operator.recommend(&id, &question(tenant, 0)).await;
    }
    let config = embedding::EmbeddingConfig::default();
    let embedder = tokio::task::spawn_blocking(move || embedding::Embedder::open(&config));
    let embedder = embedder.await.unwrap().unwrap();
    for tenant in 0..TENANTS {
        let (id, (items, questions)) = (format!("t-{tenant}"), script(tenant));
        let usage = usage_with(
            &operator,
            &id,
            "requests",
            "RecommendExperts",
            questions + 1,
        )
        .await;
        let of = |meter: &str, rpc: &str| {
            let found = usage.get(&(meter.to_owned(), rpc.to_owned()));
            found.copied().unwrap_or(0)
        };
        assert_eq!(of("requests", "RecommendExperts"), questions + 1, "{id}");
        assert_eq!(of("items_ingested", "IngestItems"), items, "{id}");
        let asked = tokens(&embedder, (0..questions).map(|at| question(tenant, at))).await;
        assert_eq!(of("embedding_tokens", "RecommendExperts"), asked, "{id}");
        let indexed = tokens(&embedder, (0..items).map(|at| text(tenant, at))).await;
        assert_eq!(of("embedding_tokens", "INDEX_ITEMS"), indexed, "{id}");
        assert!(of("embedding_cpu", "RecommendExperts") > 0, "{usage:?}");
        assert!(of("search_cpu", "RecommendExperts") > 0, "{usage:?}");
        assert!(of("model_cpu", "RecommendExperts") > 0, "{usage:?}");
        assert!(of("bytes_in", "IngestItems") > 0, "{usage:?}");
    }
    let made = report(&operator, v1::get_cost_report_request::By::Meter).await;
    assert_eq!(made.rows.len() as u64, TENANTS);
    assert!(made.unpriced.is_empty(), "{:?}", made.unpriced);
    // Each row, and the whole, worked out again from what was consumed.
    let cent = Decimal::new(1, 2);
    let mut exact = Decimal::ZERO;
    for row in made.rows.iter().chain(made.unallocated.as_ref()) {
        let usage = worked_out(row);
        let shown = amount(&row.direct) + amount(&row.overhead) + amount(&row.adjustment);
        assert!((shown - usage).abs() < cent, "{row:?}: {usage}");
        exact += usage;
    }
    // Shared costs accrue from the first start on: that of this server, today.
    let length = Decimal::from(days_of(&made.month));
    let rest = |began: u64| {
        let day = Decimal::from(DAY - began) / Decimal::from(DAY);
        rounded(exact + Decimal::from(310) / length * day)
    };
    let over_midnight = since_midnight() < before;
    let within = (rest(after)..=rest(before)).contains(&amount(&made.total));
    assert!(over_midnight || within, "{exact} {made:?}");
    let rows = made.rows.iter().chain(made.unallocated.as_ref());
    let summed: Decimal = rows.map(|row| amount(&row.total)).sum();
    assert_eq!(summed, amount(&made.total));
    assert_eq!(made.price_book_total, made.total);
    assert!(server.terminate().await);
}

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Seconds since the last midnight, UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "the server under test has this clock"
)]
fn since_midnight() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() % DAY
}

fn days_of(month: &str) -> u32 {
    let (year, month) = month.split_once('-').unwrap();
    let (year, month): (i32, u32) = (year.parse().unwrap(), month.parse().unwrap());
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn rounded(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointNearestEven)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_what_was_acknowledged_is_counted_once() {
    const CALLERS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let rows: Vec<_> = (0..40)
        .map(|at| row(at + 1, &format!("q-{at}"), &text(1, at), "li", at as i64))
        .collect();
    operator.ingest_rows("acme", "content", rows).await;
    operator.wait_indexed("acme").await;
    let answered = Arc::new(AtomicU64::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (operator, answered) = (operator.clone(), answered.clone());
        callers.spawn(async move {
            for number in 0..10_000 {
                let request = v1::RecommendExpertsRequest {
                    parent: "tenants/acme".into(),
                    text: question(caller, number),
                    ..Default::default()
                };
                if operator.router().recommend_experts(request).await.is_err() {
                    return;
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    // And a stream of items at the same time.
    let batch = |number: u64| v1::IngestItemsRequest {
        parent: "tenants/acme".into(),
        request_id: format!("load-{number}"),
        rows: (0..20)
            .map(|at| {
                let n = number * 20 + at;
                row(at + 1, &format!("n-{n}"), &text(2, n), "li", n as i64)
            })
            .collect(),
    };
    let stream = tokio_stream::iter((0..400).map(batch));
    let acknowledged = operator.ingest().ingest_items(stream).await.unwrap();
    let mut acknowledged = acknowledged.into_inner();
    let mut batches = 0;
    while let Some(Ok(answer)) = acknowledged.next().await {
        assert_eq!(answer.accepted, 20);
        batches += 1;
        if batches >= 5 && answered.load(Ordering::SeqCst) >= 50 {
            break;
        }
    }
    server.kill();
    while let Some(Ok(_)) = acknowledged.next().await {
        batches += 1;
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let answered = answered.load(Ordering::SeqCst);

    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    let usage = usage_of(&operator, "acme").await;
    let of = |meter: &str, rpc: &str| usage[&(meter.to_owned(), rpc.to_owned())];
    // What was written down when the kill came, and not yet acknowledged, is one call a caller.
    let counted = of("requests", "RecommendExperts");
    assert!(
        (answered..=answered + CALLERS).contains(&counted),
        "{counted} for {answered}"
    );
    let items = of("items_ingested", "IngestItems");
    assert!(items >= 40 + batches * 20, "{items} for {batches} batches");
    // A repeat of what was acknowledged is known.
    let stream = tokio_stream::iter((0..batches).map(batch));
    let again = operator.ingest().ingest_items(stream).await.unwrap();
    let again: Vec<_> = again.into_inner().collect().await;
    assert_eq!(again.len() as u64, batches);
    assert!(again.iter().all(|one| one.as_ref().unwrap().accepted == 20));
    assert!(server.terminate().await);
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    let usage = usage_of(&operator, "acme").await;
    let after = usage[&("items_ingested".to_owned(), "IngestItems".to_owned())];
    assert_eq!(after, items);
}

/// Processor time of a process, in seconds.
#[cfg(target_os = "linux")]
fn processor_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // User and system time, in hundredths of a second on every Linux.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Processor seconds in a report: what is metered, and the rest.
#[cfg(target_os = "linux")]
fn reported_seconds(report: &v1::CostReport) -> (f64, f64) {
    let rows = report.rows.iter().chain(report.unallocated.as_ref());
    let parts: Vec<&v1::CostPart> = rows.flat_map(|row| &row.parts).collect();
    let sum = |overhead: bool| {
        let cpu = parts.iter().filter(|part| part.label.ends_with("_cpu"));
        let cpu = cpu.filter(|part| (part.label == "overhead_cpu") == overhead);
        let micros: u64 = cpu.filter_map(|part| part.quantity).sum();
        micros as f64 / 1e6
    };
    (sum(false), sum(true))
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn metered_processor_time_agrees_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let rows: Vec<_> = (0..60)
        .map(|at| row(at + 1, &format!("q-{at}"), &text(1, at), "li", at as i64))
        .collect();
    operator.ingest_rows("acme", "content", rows).await;
    operator.wait_indexed("acme").await;
    let by = v1::get_cost_report_request::By::Meter;
    // Two readings of each, taken while nothing else goes on, so that both see the same.
    let settled = async || {
        let mut before = -1.0;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let (metered, overhead) = reported_seconds(&report(&operator, by).await);
            let process = processor_seconds(server.id());
            if (process - before) < 0.2 && (process - metered - overhead).abs() < 0.3 {
                return (metered, overhead, process);
            }
            before = process;
        }
        panic!("the report never agreed with the process");
    };
    let begin = settled().await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let operator = operator.clone();
        callers.spawn(async move {
            for number in 0..150 {
                let ask = question(caller, number).repeat(4);
                operator.recommend("acme", &ask).await;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let end = settled().await;
    let (metered, overhead) = (end.0 - begin.0, end.1 - begin.1);
    let process = end.2 - begin.2;
    eprintln!("metered {metered:.2} s, overhead {overhead:.2} s, process {process:.2} s");
    assert!(process > 1.0, "no load: {process}");
    assert!(
        (metered + overhead - process).abs() < 0.1 * process,
        "{metered} and {overhead} of {process}"
    );
    assert!(metered > 0.9 * process, "{metered} of {process}");
}
