//! A tenant moves to another embedding space while it is asked, fed, killed and erased.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::v1;
use testkit::{BASE_MODELS, Client, TestServer, content, has_second_model, row};
use tonic::Code;

mod auto;
mod failures;
mod models;

const DEFAULT: &str = BASE_MODELS[0];
const OTHER: &str = BASE_MODELS[1];

const ASK: &str = "How often are encryption keys rotated?";

/// Spaces that were left go soon, and jobs of a dead server are taken soon.
const QUICK: &[(&str, &str)] = &[
    ("TENANTRY_ROUTER__REFRESH_SECONDS", "1"),
    ("TENANTRY_EMBEDDING__GRACE_SECONDS", "3"),
    ("TENANTRY_JOBS__LEASE_SECONDS", "5"),
];

/// An answer as far as it depends on vectors: the items and their similarities.
async fn similar(client: &Client, tenant: &str) -> BTreeMap<String, f64> {
    let request = v1::FindSimilarItemsRequest {
        parent: format!("tenants/{tenant}"),
        text: ASK.to_owned(),
        top_k: 20,
    };
    let answer = client.router().find_similar_items(request).await.unwrap();
    let items = answer.into_inner().items.into_iter();
    items.map(|item| (item.text, item.similarity)).collect()
}

/// Who is recommended, with what score, and which items are the evidence.
async fn recommended(client: &Client, tenant: &str) -> BTreeMap<String, f64> {
    let answer = client.recommend(tenant, ASK).await;
    let mut found = BTreeMap::new();
    for one in answer.recommendations {
        for evidence in &one.evidence {
            let item = evidence.item.rsplit('/').next().unwrap();
            found.insert(item.to_owned(), evidence.similarity);
        }
        found.insert(one.expert_id, one.score);
    }
    found
}

fn same(a: &BTreeMap<String, f64>, b: &BTreeMap<String, f64>) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|((x, a), (y, b))| x == y && (a - b).abs() < 1e-4)
}

