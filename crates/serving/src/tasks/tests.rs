//! Classifications of a small task: real embeddings, a real database, no server.

use domain::{
    Correction, ErrorKind, Fault as _, ItemContent, RouteReason, Target, TaskDefinition, TaskLabel,
    TaskSource,
};

use super::*;
use crate::test_world::{World, day, item};

fn intent() -> TaskId {
    TaskId::parse("intent").unwrap()
}

fn definition(kind: TaskKind) -> TaskDefinition {
    let label = |name: &str, description: &str, keyword: &str| TaskLabel {
        name: name.to_owned(),
        description: description.to_owned(),
        keywords: vec![keyword.to_owned()],
    };
    let labels = match kind {
        TaskKind::Regression => Vec::new(),
        TaskKind::SingleLabel | TaskKind::MultiLabel => vec![
            label("billing", "invoices and payments", "invoice"),
            label("security", "encryption and access to data", "encryption"),
        ],
    };
    TaskDefinition {
        id: intent(),
        display_name: String::new(),
        kind,
        source: match kind {
            TaskKind::Regression => TaskSource::Attribute("hours".to_owned()),
            TaskKind::SingleLabel | TaskKind::MultiLabel => TaskSource::Area,
        },
        labels,
        target_precision: 0.8,
        out_of_scope_label: None,
    }
}

fn query(text: &str) -> TaskQuery {
    TaskQuery {
        task: intent(),
        text: text.to_owned(),
        routing_key: None,
        choice: HeadChoice::Routed,
        deadline: None,
    }
}

fn labelled(id: &str, text: &str, area: &str) -> ItemContent {
    ItemContent {
        area: Some(area.to_owned()),
        ..item(id, text, &[], 1)
    }
}

fn numbered(id: &str, text: &str, hours: &str) -> ItemContent {
    let mut content = item(id, text, &[], 1);
    content
        .attributes
        .insert("hours".to_owned(), hours.to_owned());
    content
}

impl World {
    async fn define(&self, kind: TaskKind) {
        let tx = self.tx().await;
        tx.tasks().insert(&definition(kind), day(0)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn correct(&self, text: &str, label: &str) {
        let correction = Correction {
            request_id: "r-1".to_owned(),
            text: text.to_owned(),
            target: Target::Labels(vec![label.to_owned()]),
            given_at: day(2),
        };
        let tx = self.tx().await;
        tx.corrections().put(&intent(), &correction).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Six examples of each label.
    async fn examples(&self) {
        let billing = [
            "invoice",
            "payment",
            "refund",
            "price",
            "discount",
            "credit card",
        ];
        let security = [
            "encryption",
            "password",
            "backup",
            "firewall",
            "access",
            "audit",
        ];
        let about = |area: &'static str, words: [&'static str; 6]| {
            words.map(|word| labelled(word, &format!("A question about the {word}"), area))
        };
        let mut items = about("billing", billing).to_vec();
        items.extend(about("security", security));
        for item in &mut items {
            item.id = domain::ItemId::parse(item.id.as_str().replace(' ', "-")).unwrap();
        }
        self.write(items).await;
    }
}

fn best(answer: &TaskAnswer) -> &str {
    &answer.classified.labels[0].label
}

#[tokio::test]
async fn without_examples_the_names_and_descriptions_of_labels_answer() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    let tasks = world.tasks();
    let answer = tasks
        .classify(&world.ctx, &query("How do I pay an invoice?"))
        .await;
    let answer = answer.unwrap();
    assert_eq!(answer.classified.method, SimpleMethod::ZeroShot.name());
    assert_eq!(best(&answer), "billing");
    assert!(answer.classified.evidence.is_empty());
    let reason = answer.classified.served_by.reason();
    assert_eq!(reason, RouteReason::NotEnoughData);
    assert_eq!(
        tasks.kind(&world.ctx, &intent()).await.unwrap(),
        TaskKind::SingleLabel
    );
}

#[tokio::test]
async fn with_examples_the_nearest_answer_and_are_the_evidence() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    world.examples().await;
    let tasks = world.tasks();
    let answer = tasks
        .classify(&world.ctx, &query("A question about the firewalls"))
        .await;
    let answer = answer.unwrap();
    assert_eq!(answer.classified.method, SimpleMethod::Knn.name());
    assert_eq!(best(&answer), "security");
    let evidence = &answer.classified.evidence;
    assert_eq!(evidence[0].item.as_str(), "firewall");
    assert!(evidence.is_sorted_by(|a, b| a.similarity >= b.similarity));
}

