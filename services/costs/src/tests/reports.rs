//! The report of a month.

use super::*;

#[tokio::test]
async fn a_month_is_priced_split_and_adds_up() {
    let world = World::new().await;
    assert_eq!(world.prices(0, vec![version()]).await.unwrap(), 1);
    world
        .used("a", "acme", "2026-11-03", Meter::EmbeddingTokens, 2_500_000)
        .await;
    world
        .used("b", "acme", "2026-11-04", Meter::ModelCpu, 1_500_000)
        .await;
    world
        .used(
            "c",
            "globex",
            "2026-11-04",
            Meter::EmbeddingTokens,
            1_000_000,
        )
        .await;
    world
        .used("d", "globex", "2026-11-05", Meter::BytesOut, 7)
        .await;
    world
        .used(
            "e",
            "globex",
            "2026-10-05",
            Meter::EmbeddingTokens,
            4_000_000,
        )
        .await;
    let report = world.report(None, "", By::Service).await.unwrap();
    assert_eq!(
        (report.month.as_str(), report.until.as_str()),
        ("2026-11", "2026-11-21")
    );
    // 21 of the 30 days: 21 of the 30, by two.
    let rows: Vec<_> = report.rows.iter().map(short).collect();
    let acme = ("tenants/acme", "4.00", "10.50", "14.50");
    assert_eq!(rows, [acme, ("tenants/globex", "1.00", "10.50", "11.50")]);
    assert_eq!(report.unallocated.unwrap().total, "0.00");
    assert_eq!(
        (report.total.as_str(), report.price_book_total.as_str()),
        ("26.00", "26.00")
    );
    assert!(!report.example_prices);
    assert_eq!(report.unpriced.len(), 1);
    assert_eq!(
        (
            report.unpriced[0].meter.as_str(),
            report.unpriced[0].quantity
        ),
        ("bytes_out", 7)
    );
    let parts: Vec<_> = report.rows[0]
        .parts
        .iter()
        .map(|p| (p.label.as_str(), p.cost.as_str()))
        .collect();
    assert_eq!(parts, [("shared", "10.50"), ("router", "4.00")]);
    // October up to the 21st: 21 of 31 days of the licence, and globex's tokens.
    let previous = report.previous.unwrap();
    assert_eq!(
        (previous.until.as_str(), previous.total.as_str()),
        ("2026-10-21", "24.32")
    );
    // The first days of the month are over: the same numbers again.
    let october = world.report(None, "2026-10", By::None).await.unwrap();
    assert_eq!(october.total, "34.00");
    assert_eq!(
        world.report(None, "2026-10", By::None).await.unwrap(),
        october
    );
}

#[tokio::test]
async fn one_tenant_sees_its_own_row_and_nothing_of_others() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    world
        .used("a", "acme", "2026-11-03", Meter::EmbeddingTokens, 1_000_000)
        .await;
    world
        .used("b", "globex", "2026-11-03", Meter::BytesOut, 9)
        .await;
    let report = world
        .report(Some(&id("acme")), "2026-11", By::None)
        .await
        .unwrap();
    let rows: Vec<_> = report.rows.iter().map(short).collect();
    assert_eq!(rows, [("tenants/acme", "1.00", "10.50", "11.50")]);
    assert!(
        report.unpriced.is_empty(),
        "what another used is nobody else's business"
    );
    assert!(report.unallocated.is_none() && report.previous.is_none() && report.budget.is_none());
    assert_eq!(
        (report.total.as_str(), report.price_book_total.as_str()),
        ("", "")
    );
    let error = world
        .report(Some(&id("nobody")), "2026-11", By::None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn months_that_are_none_or_have_not_begun_are_refused() {
    let world = World::new().await;
    for (month, reason) in [
        ("2026-12", "MONTH_IN_FUTURE"),
        ("November", "MONTH_MALFORMED"),
    ] {
        let error = world.report(None, month, By::None).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::InvalidArgument, reason)
        );
        assert!(error.message().contains("ask for") || error.message().contains("2026-11"));
    }
}

