//! Sending against a small server that breaks off, refuses and counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use api::v1::ingest_service_server::{IngestService, IngestServiceServer};
use api::v1::*;
use tables::times::TimeRules;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Streaming};

use super::*;
use crate::client::ConnectionArgs;
use crate::error::Exit;
use crate::import::{
    ConflictPolicy, DuplicatePolicy, ItemFile, ReadOptions, Require, RowRules, TypePolicy,
};

#[derive(Default)]
struct State {
    /// Batches by name: how many rows, and how often they came.
    batches: BTreeMap<String, (usize, usize)>,
    /// Experts known in the end.
    experts: Vec<String>,
    /// Refuse rows that name this expert.
    refused_expert: Option<&'static str>,
    acknowledged: usize,
    streams: usize,
    /// Break the stream after so many acknowledgements.
    break_at: Vec<usize>,
    /// Refuse the batch after so many acknowledgements.
    refuse_at: Option<usize>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// Commits a batch; the acknowledgement may get lost on its way.
    fn commit(&self, batch: &IngestItemsRequest) -> Result<IngestItemsResponse, Status> {
        let mut state = self.0.lock().unwrap();
        if state.refuse_at == Some(state.acknowledged) {
            return Err(Status::invalid_argument("used for other rows"));
        }
        let refused = state.refused_expert;
        let entry = state.batches.entry(batch.request_id.clone()).or_default();
        *entry = (batch.rows.len(), entry.1 + 1);
        if state.break_at.first() == Some(&state.acknowledged) {
            state.break_at.remove(0);
            return Err(Status::unavailable("the server is stopping"));
        }
        state.acknowledged += 1;
        let bad = batch.rows.iter().filter_map(|row| match row.row.as_ref()? {
            ingest_row::Row::Unreadable(bad) => Some(RejectedRow {
                line: row.line,
                reason: bad.reason.clone(),
                message: bad.message.clone(),
                ..RejectedRow::default()
            }),
            ingest_row::Row::Item(item) => {
                let named = item.experts.iter().any(|one| Some(one.as_str()) == refused);
                named.then(|| RejectedRow {
                    line: row.line,
                    reason: "INVALID_FIELD".to_owned(),
                    ..RejectedRow::default()
                })
            }
        });
        let rejected: Vec<_> = bad.collect();
        Ok(IngestItemsResponse {
            request_id: batch.request_id.clone(),
            watermark: state.acknowledged as u64,
            accepted: (batch.rows.len() - rejected.len()) as u64,
            unchanged: 0,
            rejected,
        })
    }
}

type Answer<T> = Result<Response<T>, Status>;