#[tokio::test]
async fn what_a_person_said_of_the_very_same_text_is_the_answer_until_it_is_withdrawn() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    world.examples().await;
    let (tasks, text) = (world.tasks(), "A question about the invoices");
    let before = tasks.classify(&world.ctx, &query(text)).await.unwrap();
    assert_eq!(best(&before), "billing");
    world
        .correct("a QUESTION about the invoices!", "security")
        .await;
    tasks.renew(&world.ctx, &intent()).await;
    let corrected = tasks.classify(&world.ctx, &query(text)).await.unwrap();
    let classified = &corrected.classified;
    assert_eq!(
        (best(&corrected), classified.method),
        ("security", "correction")
    );
    assert_eq!(classified.abstained, None);
    assert!(classified.labels[0].confidence >= classified.threshold);
    let tx = world.tx().await;
    let withdrawn = tx.corrections().withdraw(&intent(), "r-1", day(3)).await;
    assert!(withdrawn.unwrap());
    tx.commit().await.unwrap();
    tasks.renew(&world.ctx, &intent()).await;
    let after = tasks.classify(&world.ctx, &query(text)).await.unwrap();
    assert_eq!(best(&after), "billing");
}

#[tokio::test]
async fn a_correction_with_a_label_that_nothing_had_makes_it_known() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    world.examples().await;
    let tasks = world.tasks();
    tasks.classify(&world.ctx, &query("Any?")).await.unwrap();
    world.correct("Where is your office?", "company").await;
    tasks.renew(&world.ctx, &intent()).await;
    let answer = tasks
        .classify(&world.ctx, &query("Where is your office?"))
        .await;
    assert_eq!(best(&answer.unwrap()), "company");
}

#[tokio::test]
async fn without_time_for_the_embedding_the_keywords_answer() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    world.examples().await;
    let hurried = TaskQuery {
        deadline: Some(Duration::ZERO),
        ..query("Is there encryption?")
    };
    let answer = world.tasks().classify(&world.ctx, &hurried).await.unwrap();
    assert_eq!(answer.classified.method, SimpleMethod::Keywords.name());
    assert_eq!(best(&answer), "security");
    let reason = answer.classified.served_by.reason();
    assert_eq!(reason, RouteReason::FallbackDeadline);
}

#[tokio::test]
async fn a_number_is_the_middle_one_until_there_are_examples() {
    let world = World::new().await;
    world.define(TaskKind::Regression).await;
    let small = ["1", "2", "30"].map(|hours| numbered(hours, &format!("Question {hours}"), hours));
    world.write(small.to_vec()).await;
    let tasks = world.tasks();
    let answer = tasks
        .classify(&world.ctx, &query("Another question"))
        .await
        .unwrap();
    assert_eq!(answer.classified.method, SimpleMethod::Median.name());
    let value = answer.classified.value.unwrap();
    assert_eq!(value.value, 2.0);
    assert!(value.low <= 2.0 && value.high >= 2.0);
}

#[tokio::test]
async fn what_does_not_fit_the_task_is_refused() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    let (tasks, ctx) = (world.tasks(), &world.ctx);
    let refused = async |query: TaskQuery| tasks.classify(ctx, &query).await.unwrap_err();
    let missing = TaskQuery {
        task: TaskId::parse("none").unwrap(),
        ..query("Why?")
    };
    let error = refused(missing).await;
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::NotFound, "NOT_FOUND")
    );
    assert_eq!(error.to_string(), "tenants/acme/tasks/none was not found");
    let median = TaskQuery {
        choice: HeadChoice::Baseline(SimpleMethod::Median),
        ..query("Why?")
    };
    let error = refused(median).await;
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.violations()[0].field, "model_override");
    for name in [
        "tenants/acme/models/intent/versions/4",
        "tenants/other/models/intent/versions/1",
        "tenants/acme/models/another/versions/1",
        "global/models/intent/versions/1",
    ] {
        let named = TaskQuery {
            choice: HeadChoice::Model(name.parse().unwrap()),
            ..query("Why?")
        };
        assert_eq!(refused(named).await.kind(), ErrorKind::NotFound, "{name}");
    }
}

#[tokio::test]
async fn a_baseline_answers_by_name() {
    let world = World::new().await;
    world.define(TaskKind::SingleLabel).await;
    world.examples().await;
    let tasks = world.tasks();
    for method in [
        SimpleMethod::Keywords,
        SimpleMethod::Knn,
        SimpleMethod::ZeroShot,
    ] {
        let named = TaskQuery {
            choice: HeadChoice::Baseline(method),
            // It is waited for: a deadline is for what is routed.
            deadline: Some(Duration::ZERO),
            ..query("Is the invoice right?")
        };
        let answer = tasks.classify(&world.ctx, &named).await.unwrap();
        assert_eq!(answer.classified.method, method.name());
        let served_by = ServedBy::Baseline(method.name().to_owned());
        assert_eq!(answer.classified.served_by, served_by);
        assert_eq!(best(&answer), "billing", "{}", method.name());
    }
    let (route, considered) = tasks
        .explain_route(&world.ctx, &intent(), "")
        .await
        .unwrap();
    assert_eq!(route.model.to_string(), "global/models/intent/versions/0");
    assert!(considered[0].starts_with("policy: AUTO"));
}
