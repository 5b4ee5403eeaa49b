//! People change: what is said of them, their names, who they are; and labels with them.

use std::time::Duration;

use api::v1;
use testkit::{Client, TestServer, program, row};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use v1::expert_merge::State;
use v1::send_feedback_request::Verdict;

/// What the program prints as JSON, and its exit code.
pub(crate) async fn cli(
    server: &TestServer,
    arguments: &[&str],
) -> (serde_json::Value, Option<i32>) {
    let mut command = tokio::process::Command::new(program());
    command
        .args(arguments)
        .args(["-o", "json"])
        .env("TENANTRY_ENDPOINT", &server.endpoint)
        .env("TENANTRY_KEY", &server.operator_key);
    let output = command.output().await.unwrap();
    let printed = serde_json::from_slice(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        printed.unwrap_or_else(|_| errors.into()),
        output.status.code(),
    )
}

fn expert(id: &str) -> v1::Expert {
    v1::Expert {
        expert_id: id.to_owned(),
        ..Default::default()
    }
}

async fn upsert(client: &Client, experts: Vec<v1::Expert>, mask: &[&str]) -> Result<u64, Status> {
    let paths: Vec<String> = mask.iter().map(|path| (*path).to_owned()).collect();
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/acme".into(),
        experts,
        update_mask: (!paths.is_empty()).then_some(prost_types::FieldMask { paths }),
    };
    let answer = client.ingest().batch_upsert_experts(request).await?;
    Ok(answer.into_inner().changed)
}

async fn listed(client: &Client) -> Vec<v1::Expert> {
    let request = v1::ListExpertsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let answer = client.ingest().list_experts(request).await.unwrap();
    answer.into_inner().experts
}

async fn item(client: &Client, id: &str) -> v1::Item {
    let name = format!("tenants/acme/items/{id}");
    let answer = client.ingest().get_item(v1::GetItemRequest { name }).await;
    answer.unwrap().into_inner().item.unwrap()
}

async fn feedback(
    client: &Client,
    request: &str,
    verdict: Verdict,
    who: &str,
) -> Result<v1::SendFeedbackResponse, Status> {
    let reassigned = verdict == Verdict::Reassigned;
    let request = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: request.to_owned(),
        verdict: verdict.into(),
        expert_id: if reassigned {
            String::new()
        } else {
            who.to_owned()
        },
        reassigned_to: if reassigned {
            who.to_owned()
        } else {
            String::new()
        },
    };
    Ok(client.router().send_feedback(request).await?.into_inner())
}

