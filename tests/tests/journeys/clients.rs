//! What clients of other makes rely on: reflection in both versions, answers that every client takes,
//! errors in the words of the contract.

use std::collections::BTreeSet;

use api::v1;
use prost::Message as _;
use testkit::{Client, TestServer, row};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What a client takes when it is told nothing.
const CLIENT_TAKES: usize = 4 * 1024 * 1024;

/// The services that reflection of a version names, and the file of a message.
macro_rules! reflected {
    ($server:expr, $version:ident) => {{
        use pb::server_reflection_request::MessageRequest;
        use pb::server_reflection_response::MessageResponse;
        use tonic_reflection::pb::$version as pb;
        // Reflection needs no key.
        let channel = $server.client(None).await.keyed();
        let mut client = pb::server_reflection_client::ServerReflectionClient::new(channel);
        let ask = |message_request| pb::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request),
        };
        let requests = [
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol(
                "tenantry.v1.Item".to_owned(),
            )),
        ];
        let stream = tokio_stream::iter(requests);
        let answers = client.server_reflection_info(stream).await;
        let mut answers = answers.unwrap().into_inner();
        let first = answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(list)) = first else {
            panic!("no services: {first:?}");
        };
        let second = answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::FileDescriptorResponse(files)) = second else {
            panic!("no file: {second:?}");
        };
        let names: BTreeSet<String> = list.service.into_iter().map(|one| one.name).collect();
        (names, files.file_descriptor_proto.concat())
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_reflection_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let newest = reflected!(server, v1);
    let older = reflected!(server, v1alpha);
    for (names, file) in [&newest, &older] {
        for service in ["tenantry.v1.RouterService", "grpc.health.v1.Health"] {
            assert!(names.contains(service), "{names:?}");
        }
        let file = prost_types::FileDescriptorProto::decode(&file[..]).unwrap();
        assert_eq!(file.package(), "tenantry.v1");
        assert_eq!(file.options.unwrap().java_package(), "com.tenantry.v1");
    }
    // Each lists the version of reflection that was asked.
    let own = |names: &BTreeSet<String>| -> BTreeSet<String> {
        let ours = names
            .iter()
            .filter(|name| !name.starts_with("grpc.reflection."));
        ours.cloned().collect()
    };
    assert_eq!((own(&newest.0), newest.1), (own(&older.0), older.1));
    assert!(server.terminate().await);
}

/// An item whose text and answer have so many characters.
fn large(at: u64, characters: usize) -> v1::IngestRow {
    let begin = format!(
        "Describe procedure {at} for audits of warehouse {}. ",
        at % 9
    );
    let fill = |begin: String| {
        let missing = characters - begin.chars().count();
        begin + &"ä".repeat(missing)
    };
    let mut made = row(at + 1, &format!("large-{at:03}"), "", "mara", at as i64);
    if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
        item.text = fill(begin.clone());
        item.answer = fill(begin);
        // Three of four are open.
        if !at.is_multiple_of(4) {
            item.experts.clear();
        }
    }
    made
}

/// The largest item that can be stored.
fn largest() -> v1::IngestRow {
    let mut made = large(999, 32_768);
    let wide = |count: usize| "\u{10348}".repeat(count);
    if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
        item.text = format!("Which? {}", wide(32_700));
        item.answer = wide(32_768);
        item.area = wide(64);
        item.labels = (100..164).map(|at| format!("{at}{}", wide(63))).collect();
        let attribute = |at: u32| (format!("{at}{}", wide(253)), wide(4_096));
        item.attributes = (100..164).map(attribute).collect();
        item.experts = (100..132)
            .map(|at| format!("{at}{}", "x".repeat(253)))
            .collect();
    }
    made
}

/// Reads all pages of a list, each of which has to be no larger than a client takes.
macro_rules! pages {
    ($client:expr, $call:ident, $request:expr, $entries:ident) => {{
        let (mut all, mut pages, mut token) = (Vec::new(), 0, String::new());
        loop {
            let mut request = $request;
            request.page_token = token;
            let page = $client.$call(request).await.unwrap().into_inner();
            assert!(page.encoded_len() <= CLIENT_TAKES);
            pages += 1;
            all.extend(page.$entries);
            token = page.next_page_token;
            if token.is_empty() {
                break (all, pages);
            }
        }
    }};
}