/// The tenant with the content of [`content`] in the given space, indexed.
async fn filled(operator: &Client, tenant: &str, model: &str, items: u64) {
    let request = v1::CreateTenantRequest {
        tenant_id: tenant.to_owned(),
        vertical: "software".to_owned(),
        settings: Some(v1::TenantSettings {
            embedding_model: model.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    operator.tenants().create_tenant(request).await.unwrap();
    operator.ingest_rows(tenant, "first", content(items)).await;
    let status = operator.wait_indexed(tenant).await;
    assert_eq!(
        (status.space.as_str(), status.indexed_items),
        (model, items)
    );
}

fn arrived(space: &v1::EmbeddingSpace) -> bool {
    space.preparing.is_empty() && space.leaving.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_switches_and_every_answer_is_of_one_space() {
    if !has_second_model() {
        return;
    }
    const ITEMS: u64 = 600;
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    // The same items, for good in one space and in the other: what answers of each look like.
    filled(&operator, "old", DEFAULT, ITEMS).await;
    filled(&operator, "new", OTHER, ITEMS).await;
    filled(&operator, "acme", DEFAULT, ITEMS).await;
    let found = [
        similar(&operator, "old").await,
        similar(&operator, "new").await,
    ];
    let experts = [
        recommended(&operator, "old").await,
        recommended(&operator, "new").await,
    ];
    assert!(!same(&found[0], &found[1]) && !same(&experts[0], &experts[1]));

    let stop = Arc::new(AtomicBool::new(false));
    let mut askers = Vec::new();
    for asker in 0..4 {
        let client = server.client(Some(&server.operator_key)).await;
        let (stop, found, experts) = (stop.clone(), found.clone(), experts.clone());
        askers.push(tokio::spawn(async move {
            // Answers of each space, and how often the space changed from one to the next.
            let (mut seen, mut changes, mut last) = ([0_u64; 2], 0, 0);
            while !stop.load(Ordering::Relaxed) {
                let (answer, of) = match asker % 2 {
                    0 => (similar(&client, "acme").await, &found),
                    _ => (recommended(&client, "acme").await, &experts),
                };
                let space = of.iter().position(|one| same(one, &answer));
                let space = space.unwrap_or_else(|| panic!("a mixture: {answer:?} of {of:?}"));
                seen[space] += 1;
                changes += u64::from(space != last);
                last = space;
            }
            (seen, changes)
        }));
    }
    let space = operator.set_model("acme", OTHER).await.unwrap();
    assert_eq!(
        (space.active.as_str(), space.preparing.as_str()),
        (DEFAULT, OTHER)
    );
    let job = operator.watch(space.job).await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    assert_eq!(job.kind(), v1::job::Kind::SwitchSpace);
    assert_eq!(job.outcome["active"], OTHER);
    assert_eq!(job.outcome["indexed_items"], ITEMS.to_string());
    let space = operator.wait_space("acme", arrived).await;
    assert_eq!((space.active.as_str(), space.error.as_str()), (OTHER, ""));
    // The old space is gone by now; what is asked is answered as before.
    stop.store(true, Ordering::Relaxed);
    let mut all = [0; 2];
    for asker in askers {
        let (seen, changes) = asker.await.unwrap();
        assert_eq!(changes, 1, "at once, and not back: {seen:?}");
        all = [all[0] + seen[0], all[1] + seen[1]];
    }
    assert!(all[0] > 0 && all[1] > 0, "{all:?}");
    let status = operator.wait_indexed("acme").await;
    assert_eq!(
        (status.space.as_str(), status.indexed_items),
        (OTHER, ITEMS)
    );
    // A neighbour in the old space has everything it had.
    assert!(same(&similar(&operator, "old").await, &found[0]));
}

/// Items that are changed, and as many that are deleted, while a switch runs.
const TOUCHED: i64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_during_a_switch_is_right_after_it() {
    if !has_second_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "acme", DEFAULT, 900).await;
    let space = operator.set_model("acme", OTHER).await.unwrap();
    // New items, changed ones, deleted ones, one after the other until the switch is done.
    let ended = tokio::spawn({
        let (operator, job) = (operator.clone(), space.job.clone());
        async move { operator.watch(job).await }
    });
    let mut added = 0;
    while !ended.is_finished() && added < 5_000 {
        let text = format!("Which comet number {added} was seen over Rome?");
        let mut rows = vec![row(
            1,
            &format!("new-{added}"),
            &text,
            "sofia",
            5_000 + added,
        )];
        if added < TOUCHED {
            rows.push(row(2, &format!("q-{added}"), &text, "li", 6_000 + added));
            let request = v1::BatchDeleteItemsRequest {
                parent: "tenants/acme".into(),
                item_ids: vec![format!("q-{}", 899 - added)],
            };
            operator.ingest().batch_delete_items(request).await.unwrap();
        }
        let batch = format!("during-{added}");
        let (acknowledged, _) = operator.ingest_rows("acme", &batch, rows).await;
        assert!(acknowledged.rejected.is_empty(), "{acknowledged:?}");
        added += 1;
    }
    let job = ended.await.unwrap();
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    operator.wait_space("acme", arrived).await;
    let status = operator.wait_indexed("acme").await;
    let there = (900 + added - added.min(TOUCHED)) as u64;
    assert_eq!((status.items, status.indexed_items), (there, there));
    assert_eq!(status.space, OTHER);
    let request = v1::FindSimilarItemsRequest {
        parent: "tenants/acme".into(),
        text: "Which comet number 0 was seen over Rome?".into(),
        top_k: 2,
    };
    let answer = operator.router().find_similar_items(request).await.unwrap();
    let items = answer.into_inner().items;
    assert!(items[0].similarity > 0.999, "{items:?}");
    assert!(items[1].similarity > 0.999, "{items:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_and_back_and_there_again() {
    if !has_second_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "acme", DEFAULT, 300).await;
    filled(&operator, "young", OTHER, 9).await;
    let before = similar(&operator, "acme").await;

    // Another wish while a switch runs or waits: the last one counts.
    for model in [OTHER, DEFAULT, OTHER, DEFAULT] {
        operator.set_model("acme", model).await.unwrap();
    }
    operator.wait_space("acme", arrived).await;
    let space = operator.wait_space("acme", arrived).await;
    assert_eq!(space.active, DEFAULT);
    assert!(same(&similar(&operator, "acme").await, &before));

    // Back before the old space is dropped, and again after it was.
    for (model, wait_for_drop) in [
        (OTHER, false),
        (DEFAULT, true),
        (OTHER, true),
        (DEFAULT, true),
    ] {
        operator.set_model("acme", model).await.unwrap();
        let done = |space: &v1::EmbeddingSpace| match wait_for_drop {
            true => arrived(space),
            false => space.active == model,
        };
        let space = operator.wait_space("acme", done).await;
        assert_eq!(space.active, model, "{space:?}");
        let status = operator.wait_indexed("acme").await;
        assert_eq!((status.space.as_str(), status.indexed_items), (model, 300));
    }
    // The router follows within a moment; nothing is left of the way.
    let after = until_same(&operator, "acme", &before).await;
    assert!(same(&after, &before), "{after:?}, {before:?}");
    let status = operator.wait_indexed("young").await;
    assert_eq!((status.space.as_str(), status.indexed_items), (OTHER, 9));
}

/// The tenant's answer, once it is as expected; or the last one, when it never is.
async fn until_same(
    client: &Client,
    tenant: &str,
    expected: &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let mut answer = BTreeMap::new();
    for _ in 0..200 {
        answer = similar(client, tenant).await;
        if same(&answer, expected) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_there_is_refused_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let refused = operator.set_model("acme", "word2vec").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let message = refused.message();
    assert!(
        message.contains("word2vec") && message.contains(DEFAULT),
        "{message}"
    );
    let request = v1::CreateTenantRequest {
        tenant_id: "other".into(),
        vertical: "software".into(),
        settings: Some(v1::TenantSettings {
            embedding_model: "word2vec".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = operator.tenants().create_tenant(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let space = operator.tenant("acme").await.embedding_space.unwrap();
    assert_eq!((space.active.as_str(), space.job.as_str()), (DEFAULT, ""));
    // Other settings leave it alone, also where they are replaced as a whole.
    let request = v1::UpdateTenantRequest {
        tenant: Some(v1::Tenant {
            name: "tenants/acme".into(),
            settings: Some(v1::TenantSettings {
                share_for_training: true,
                ..Default::default()
            }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["settings".into()],
        }),
    };
    operator.tenants().update_tenant(request).await.unwrap();
    let settings = operator.tenant("acme").await.settings.unwrap();
    assert_eq!(
        (
            settings.embedding_model.as_str(),
            settings.share_for_training
        ),
        (DEFAULT, true)
    );
}