/// Asks until the first recommendation is `who`: the router hears of changes in the background.
async fn eventually_first(client: &Client, text: &str, who: &str) -> v1::RecommendExpertsResponse {
    let mut answer = v1::RecommendExpertsResponse::default();
    for _ in 0..600 {
        answer = client.recommend("acme", text).await;
        if answer
            .recommendations
            .first()
            .is_some_and(|one| one.expert_id == who)
        {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{who} is never first: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_changes_only_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let marta = v1::Expert {
        display_name: Some("Marta Nowak".into()),
        profile: Some("tax law".into()),
        ..expert("marta")
    };
    assert_eq!(upsert(&operator, vec![marta], &[]).await.unwrap(), 1);

    // A presence service knows nothing but who is away.
    let away = |away: bool| v1::Expert {
        unavailable: Some(away),
        ..expert("marta")
    };
    assert_eq!(upsert(&operator, vec![away(true)], &[]).await.unwrap(), 1);
    assert_eq!(upsert(&operator, vec![away(true)], &[]).await.unwrap(), 0);
    let now = listed(&operator).await.remove(0);
    assert_eq!(now.display_name.as_deref(), Some("Marta Nowak"));
    assert_eq!(now.profile.as_deref(), Some("tax law"));
    assert_eq!((now.inactive, now.unavailable), (Some(false), Some(true)));
    assert_eq!(upsert(&operator, vec![away(false)], &[]).await.unwrap(), 1);

    // With a mask, what it names is all that counts, and what is left out is cleared.
    let masked = v1::Expert {
        display_name: Some("somebody else".into()),
        ..expert("marta")
    };
    upsert(&operator, vec![masked.clone()], &["profile"])
        .await
        .unwrap();
    let now = listed(&operator).await.remove(0);
    assert_eq!(now.display_name.as_deref(), Some("Marta Nowak"));
    assert_eq!(now.profile.as_deref(), Some(""));
    let refused = upsert(&operator, vec![masked], &["expert_id"])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = refused.get_error_details();
    let violations = violations.bad_request().unwrap().field_violations.clone();
    assert_eq!(violations[0].field, "update_mask");

    // The command line sends what the file has a column for.
    let file = folder.path().join("away.csv");
    std::fs::write(&file, "id,available\nmarta,no\nnew,yes\n").unwrap();
    let file = file.to_str().unwrap();
    let (done, code) = cli(&server, &["experts", "import", "-t", "acme", file]).await;
    assert_eq!(
        (code, &done["changed"]),
        (Some(0), &serde_json::json!(2)),
        "{done}"
    );
    let now = listed(&operator).await.remove(0);
    assert_eq!(now.display_name.as_deref(), Some("Marta Nowak"));
    assert_eq!(now.unavailable, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn experts_become_one_and_part_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let subjects = [
        ("j.doe", "glass furnaces"),
        ("Jane Doe", "annealing ovens"),
        ("kim", "freight rates"),
    ];
    let rows = (0..30_u64).map(|at| {
        let (who, about) = subjects[(at % 3) as usize];
        let text = format!(
            "Item {at}: what should we know about {about}, part {}?",
            at / 3
        );
        row(at + 1, &format!("q-{at}"), &text, who, at as i64)
    });
    operator.ingest_rows("acme", "first", rows.collect()).await;
    let all = subjects.map(|(who, about)| v1::Expert {
        profile: Some(about.into()),
        ..expert(who)
    });
    upsert(&operator, all.to_vec(), &[]).await.unwrap();
    operator.wait_indexed("acme").await;
    let old = eventually_first(&operator, "glass furnaces", "j.doe").await;
    feedback(&operator, &old.request_id, Verdict::Accepted, "j.doe")
        .await
        .unwrap();
    // Of another subject than those asked below: whom it goes to must not decide them.
    let unheard = operator.recommend("acme", "Who orders our paper?").await;
    let rank = unheard
        .recommendations
        .iter()
        .position(|one| one.expert_id != "kim")
        .expect("three experts are all recommended");

    let merge = v1::MergeExpertsRequest {
        parent: "tenants/acme".into(),
        expert_ids: vec!["j.doe".into()],
        into_expert_id: "Jane Doe".into(),
    };
    let merged = operator
        .ingest()
        .merge_experts(merge.clone())
        .await
        .unwrap()
        .into_inner();
    let done = &merged.merges[0];
    assert_eq!(
        (done.state(), done.items, done.feedback),
        (State::Done, 11, 1)
    );
    assert_eq!(item(&operator, "q-0").await.experts, ["Jane Doe"]);
    assert_eq!(item(&operator, "q-0").await.revision, 2);
    let again = operator
        .ingest()
        .merge_experts(merge)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        again.merges[0].merge_id, done.merge_id,
        "the same call again is the same merge"
    );
    let names: Vec<String> = listed(&operator)
        .await
        .into_iter()
        .map(|e| e.expert_id)
        .collect();
    assert_eq!(names, ["Jane Doe", "kim"]);
    eventually_first(&operator, "glass furnaces", "Jane Doe").await;
    // An answer from before still knows who is meant.
    let late = feedback(&operator, &unheard.request_id, Verdict::Accepted, "j.doe")
        .await
        .unwrap();
    assert_eq!(late.rank as usize, rank + 1, "of either name of the person");
    let name = late.item.rsplit('/').next().unwrap().to_owned();
    assert_eq!(item(&operator, &name).await.experts, ["Jane Doe"]);

    let (undone, code) = cli(
        &server,
        &["experts", "unmerge", "-t", "acme", &done.merge_id],
    )
    .await;
    assert_eq!(
        (code, undone["state"].as_str()),
        (Some(0), Some("UNDONE")),
        "{undone}"
    );
    assert_eq!(item(&operator, "q-0").await.experts, ["j.doe"]);
    assert_eq!(item(&operator, "q-1").await.experts, ["Jane Doe"]);
    eventually_first(&operator, "glass furnaces", "j.doe").await;

    // Another name, by the command line.
    let rename = ["experts", "rename", "-t", "acme", "kim", "Kim/Ops"];
    let (renamed, code) = cli(&server, &rename).await;
    assert_eq!(
        (code, &renamed["items"]),
        (Some(0), &serde_json::json!(10)),
        "{renamed}"
    );
    eventually_first(&operator, "freight rates", "Kim/Ops").await;
    let (taken, code) = cli(
        &server,
        &["experts", "rename", "-t", "acme", "Kim/Ops", "j.doe"],
    )
    .await;
    assert_eq!(code, Some(4), "{taken}");
    let (merges, _) = cli(&server, &["experts", "merges", "-t", "acme"]).await;
    assert_eq!(merges.as_array().unwrap().len(), 2, "{merges}");
    let (events, _) = cli(&server, &["audit", "list", "-t", "acme"]).await;
    let actions: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["action"].as_str())
        .collect();
    for action in ["experts.merge", "experts.unmerge", "experts.rename"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_expert_is_never_recommended() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", testkit::content(30))
        .await;
    let all = ["sofia", "li", "omar"].map(expert).to_vec();
    upsert(&operator, all, &[]).await.unwrap();
    operator.wait_indexed("acme").await;
    let ask = "Which payment terms are on the invoice?";
    eventually_first(&operator, ask, "li").await;
    let (gone, code) = cli(
        &server,
        &["experts", "delete", "-t", "acme", "li", "nobody"],
    )
    .await;
    assert_eq!(
        (code, &gone["deleted"]),
        (Some(0), &serde_json::json!(1)),
        "{gone}"
    );
    for _ in 0..600 {
        let answer = operator.recommend("acme", ask).await;
        if answer
            .recommendations
            .iter()
            .all(|one| one.expert_id != "li")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = operator.recommend("acme", ask).await;
    assert!(
        answer
            .recommendations
            .iter()
            .all(|one| one.expert_id != "li"),
        "{answer:?}"
    );
    assert_eq!(
        item(&operator, "q-1").await.experts,
        ["li"],
        "history stays"
    );

    // Out of the items too: who had nobody else is open again.
    let request = v1::BatchDeleteExpertsRequest {
        parent: "tenants/acme".into(),
        expert_ids: vec!["li".into(), "omar".into()],
        from_items: true,
    };
    let gone = operator
        .ingest()
        .batch_delete_experts(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((gone.deleted, gone.items), (1, 20));
    assert!(item(&operator, "q-1").await.experts.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_names_nobody_is_refused_with_the_nearest_names() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", testkit::content(30))
        .await;
    let wanda = v1::Expert {
        display_name: Some("Wanda Wieczorek".into()),
        ..expert("w.wieczorek")
    };
    upsert(&operator, vec![wanda], &[]).await.unwrap();
    operator.wait_indexed("acme").await;
    let answer = eventually_first(&operator, "firewall rules", "sofia").await;
    for (verdict, who, field) in [
        (Verdict::Reassigned, "W.Wieczorekk", "reassigned_to"),
        (Verdict::Accepted, "Wanda Wieczorek", "expert_id"),
        (Verdict::Rejected, "w wieczorek", "expert_id"),
    ] {
        let refused = feedback(&operator, &answer.request_id, verdict, who)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{who}");
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "UNKNOWN_EXPERT");
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, field);
        assert!(
            violation.description.contains("\"w.wieczorek\""),
            "{violation:?}"
        );
    }
    for who in ["w.wieczorek", "omar"] {
        feedback(&operator, &answer.request_id, Verdict::Reassigned, who)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_only_as_many_experts_as_can_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", testkit::content(30))
        .await;
    operator.wait_indexed("acme").await;
    let batch = |from: usize| {
        (from..from + 1_000)
            .map(|at| expert(&format!("e{at}")))
            .collect()
    };
    for at in 0..20 {
        let batch: Vec<v1::Expert> = batch(at * 1_000);
        assert_eq!(upsert(&operator, batch, &[]).await.unwrap(), 1_000);
    }
    let refused = upsert(&operator, batch(20_000), &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "TOO_MANY_EXPERTS");
    assert!(refused.message().contains("20000"), "{}", refused.message());
    // Those there are may change, and the tenant is served.
    assert_eq!(
        upsert(&operator, batch(0), &["unavailable"]).await.unwrap(),
        0
    );
    eventually_first(&operator, "firewall rules", "sofia").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_name_only_as_many_experts_as_can_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let rows = |from: usize| -> Vec<v1::IngestRow> {
        let names = |at: usize| (0..32).map(move |n| format!("p{}", at * 32 + n));
        (from..from + 500)
            .map(|at| {
                let text = format!("Question {at} of very many people?");
                let mut made = row(at as u64 + 1, &format!("q-{at}"), &text, "", at as i64);
                if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
                    item.experts = names(at).collect();
                }
                made
            })
            .collect()
    };
    let send = async |id: &str, rows: Vec<v1::IngestRow>| {
        let batch = v1::IngestItemsRequest {
            parent: "tenants/acme".into(),
            request_id: id.into(),
            rows,
        };
        let stream = tokio_stream::once(batch);
        let mut answers = operator
            .ingest()
            .ingest_items(stream)
            .await
            .unwrap()
            .into_inner();
        answers.message().await
    };
    for (at, id) in ["one", "two"].into_iter().enumerate() {
        let taken = send(id, rows(at * 500)).await.unwrap().unwrap();
        assert_eq!(taken.accepted, 500);
    }
    let refused = send("three", rows(1_000)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "TOO_MANY_EXPERTS");
    // The same people may go on.
    let again = send("four", rows(500)).await.unwrap().unwrap();
    assert_eq!(again.unchanged, 500);
}
