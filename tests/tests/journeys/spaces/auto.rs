//! A tenant that leaves its embedding space to the platform, and spaces without a transformer.

use api::v1;
use testkit::{Client, STATIC_MODEL, TestServer, content, has_static_model};
use tonic::Code;

use super::{DEFAULT, QUICK, arrived, filled, recommended, similar};

const AUTO: &str = "AUTO";
const NONE: &str = "none";

/// Sets AUTO, and waits for the comparison that follows.
async fn compared(operator: &Client, tenant: &str) -> v1::Job {
    let space = operator.set_model(tenant, AUTO).await.unwrap();
    let job = operator.watch(space.job).await;
    assert_eq!(job.kind(), v1::job::Kind::CompareSpaces, "{job:?}");
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_takes_the_cheapest_space_that_does_as_well_and_shows_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "acme", DEFAULT, 900).await;
    let before = recommended(&operator, "acme").await;
    let job = compared(&operator, "acme").await;
    assert_eq!(job.outcome["chosen"], NONE, "its words tell: {job:?}");
    let space = operator
        .wait_space("acme", |space| arrived(space) && space.active == NONE)
        .await;
    let made = space.comparison.unwrap();
    assert_eq!((made.chosen.as_str(), made.items), (NONE, 900));
    assert!(made.questions >= 100, "{made:?}");
    let models: Vec<&str> = made
        .candidates
        .iter()
        .map(|one| one.model.as_str())
        .collect();
    assert_eq!((models[0], models[models.len() - 1]), (NONE, DEFAULT));
    for one in &made.candidates {
        assert!(
            one.difference <= 0.0 && one.difference_low <= one.difference_high,
            "{one:?}"
        );
    }
    // The same first expert, who is recommended without a vector.
    let after = recommended(&operator, "acme").await;
    let first = |answer: &std::collections::BTreeMap<String, f64>| {
        let experts = answer.iter().filter(|(name, _)| !name.starts_with("q-"));
        let best = experts.max_by(|a, b| a.1.total_cmp(b.1));
        best.map(|(name, _)| name.clone())
    };
    assert_eq!(first(&before), first(&after));
    // Items are found by their words.
    let items = similar(&operator, "acme").await;
    assert!(!items.is_empty() && items.values().all(|similarity| *similarity == 0.0));
    let settings = operator.tenant("acme").await.settings.unwrap();
    assert_eq!(settings.embedding_model, AUTO);
    // New items are taken in as everywhere.
    operator.ingest_rows("acme", "more", content(950)).await;
    let status = operator.wait_indexed("acme").await;
    assert_eq!((status.space.as_str(), status.indexed_items), (NONE, 950));

    // A named model is what it was before.
    operator.set_model("acme", DEFAULT).await.unwrap();
    let back = operator
        .wait_space("acme", |space| space.active == DEFAULT)
        .await;
    assert_eq!(back.comparison.unwrap().chosen, NONE, "the report stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_stays_in_the_default_space_until_there_is_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    let request = v1::CreateTenantRequest {
        tenant_id: "young".to_owned(),
        vertical: "software".to_owned(),
        settings: Some(v1::TenantSettings {
            embedding_model: AUTO.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    operator.tenants().create_tenant(request).await.unwrap();
    operator.ingest_rows("young", "first", content(30)).await;
    let status = operator.wait_indexed("young").await;
    assert_eq!((status.space.as_str(), status.indexed_items), (DEFAULT, 30));
    let space = operator.tenant("young").await.embedding_space.unwrap();
    assert_eq!(
        (space.active.as_str(), space.preparing.as_str()),
        (DEFAULT, "")
    );
    assert!(space.comparison.is_none());
    // Asked to compare all the same, it says what is missing and stays.
    operator.set_model("young", DEFAULT).await.unwrap();
    let job = compared(&operator, "young").await;
    assert_eq!(job.outcome["chosen"], DEFAULT);
    assert!(job.outcome["reason"].contains("too few"), "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_space_serves_and_survives_a_restart() {
    if !has_static_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "acme", STATIC_MODEL, 300).await;
    let (items, experts) = (
        similar(&operator, "acme").await,
        recommended(&operator, "acme").await,
    );
    assert!(
        items.values().any(|similarity| *similarity > 0.5),
        "{items:?}"
    );
    server.kill();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    assert!(super::same(&similar(&operator, "acme").await, &items));
    assert!(super::same(&recommended(&operator, "acme").await, &experts));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_written_otherwise_is_refused_with_how_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let refused = operator.set_model("acme", "auto").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let message = refused.message();
    assert!(
        message.contains(AUTO) && message.contains(DEFAULT),
        "{message}"
    );
}
