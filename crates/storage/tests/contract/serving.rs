//! Embeddings, the index's watermark, answers, feedback, and requests.

use domain::{
    Alias, AliasMoveCause, Change, DEFAULT_EMBEDDING_MODEL, ErrorKind, FeedbackEvent,
    FeedbackVerdict, RequestId, RoutingPolicy, TaskId, Tier,
};
use tenantry_storage::{
    Answer, Feedback, NewFeedback, Purpose, ServingState, Shadow, StorageError,
};

use super::models::{by, model};
use super::world::{World, expert, expert_id, item, item_id, later, now, space_jobs, tenant_id};

pub async fn embeddings_are_cached_by_space(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let vector = vec![0.0_f32, -1.5, f32::MIN_POSITIVE, 3.25e30];
    tx.embeddings()
        .put("minilm", vec![([1; 32], vector.clone())])
        .await
        .unwrap();
    tx.embeddings()
        .put("minilm", vec![([1; 32], vec![9.0]), ([2; 32], vec![2.0])])
        .await
        .unwrap();
    tx.embeddings().put("minilm", vec![]).await.unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let known = tx
        .embeddings()
        .get("minilm", &[[1; 32], [2; 32], [3; 32]])
        .await
        .unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known[&[1; 32]], vector, "the first one stays");
    assert!(
        tx.embeddings()
            .get("other", &[[1; 32]])
            .await
            .unwrap()
            .is_empty()
    );

    let many: Vec<[u8; 32]> = (0..6_000_u32)
        .map(|n| {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_le_bytes());
            hash
        })
        .collect();
    let all = many.iter().map(|hash| (*hash, vec![0.5; 384])).collect();
    tx.embeddings().put("big", all).await.unwrap();
    assert_eq!(
        tx.embeddings().get("big", &many).await.unwrap().len(),
        6_000
    );
}

pub async fn the_index_knows_how_far_it_is(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    world.tenant("empty").await;
    world.ingest(&a, vec![item("q", "x"), item("r", "y")]).await;
    world.ingest(&b, vec![item("q", "x")]).await;
    let platform = world.store.maintenance(Purpose::StartUp);
    let behind = async |space| platform.tenants_behind(space).await.unwrap();
    assert_eq!(behind("minilm").await, [tenant_id("a"), tenant_id("b")]);

    let mut heard = world.store.changes().subscribe();
    let tx = world.tx(&a).await;
    assert_eq!(tx.index().watermark("minilm").await.unwrap(), 0);
    tx.index().set_watermark("minilm", 1).await.unwrap();
    tx.index().set_watermark("minilm", 2).await.unwrap();
    assert_eq!(tx.index().watermark("minilm").await.unwrap(), 2);
    assert_eq!(tx.index().watermark("other").await.unwrap(), 0);
    for (advanced_to, is_then) in [(1, 2), (3, 3), (3, 3), (2, 3)] {
        tx.index().advance("minilm", advanced_to).await.unwrap();
        assert_eq!(tx.index().watermark("minilm").await.unwrap(), is_then);
    }
    tx.commit().await.unwrap();
    assert_eq!(heard.try_recv().unwrap(), Change::Index(tenant_id("a")));
    assert_eq!(behind("minilm").await, [tenant_id("b")]);
    assert_eq!(behind("other").await.len(), 2);

    let mut resting = platform.get_tenant(&tenant_id("b")).await.unwrap().unwrap();
    resting.state = domain::TenantState::Inactive;
    platform
        .update_tenant(&resting, space_jobs(), "ops", now())
        .await
        .unwrap();
    assert!(behind("minilm").await.is_empty());
}

fn feedback(request: &str, verdict: &str, expert: Option<&str>) -> NewFeedback {
    NewFeedback {
        request_id: request.to_owned(),
        said: FeedbackEvent {
            verdict: FeedbackVerdict::parse(verdict).unwrap(),
            expert: expert.map(expert_id),
            reassigned_to: Some(expert_id("new")),
        },
    }
}