async fn large_content(operator: &Client) {
    operator.make_tenant("archive").await;
    // A batch is at most 4 MiB.
    for part in 0..4 {
        let rows = (part * 25..part * 25 + 25).map(|at| large(at, 30_000));
        let name = format!("large-{part}");
        let (_, rejected) = operator.ingest_rows("archive", &name, rows.collect()).await;
        assert_eq!(rejected, []);
    }
    let (_, rejected) = operator
        .ingest_rows("archive", "largest", vec![largest()])
        .await;
    assert_eq!(rejected, []);
    operator.wait_indexed("archive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_larger_than_a_client_takes() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    large_content(&operator).await;
    let parent = || "tenants/archive".to_owned();
    let list = || v1::ListItemsRequest {
        parent: parent(),
        page_size: 1_000,
        ..Default::default()
    };
    let (items, page_count) = pages!(operator.ingest(), list_items, list(), items);
    let mut expected: Vec<String> = (0..100).map(|at| format!("large-{at:03}")).collect();
    expected.push("large-999".to_owned());
    let found: Vec<String> = items.into_iter().map(|item| item.item_id).collect();
    assert_eq!(found, expected, "each item once, in order");
    assert!(page_count >= 5, "{page_count}");
    let request = v1::GetItemRequest {
        name: "tenants/archive/items/large-999".into(),
    };
    let item = operator.ingest().get_item(request).await.unwrap();
    assert_eq!(item.into_inner().item.unwrap().attributes.len(), 64);
    let open = || v1::ListOpenItemsRequest {
        parent: parent(),
        page_size: 1_000,
        ..Default::default()
    };
    let (open, page_count) = pages!(operator.router(), list_open_items, open(), items);
    assert_eq!((open.len(), page_count), (75, 2));
    let request = v1::FindSimilarItemsRequest {
        parent: parent(),
        text: "audits of the warehouse".into(),
        top_k: 100,
    };
    let similar = operator.router().find_similar_items(request).await.unwrap();
    let similar = similar.into_inner();
    assert!(similar.encoded_len() <= CLIENT_TAKES);
    // 100 texts of 60 kB do not fit.
    assert!(
        (30..100).contains(&similar.items.len()),
        "{}",
        similar.items.len()
    );
    let request = v1::ExportTenantRequest { name: parent() };
    let records = operator.tenants().export_tenant(request).await.unwrap();
    let mut records = records.into_inner();
    let mut exported = 0;
    while let Some(record) = records.message().await.unwrap() {
        exported += u64::from(record.encoded_len() > 100_000);
    }
    assert_eq!(exported, 101);
    assert!(server.terminate().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_tasks_and_of_rejected_rows_end_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("archive").await;
    let task = |at: usize| v1::CreateTaskRequest {
        parent: "tenants/archive".into(),
        task_id: format!("kind-{at}"),
        task: Some(v1::Task {
            kind: v1::task::Kind::SingleLabel.into(),
            labels: (0..800)
                .map(|label| v1::task::Label {
                    name: format!("kind {label}"),
                    description: "d".repeat(2_000),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }),
    };
    for at in 0..5 {
        operator.training().create_task(task(at)).await.unwrap();
    }
    let list = || v1::ListTasksRequest {
        parent: "tenants/archive".into(),
        ..Default::default()
    };
    let (tasks, page_count) = pages!(operator.training(), list_tasks, list(), tasks);
    let ids: Vec<_> = tasks
        .iter()
        .map(|task| task.name.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(ids, ["kind-0", "kind-1", "kind-2", "kind-3", "kind-4"]);
    assert!(page_count >= 3, "{page_count}");
    // More than a client could read back is refused.
    let mut huge = task(9);
    let labels = &mut huge.task.as_mut().unwrap().labels;
    labels
        .iter_mut()
        .for_each(|label| label.keywords = vec!["k".repeat(250); 4]);
    let refused = operator.training().create_task(huge).await.unwrap_err();
    assert_eq!(fields(&refused), ["task.labels"]);

    let unreadable = |at: u64| v1::IngestRow {
        line: at + 1,
        row: Some(v1::ingest_row::Row::Unreadable(v1::UnreadableRow {
            message: "m".repeat(2_000),
            excerpt: "\u{10348}".repeat(2_000),
            ..Default::default()
        })),
    };
    let rows: Vec<_> = (0..400).map(unreadable).collect();
    let (_, rejected) = operator.ingest_rows("archive", "bad", rows).await;
    assert_eq!(rejected.len(), 400);
    let list = || v1::ListRejectionsRequest {
        parent: "tenants/archive".into(),
        page_size: 1_000,
        ..Default::default()
    };
    let (found, page_count) = pages!(operator.ingest(), list_rejections, list(), rejections);
    let lines: BTreeSet<u64> = found.into_iter().map(|one| one.row.unwrap().line).collect();
    assert_eq!((lines.len(), page_count), (400, 2));
    assert!(server.terminate().await);
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violations = details.bad_request().unwrap().field_violations.clone();
    violations.into_iter().map(|one| one.field).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_fields_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("archive").await;
    let at = |line: u64, seconds: i64, nanos: i32| {
        let mut made = row(line, &format!("t-{line}"), "When was this?", "mara", 0);
        if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
            item.occur_time = Some(prost_types::Timestamp { seconds, nanos });
        }
        made
    };
    let rows = vec![
        at(1, 1_754_000_000_000, 0),
        at(2, 1_754_000_000, -7),
        at(3, 1_754_000_000, 1_000_000_000),
        at(4, 4_200_000_000, 0),
        at(5, -3_000_000_000, 0),
        row(6, "", "Which id has this?", "mara", 0),
    ];
    let (_, rejected) = operator.ingest_rows("archive", "bad", rows).await;
    let said: Vec<_> = rejected
        .iter()
        .map(|one| (one.field.as_str(), one.message.as_str()))
        .collect();
    let expected = [
        ("occur_time", "look like milliseconds"),
        ("occur_time", "has -7 nanos"),
        ("occur_time", "nanos from 0 to 999,999,999"),
        ("occur_time", "is in the future"),
        ("occur_time", "is before 1900"),
        ("item_id", "is missing"),
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for ((field, message), (wanted, part)) in said.iter().zip(expected) {
        assert_eq!(*field, wanted, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let request = v1::CreateTenantRequest {
        tenant_id: "Archive_Two".into(),
        vertical: "software".into(),
        ..Default::default()
    };
    let refused = operator.tenants().create_tenant(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["tenant_id"]);
    assert!(refused.message().contains("\"archive-two\""), "{refused:?}");
    let request = v1::CompareModelsRequest {
        parent: "tenants/archive".into(),
        candidate: "v2".into(),
        ..Default::default()
    };
    let refused = operator
        .training()
        .compare_models(request)
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["candidate"]);
    assert!(server.terminate().await);
}
