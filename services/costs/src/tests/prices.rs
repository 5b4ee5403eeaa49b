//! Price books and budgets.

use super::*;

#[tokio::test]
async fn without_a_price_book_the_example_serves_and_says_so() {
    let world = World::new().await;
    world
        .used("a", "acme", "2026-11-03", Meter::TrainingCpu, 3_600_000_000)
        .await;
    let report = world.report(None, "2026-11", By::None).await.unwrap();
    assert!(report.example_prices);
    assert_eq!(
        (report.price_book_revision, report.currency.as_str()),
        (0, "USD")
    );
    assert_eq!(report.rows[0].direct, "0.04");
    assert_eq!(report.total, report.price_book_total);
}

#[tokio::test]
async fn a_bad_price_book_is_refused_with_all_that_is_wrong() {
    let world = World::new().await;
    let with = |change: fn(&mut v1::PriceVersion)| {
        let mut changed = version();
        change(&mut changed);
        changed
    };
    let negative = with(|one| one.cpu_hour = "-1".to_owned());
    let unknown = with(|one| one.prices[0].meter = "tokens".to_owned());
    let error = world
        .prices(0, vec![negative.clone(), unknown])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::InvalidArgument, "PRICE_BOOK_INVALID")
    );
    for part in [
        "price_book.versions[0].cpu_hour: PRICE_NEGATIVE",
        "price_book.versions[1].prices.tokens: METER_UNKNOWN",
    ] {
        assert!(error.message().contains(part), "{}", error.message());
    }
    let dollars = with(|one| {
        one.currency = "USD".to_owned();
        one.valid_from = "2026-11-15".to_owned();
    });
    let ended = with(|one| one.valid_until = "2026-11-14".to_owned());
    let bad_day = with(|one| one.valid_from = "tomorrow".to_owned());
    for (versions, reason) in [
        (vec![negative], "PRICE_NEGATIVE"),
        (vec![version(), version()], "PRICE_VERSIONS_OVERLAP"),
        (vec![ended, dollars], "CURRENCY_CHANGES_IN_MONTH"),
        (vec![bad_day], "PRICE_BOOK_INVALID"),
        (Vec::new(), "PRICE_BOOK_INVALID"),
    ] {
        let error = world.prices(0, versions).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::InvalidArgument, reason)
        );
    }
    assert_eq!(world.costs.prices_in_force().await.unwrap().revision, 0);
}

#[tokio::test]
async fn a_change_after_another_revision_is_refused_and_a_repeat_is_answered() {
    let world = World::new().await;
    assert_eq!(world.prices(0, vec![version()]).await.unwrap(), 1);
    // The same again: the answer was lost.
    assert_eq!(world.prices(0, vec![version()]).await.unwrap(), 1);
    let mut dearer = version();
    dearer.cpu_hour = "7200".to_owned();
    let error = world.prices(0, vec![dearer.clone()]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Aborted, "PRICE_BOOK_CHANGED")
    );
    let dry = v1::UpdatePriceBookRequest {
        price_book: Some(v1::PriceBook {
            revision: 1,
            versions: vec![dearer.clone()],
            ..Default::default()
        }),
        validate_only: true,
    };
    let checked = world.costs.update_prices(dry, &operator()).await.unwrap();
    assert_eq!(checked.price_book.unwrap().revision, 2);
    assert_eq!(checked.warnings, []);
    assert_eq!(
        world.costs.prices_in_force().await.unwrap().revision,
        1,
        "only checked"
    );
    assert_eq!(world.prices(1, vec![dearer]).await.unwrap(), 2);
}

#[tokio::test]
async fn budgets_are_set_shown_and_cleared() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let set = async |parent: &str, monthly: &str| {
        let request = v1::SetBudgetRequest {
            parent: parent.to_owned(),
            monthly: monthly.to_owned(),
        };
        world.costs.set_budget(request, &operator()).await
    };
    let answer = set("tenants/acme", "12.00").await.unwrap();
    assert_eq!(
        (answer.monthly.as_str(), answer.currency.as_str()),
        ("12.00", "EUR")
    );
    set("tenants/-", "20").await.unwrap();
    let report = world.report(None, "", By::None).await.unwrap();
    let acme = report
        .rows
        .iter()
        .find(|row| row.tenant == "tenants/acme")
        .unwrap();
    let budget = acme.budget.as_ref().unwrap();
    assert_eq!((budget.level, budget.spent_percent.as_str()), (80, "87.5"));
    assert!(budget.forecast_exceeds);
    assert_eq!(report.budget.unwrap().level, 100);
    set("tenants/acme", "").await.unwrap();
    let report = world.report(Some(&id("acme")), "", By::None).await.unwrap();
    assert!(report.rows[0].budget.is_none());
    for (parent, monthly, kind) in [
        ("tenants/acme", "-1", ErrorKind::InvalidArgument),
        ("tenants/acme", "much", ErrorKind::InvalidArgument),
        ("tenants/acme", "1.00000000001", ErrorKind::InvalidArgument),
        ("acme", "1", ErrorKind::InvalidArgument),
        ("tenants/nobody", "1", ErrorKind::NotFound),
    ] {
        assert_eq!(
            set(parent, monthly).await.unwrap_err().kind(),
            kind,
            "{parent} {monthly}"
        );
    }
}

#[tokio::test]
async fn a_new_currency_warns_of_budgets_and_values_in_the_old_one() {
    let world = World::new().await;
    world.prices(0, vec![version()]).await.unwrap();
    let change = |from: &str, validate_only| {
        let (mut ended, mut francs) = (version(), version());
        ended.valid_until = "2026-11-30".to_owned();
        francs.valid_from = from.to_owned();
        francs.currency = "CHF".to_owned();
        v1::UpdatePriceBookRequest {
            price_book: Some(v1::PriceBook {
                revision: 1,
                versions: vec![ended, francs],
                ..Default::default()
            }),
            validate_only,
        }
    };
    let warned = async |validate_only| {
        let request = change("2026-12-01", validate_only);
        let made = world
            .costs
            .update_prices(request, &operator())
            .await
            .unwrap();
        made.warnings
    };
    // Nothing is set that could mean something else.
    assert_eq!(warned(true).await, []);
    for parent in ["tenants/globex", "tenants/-"] {
        let budget = v1::SetBudgetRequest {
            parent: parent.to_owned(),
            monthly: "90".to_owned(),
        };
        world.costs.set_budget(budget, &operator()).await.unwrap();
    }
    world.value_per_accepted("acme", "2.50").await;
    for validate_only in [true, false] {
        let warnings = warned(validate_only).await;
        let reasons: Vec<_> = warnings.iter().map(|one| one.reason.as_str()).collect();
        assert_eq!(reasons, ["CURRENCY_OF_BUDGETS", "CURRENCY_OF_VALUES"]);
        let budgets = &warnings[0].message;
        for part in [
            "all tenants together",
            "tenants/globex",
            "in EUR",
            "as CHF from 2026-12-01",
            "SetBudget",
        ] {
            assert!(budgets.contains(part), "{budgets}");
        }
        let values = &warnings[1].message;
        assert!(
            values.contains("tenants/acme") && !values.contains("globex"),
            "{values}"
        );
    }
}