#[tokio::test]
async fn what_an_erased_tenant_used_stays_in_the_totals() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    world
        .used(
            "a",
            "globex",
            "2026-11-03",
            Meter::EmbeddingTokens,
            3_000_000,
        )
        .await;
    let before = world.report(None, "", By::None).await.unwrap();
    let platform = world.costs.store.maintenance(Purpose::StartUp);
    platform.erase_tenant(&id("globex"), at(NOW)).await.unwrap();
    let after = world.report(None, "", By::None).await.unwrap();
    assert_eq!(after.total, before.total);
    let globex = after
        .rows
        .iter()
        .find(|row| row.tenant == "tenants/globex")
        .unwrap();
    assert_eq!((globex.erased, globex.direct.as_str()), (true, "3.00"));
    assert!(globex.value.is_none());
    // An operator may still ask for it.
    assert_eq!(
        world
            .report(Some(&id("globex")), "", By::None)
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
}

#[tokio::test]
async fn who_comes_or_goes_changes_nothing_of_the_days_before() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let tokens = Meter::EmbeddingTokens;
    world
        .used("a", "globex", "2026-10-05", tokens, 1_000_000)
        .await;
    let shared = async |month: &str| {
        let report = world.report(None, month, By::None).await.unwrap();
        let rows = report.rows.iter();
        let shared = rows.map(|row| (row.tenant.clone(), row.shared.clone()));
        assert_eq!(report.total, report.price_book_total);
        shared.collect::<std::collections::BTreeMap<_, _>>()
    };
    let october = shared("2026-10").await;
    assert_eq!(
        (&*october["tenants/acme"], &*october["tenants/globex"]),
        ("15.00", "15.00")
    );
    // One goes in November.
    let platform = world.costs.store.maintenance(Purpose::StartUp);
    let gone = at("2026-11-10T08:00:00Z");
    platform.erase_tenant(&id("globex"), gone).await.unwrap();
    assert_eq!(shared("2026-10").await, october);
    // In November it bears ten of the days: 10 of 21 by two.
    let november = shared("2026-11").await;
    assert_eq!(
        (&*november["tenants/acme"], &*november["tenants/globex"]),
        ("16.00", "5.00")
    );
    // One that came on the 20th bears two of them.
    let new = NewTenant {
        id: id("initech"),
        display_name: String::new(),
        vertical: VerticalId::parse("software").unwrap(),
        settings: TenantSettings::default(),
    };
    platform
        .create_tenant(new, "ops", at("2026-11-20T08:00:00Z"))
        .await
        .unwrap();
    let november = shared("2026-11").await;
    assert_eq!(
        (&*november["tenants/acme"], &*november["tenants/initech"]),
        ("15.00", "1.00")
    );
}

#[tokio::test]
async fn nothing_is_charged_before_the_first_start_and_no_month_compared_with_one_that_never_was() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let usage = world.costs.store.maintenance(Purpose::StartUp).usage();
    let first = at("2026-11-20T12:00:00Z");
    usage.keep_first_start(first).await.unwrap();
    let report = world.report(None, "", By::Day).await.unwrap();
    // 30 a month: half of the 20th and all of the 21st.
    assert_eq!(report.total, "1.50");
    assert_eq!(report.price_book_total, report.total);
    assert_eq!(report.rows[0].parts.len(), 2);
    assert_eq!(report.previous, None);
    assert_eq!(report.rows[0].previous_total, None);
    let before = world.report(None, "2026-10", By::None).await.unwrap();
    assert_eq!((before.total.as_str(), before.previous), ("0.00", None));
    // Nor does a file for finance have a row of an earlier day.
    let format = v1::export_costs_request::Format::FocusCsv;
    let month = world.costs.month("2026-11").unwrap();
    let csv = world.costs.export(None, month, format).await.unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(
        csv.contains("2026-11-20T00:00:00Z") && !csv.contains("2026-11-19T"),
        "{csv}"
    );
}
