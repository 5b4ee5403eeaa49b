//! The files.

use metering::export::focus::check;
use v1::export_costs_request::Format;

use super::*;

async fn file(world: &World, tenant: Option<&TenantId>, format: Format) -> Vec<u8> {
    let month = world.costs.month("2026-11").unwrap();
    world.costs.export(tenant, month, format).await.unwrap()
}

/// A month of two tenants; one of them has its training, answers and a value of them.
async fn world() -> World {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let (tokens, training) = (Meter::EmbeddingTokens, Meter::TrainingCpu);
    world
        .used("a", "acme", "2026-11-03", tokens, 2_500_000)
        .await;
    world
        .used("b", "acme", "2026-11-04", training, 1_500_000)
        .await;
    world
        .used("c", "globex", "2026-11-04", tokens, 1_000_000)
        .await;
    world.answers("acme", Tier::Tenant, 4, 3).await;
    world.value_per_accepted("acme", "7").await;
    world
}

/// The column `name` of each row.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = heads.iter().position(|head| *head == name).unwrap();
    lines
        .map(|line| line.split(',').nth(at).unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_focus_export_is_as_specified_and_sums_to_the_report() {
    let world = world().await;
    let bytes = file(&world, None, Format::FocusCsv).await;
    let problems = check(&bytes);
    assert!(problems.is_empty(), "{problems:?}");
    let csv = String::from_utf8(bytes).unwrap();
    let sum: rust_decimal::Decimal = column(&csv, "BilledCost")
        .iter()
        .map(|cost| cost.parse::<rust_decimal::Decimal>().unwrap())
        .sum();
    let report = world.report(None, "2026-11", By::None).await.unwrap();
    assert_eq!(sum.round_dp(2).to_string(), report.total);
    let parquet = file(&world, None, Format::FocusParquet).await;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
}

#[tokio::test]
async fn the_export_of_one_tenant_has_nothing_of_others() {
    let world = world().await;
    let bytes = file(&world, Some(&id("globex")), Format::FocusCsv).await;
    let csv = String::from_utf8(bytes).unwrap();
    let tenants = column(&csv, "SubAccountId");
    assert!(tenants.iter().all(|tenant| tenant == "globex"), "{csv}");
    let costs = column(&csv, "BilledCost");
    let sum: rust_decimal::Decimal = costs
        .iter()
        .map(|cost| cost.parse::<rust_decimal::Decimal>().unwrap())
        .sum();
    assert_eq!(sum.round_dp(2).to_string(), "11.50");
    let page = file(&world, Some(&id("globex")), Format::HtmlPage).await;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("11.50") && !page.contains("acme"), "{page}");
    // All of them cost 26.00, the other 14.50.
    assert!(!page.contains("26.00") && !page.contains("14.50"), "{page}");
}

#[tokio::test]
async fn the_page_has_costs_values_and_days() {
    let world = world().await;
    let page = file(&world, None, Format::HtmlPage).await;
    let page = String::from_utf8(page).unwrap();
    let report = world.report(None, "2026-11", By::None).await.unwrap();
    let cost = &report.rows[0].total;
    // 2.50 of tokens, 1.50 of training, 10.50 of the licence; three answers of 7.
    assert_eq!(cost, "14.50");
    for text in ["14.50", "21.00", "3 Nov", "10 Nov", "not enough feedback"] {
        assert!(page.contains(text), "{text}");
    }
}