// `async_trait` has run before this expands, so the methods are written as it writes them.
macro_rules! unused {
    ($($name:ident($request:ident) -> $response:ident),* $(,)?) => {
        $(fn $name<'s, 'a>(
            &'s self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Answer<$response>> + Send + 'a>>
        where
            's: 'a,
            Self: 'a,
        {
            Box::pin(async { Err(Status::unimplemented("not in this test")) })
        })*
    };
}

#[tonic::async_trait]
impl IngestService for Fake {
    type IngestItemsStream = ReceiverStream<Result<IngestItemsResponse, Status>>;

    async fn ingest_items(
        &self,
        request: Request<Streaming<IngestItemsRequest>>,
    ) -> Answer<Self::IngestItemsStream> {
        let key = request
            .metadata()
            .get("authorization")
            .map(|key| key.to_str().unwrap().to_owned());
        assert_eq!(key.as_deref(), Some("Bearer secret"));
        let (fake, mut batches) = (self.clone(), request.into_inner());
        self.0.lock().unwrap().streams += 1;
        let (answers, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok(Some(batch)) = batches.message().await {
                let answer = fake.commit(&batch);
                let ends = answer.is_err();
                if answers.send(answer).await.is_err() || ends {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn batch_upsert_experts(
        &self,
        request: Request<BatchUpsertExpertsRequest>,
    ) -> Answer<BatchUpsertExpertsResponse> {
        let new = request.into_inner().experts;
        let changed = new.len() as u64;
        self.0
            .lock()
            .unwrap()
            .experts
            .extend(new.into_iter().map(|expert| expert.expert_id));
        Ok(Response::new(BatchUpsertExpertsResponse { changed }))
    }

    async fn list_experts(&self, _: Request<ListExpertsRequest>) -> Answer<ListExpertsResponse> {
        let experts = vec![Expert {
            expert_id: "e0".to_owned(),
            ..Expert::default()
        }];
        Ok(Response::new(ListExpertsResponse {
            experts,
            next_page_token: String::new(),
        }))
    }

    unused! {
        get_item(GetItemRequest) -> GetItemResponse,
        list_items(ListItemsRequest) -> ListItemsResponse,
        batch_delete_items(BatchDeleteItemsRequest) -> BatchDeleteItemsResponse,
        list_rejections(ListRejectionsRequest) -> ListRejectionsResponse,
        create_dataset(CreateDatasetRequest) -> CreateDatasetResponse,
        get_dataset(GetDatasetRequest) -> GetDatasetResponse,
        list_datasets(ListDatasetsRequest) -> ListDatasetsResponse,
        get_index_status(GetIndexStatusRequest) -> GetIndexStatusResponse,
        rebuild_index(RebuildIndexRequest) -> RebuildIndexResponse,
        batch_delete_experts(BatchDeleteExpertsRequest) -> BatchDeleteExpertsResponse,
        rename_expert(RenameExpertRequest) -> RenameExpertResponse,
        merge_experts(MergeExpertsRequest) -> MergeExpertsResponse,
        undo_merge(UndoMergeRequest) -> UndoMergeResponse,
        list_merges(ListMergesRequest) -> ListMergesResponse,
        rename_label(RenameLabelRequest) -> RenameLabelResponse,
        merge_labels(MergeLabelsRequest) -> MergeLabelsResponse,
    }
}

async fn serve(state: State) -> (Fake, Client) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let fake = Fake(Arc::new(Mutex::new(state)));
    let service = IngestServiceServer::new(fake.clone());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let args = ConnectionArgs {
        endpoint,
        key: Some("secret".to_owned()),
        key_file: None,
        timeout: 5,
    };
    (fake, Client::connect(&args).await.unwrap())
}

/// A hundred rows, each tenth of them broken, in batches of ten.
fn hundred_rows(folder: &Path) -> Batches {
    let rows = (1..=100).map(|i| match i % 10 {
        0 => "broken\n".to_owned(),
        _ => format!(
            "{{\"id\":\"q{i}\",\"text\":\"question {i}\",\"expert\":\"e{}\"}}\n",
            i % 3
        ),
    });
    let path = folder.join("rows.jsonl");
    std::fs::write(&path, rows.collect::<String>()).unwrap();
    let rules = RowRules {
        require: Require::Auto,
        duplicates: DuplicatePolicy::Reject,
        conflicts: ConflictPolicy::Reject,
        types: TypePolicy::Auto,
        filters: Vec::new(),
        times: TimeRules::default(),
    };
    let options = ReadOptions {
        table: tables::Options {
            path,
            ..tables::Options::default()
        },
        rules,
        at: None,
    };
    let file = ItemFile::open(&options).unwrap();
    Batches::new(file, "tenants/acme".to_owned(), "rows-1".to_owned(), 10)
}

async fn send(state: State, register: bool) -> (Fake, Summary, Result<(), CliError>) {
    let folder = tempfile::tempdir().unwrap();
    let batches = hundred_rows(folder.path());
    let (fake, client) = serve(state).await;
    let mut summary = Summary::default();
    let mut sender = Sender::new(&client, "tenants/acme", &mut summary, Progress::waiting());
    if register {
        sender.register_experts().await.unwrap();
    }
    let sent = sender.run(reader_thread(batches)).await;
    (fake, summary, sent)
}

#[tokio::test]
async fn every_batch_is_acknowledged_and_bad_rows_are_counted() {
    let (fake, summary, sent) = send(State::default(), false).await;
    sent.unwrap();
    let state = fake.0.lock().unwrap();
    assert_eq!((state.streams, state.batches.len()), (1, 10));
    assert_eq!(
        (summary.rows, summary.accepted, summary.rejected),
        (100, 90, 10)
    );
    assert_eq!(summary.rejected_by_reason["UNREADABLE"], 10);
    assert_eq!(
        (
            summary.batches,
            summary.acknowledged_line,
            summary.watermark
        ),
        (10, 100, 10)
    );
    assert_eq!(summary.exit(), Exit::RowsRejected);
    assert_eq!(summary.examples.len(), 5);
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again_under_the_same_name() {
    let state = State {
        break_at: vec![0, 3, 9],
        ..State::default()
    };
    let (fake, summary, sent) = send(state, false).await;
    sent.unwrap();
    let state = fake.0.lock().unwrap();
    assert_eq!(state.streams, 4);
    assert_eq!(state.batches.len(), 10, "{:?}", state.batches);
    assert!(state.batches.values().all(|(rows, _)| *rows == 10));
    assert_eq!(
        (summary.batches, summary.accepted, summary.rejected),
        (10, 90, 10)
    );
}

#[tokio::test]
async fn a_refusal_ends_it_and_says_what_is_kept() {
    let (_, summary, sent) = send(
        State {
            refuse_at: Some(4),
            ..State::default()
        },
        false,
    )
    .await;
    let error = sent.unwrap_err();
    assert_eq!(error.exit, Exit::Refused);
    assert!(error.report().contains("used for other rows"));
    assert_eq!((summary.batches, summary.acknowledged_line), (4, 40));
}

#[tokio::test]
async fn experts_of_rows_that_were_taken_are_registered() {
    let state = State {
        experts: vec!["e0".to_owned()],
        refused_expert: Some("e2"),
        ..State::default()
    };
    let (fake, summary, sent) = send(state, true).await;
    sent.unwrap();
    let state = fake.0.lock().unwrap();
    assert_eq!(state.experts, ["e0", "e1"]);
    assert_eq!(summary.experts_registered, 1);
    assert!(summary.rejected > 20);
}