pub async fn a_mind_may_be_changed_back(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let log = tx.feedback();
    for (at, verdict) in ["ACCEPTED", "REJECTED", "ACCEPTED", "ACCEPTED"]
        .iter()
        .enumerate()
    {
        let said = feedback("r1", verdict, Some("e1"));
        log.add(said, later(at as i64)).await.unwrap();
    }
    // Of a question that went on to somebody else, and then to another one, both are known.
    for (at, to) in ["bob", "eve"].into_iter().enumerate() {
        let mut said = feedback("r2", "REASSIGNED", None);
        said.said.reassigned_to = Some(expert_id(to));
        log.add(said, later(at as i64)).await.unwrap();
    }
    let verdicts = |all: &[Feedback]| -> Vec<&'static str> {
        all.iter().map(|one| one.said.verdict.as_str()).collect()
    };
    let first = log.of_request("r1").await.unwrap();
    assert_eq!(verdicts(&first), ["ACCEPTED", "REJECTED", "ACCEPTED"]);
    let second = log.of_request("r2").await.unwrap();
    let to: Vec<_> = second
        .iter()
        .map(|one| one.said.reassigned_to.clone())
        .collect();
    assert_eq!(to, [Some(expert_id("bob")), Some(expert_id("eve"))]);
}

pub async fn feedback_is_kept_once(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let log = tx.feedback();
    let first = log
        .add(feedback("r1", "REASSIGNED", Some("e1")), now())
        .await
        .unwrap();
    let again = log
        .add(feedback("r1", "REASSIGNED", Some("e1")), later(5))
        .await
        .unwrap();
    assert_eq!(again, first);
    let bare = log
        .add(feedback("r1", "REASSIGNED", None), later(1))
        .await
        .unwrap();
    assert_eq!((bare.sequence, bare.said.expert.as_ref()), (2, None));
    assert_eq!(
        log.add(feedback("r1", "REASSIGNED", None), later(2))
            .await
            .unwrap(),
        bare
    );
    log.add(feedback("r1", "ACCEPTED", Some("e1")), now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let all = tx.feedback().list(0, 9).await.unwrap();
    assert_eq!(
        all.iter().map(|f| f.sequence).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(all[0].said.reassigned_to, Some(expert_id("new")));
    assert_eq!(tx.feedback().list(1, 1).await.unwrap(), [bare]);
    assert_eq!(tx.feedback().of_request("r1").await.unwrap(), all);
    assert!(tx.feedback().of_request("r2").await.unwrap().is_empty());
}

fn answer(request: &str, text: &str) -> Answer {
    Answer {
        request_id: request.to_owned(),
        text: text.to_owned(),
        model: "global/models/experts/versions/0".to_owned(),
        tier: Tier::Global,
        reason: "NOT_ENOUGH_DATA".to_owned(),
        experts: vec![(expert_id("e1"), 0.75), (expert_id("e2"), 0.1)],
        answered_at: now(),
        shadow: None,
        item: None,
    }
}

pub async fn answers_are_found_by_request(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let shadowed = Answer {
        shadow: Some(Shadow {
            model: "tenants/acme/models/experts/versions/2".to_owned(),
            experts: vec![expert_id("e2")],
        }),
        item: Some(item_id("q-2")),
        ..answer("r2", "two")
    };
    tx.answers()
        .add(vec![answer("r1", "one"), shadowed.clone()])
        .await
        .unwrap();
    tx.answers().add(vec![answer("r1", "other")]).await.unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    assert_eq!(
        tx.answers().get("r1").await.unwrap(),
        Some(answer("r1", "one"))
    );
    assert_eq!(tx.answers().get("r2").await.unwrap(), Some(shadowed));
    assert_eq!(tx.answers().get("r3").await.unwrap(), None);
}

fn request(id: &str) -> RequestId {
    RequestId::parse(id).unwrap()
}

pub async fn a_repeated_request_gets_the_first_answer(world: World) {
    let acme = world.tenant("acme").await;
    let tx = world.tx(&acme).await;
    let id = request("r-1");
    assert_eq!(
        tx.requests().find("Ingest", &id, b"print").await.unwrap(),
        None
    );
    tx.requests()
        .save("Ingest", &id, b"print", b"answer".to_vec(), now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let first = tx.requests().find("Ingest", &id, b"print").await.unwrap();
    assert_eq!(first.as_deref(), Some(b"answer".as_slice()));
    // Another method has ids of its own; another content may not use this one.
    assert_eq!(
        tx.requests().find("Retrain", &id, b"print").await.unwrap(),
        None
    );
    let reused = tx
        .requests()
        .find("Ingest", &id, b"other")
        .await
        .unwrap_err();
    assert!(matches!(reused, StorageError::RequestIdReused));

    let platform = world.store.maintenance(Purpose::StartUp);
    assert_eq!(platform.forget_requests(now()).await.unwrap(), 0);
    assert_eq!(platform.forget_requests(later(1)).await.unwrap(), 1);
}

pub async fn two_calls_of_one_request_do_the_work_once(world: World) {
    let acme = world.tenant("acme").await;
    let call = async |text: &str| -> Result<(), StorageError> {
        let tx = world.tx(&acme).await;
        let id = request("r-1");
        if tx.requests().find("Ingest", &id, b"p").await?.is_some() {
            return Ok(());
        }
        // Both have looked before either has saved.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        tx.items().upsert(vec![item("q", text)], now()).await?;
        tx.requests()
            .save("Ingest", &id, b"p", text.into(), now())
            .await?;
        tx.commit().await
    };
    let (one, two) = tokio::join!(call("one"), call("two"));
    let errors: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(
        errors.iter().map(StorageError::kind).collect::<Vec<_>>(),
        [ErrorKind::Aborted]
    );
    let tx = world.tx(&acme).await;
    assert_eq!(tx.items().watermark().await.unwrap(), 1);
    assert!(
        tx.requests()
            .find("Ingest", &request("r-1"), b"p")
            .await
            .unwrap()
            .is_some()
    );
}

pub async fn tenant_b_cannot_see_what_a_was_served(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let tx = world.tx(&a).await;
    tx.embeddings()
        .put("s", vec![([1; 32], vec![1.0])])
        .await
        .unwrap();
    tx.index().set_watermark("s", 7).await.unwrap();
    tx.answers()
        .add(vec![answer("r1", "secret")])
        .await
        .unwrap();
    tx.feedback()
        .add(feedback("r1", "ACCEPTED", None), now())
        .await
        .unwrap();
    tx.requests()
        .save("M", &request("r1"), b"p", b"secret".to_vec(), now())
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    assert!(
        tx.embeddings()
            .get("s", &[[1; 32]])
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(tx.index().watermark("s").await.unwrap(), 0);
    assert!(tx.answers().get("r1").await.unwrap().is_none());
    assert!(tx.feedback().list(0, 9).await.unwrap().is_empty());
    assert_eq!(
        tx.requests().find("M", &request("r1"), b"q").await.unwrap(),
        None
    );
    // The same ids are free for b.
    tx.requests()
        .save("M", &request("r1"), b"q", b"own".to_vec(), now())
        .await
        .unwrap();
    tx.answers().add(vec![answer("r1", "own")]).await.unwrap();
    assert_eq!(
        tx.feedback()
            .add(feedback("r1", "ACCEPTED", None), now())
            .await
            .unwrap()
            .sequence,
        1
    );
}

pub async fn one_look_says_what_each_repository_says(world: World) {
    let acme = world.tenant("acme").await;
    let other = world.tenant("other").await;
    let task = TaskId::experts();
    let tx = world.tx(&acme).await;
    let empty = tx.serving_state(&task).await.unwrap();
    let expected = ServingState {
        space: DEFAULT_EMBEDDING_MODEL.to_owned(),
        items: 0,
        indexed: 0,
        experts: (0, None),
        policy: None,
        champion: None,
        challenger: None,
        newest: None,
        own_model: None,
    };
    assert_eq!(empty, expected);

    let listed = [expert("ada", "Ada"), expert("bob", "Bob")];
    tx.experts().upsert(&listed, now()).await.unwrap();
    let rows = vec![item("q-1", "one"), item("q-2", "two")];
    tx.items().upsert(rows, now()).await.unwrap();
    let space = DEFAULT_EMBEDDING_MODEL;
    tx.index().set_watermark(space, 1).await.unwrap();
    let policy = RoutingPolicy::default();
    tx.routing().set(&task, &policy, later(5)).await.unwrap();
    for version in [1, 2] {
        tx.models().insert(model(version), now()).await.unwrap();
    }
    let champion = Some(1);
    let by = by(AliasMoveCause::PromotedByAdmin, "try", 6);
    tx.models()
        .set_alias(&task, Alias::Champion, champion, by)
        .await
        .unwrap();
    let now_there = tx.serving_state(&task).await.unwrap();
    let expected = ServingState {
        items: tx.items().watermark().await.unwrap(),
        indexed: 1,
        experts: tx.experts().stamp().await.unwrap(),
        policy: tx
            .routing()
            .get(&task)
            .await
            .unwrap()
            .map(|set| set.updated_at),
        champion,
        newest: Some(2),
        ..expected
    };
    assert_eq!(now_there, expected);
    assert_eq!(expected.items, 2);
    let of_other = world.tx(&other).await.serving_state(&task).await.unwrap();
    assert_eq!(of_other, empty, "nothing of another tenant");
}
