//! Following a job on a small server that breaks off.

use std::pin::Pin;
use std::sync::Mutex;

use api::v1::training_service_server::{TrainingService, TrainingServiceServer};
use api::v1::*;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response};

use super::*;
use crate::client::ConnectionArgs;

type Answer<T> = Result<Response<T>, Status>;
type States = Vec<Result<WatchJobResponse, Status>>;

/// What each stream says, one after the other.
struct Fake(Mutex<Vec<States>>);

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
impl TrainingService for Fake {
    type WatchJobStream = tokio_stream::Iter<std::vec::IntoIter<Result<WatchJobResponse, Status>>>;

    async fn watch_job(&self, _: Request<WatchJobRequest>) -> Answer<Self::WatchJobStream> {
        let mut streams = self.0.lock().unwrap();
        if streams.is_empty() {
            return Err(Status::not_found("the job was not found"));
        }
        Ok(Response::new(tokio_stream::iter(streams.remove(0))))
    }

    unused! {
        retrain(RetrainRequest) -> RetrainResponse,
        get_job(GetJobRequest) -> GetJobResponse,
        list_jobs(ListJobsRequest) -> ListJobsResponse,
        cancel_job(CancelJobRequest) -> CancelJobResponse,
        list_models(ListModelsRequest) -> ListModelsResponse,
        get_model(GetModelRequest) -> GetModelResponse,
        reproduce_model(ReproduceModelRequest) -> ReproduceModelResponse,
        prune_models(PruneModelsRequest) -> PruneModelsResponse,
        list_trials(ListTrialsRequest) -> ListTrialsResponse,
        compare_models(CompareModelsRequest) -> CompareModelsResponse,
        promote_model(PromoteModelRequest) -> PromoteModelResponse,
        rollback_model(RollbackModelRequest) -> RollbackModelResponse,
        create_task(CreateTaskRequest) -> CreateTaskResponse,
        get_task(GetTaskRequest) -> GetTaskResponse,
        list_tasks(ListTasksRequest) -> ListTasksResponse,
        update_task(UpdateTaskRequest) -> UpdateTaskResponse,
        delete_task(DeleteTaskRequest) -> DeleteTaskResponse,
    }
}

fn state(state: job::State, fraction: f32) -> Result<WatchJobResponse, Status> {
    let job = Job {
        state: state.into(),
        fraction,
        ..Job::default()
    };
    Ok(WatchJobResponse { job: Some(job) })
}

async fn watched(streams: Vec<States>) -> Result<Job, CliError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = TrainingServiceServer::new(Fake(Mutex::new(streams)));
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let args = ConnectionArgs {
        endpoint,
        key: Some("k".to_owned()),
        key_file: None,
        timeout: 5,
    };
    watch(
        &Client::connect(&args).await.unwrap(),
        "tenants/acme/jobs/j1",
    )
    .await
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_again_until_the_job_ends() {
    use job::State::{Queued, Running, Succeeded};
    let job = watched(vec![
        vec![
            state(Queued, 0.0),
            state(Running, 0.2),
            Err(Status::unavailable("stopping")),
        ],
        vec![state(Running, 0.4)],
        vec![state(Running, 0.9), state(Succeeded, 1.0)],
    ])
    .await
    .unwrap();
    assert_eq!(exit_of(&job), Exit::Done);
}

#[tokio::test]
async fn a_failed_job_is_an_answer_and_a_missing_one_an_error() {
    let job = watched(vec![vec![state(job::State::Failed, 0.5)]])
        .await
        .unwrap();
    assert_eq!(exit_of(&job), Exit::JobFailed);
    assert_eq!(watched(vec![]).await.unwrap_err().exit, Exit::NotFound);
}
