//! A client for the tasks that a tenant defines: makes one, fills it, trains it, asks it.

use anyhow::{Context, Result, bail};
use api::v1;
use api::v1::ingest_service_client::IngestServiceClient;
use api::v1::job::State;
use api::v1::router_service_client::RouterServiceClient;
use api::v1::training_service_client::TrainingServiceClient;

use super::{Authorized, connect, refused};

const ROWS_A_BATCH: usize = 100;
const POLL: std::time::Duration = std::time::Duration::from_millis(200);

/// Holds a TENANT_ADMIN key.
#[derive(Debug, Clone)]
pub struct Tasks {
    parent: String,
    ingest: IngestServiceClient<Authorized>,
    training: TrainingServiceClient<Authorized>,
    router: RouterServiceClient<Authorized>,
}

impl Tasks {
    /// Connects with an administrator's key of `parent`.
    ///
    /// # Errors
    /// When the server is out of reach.
    pub async fn connect(endpoint: &str, key: &str, parent: String) -> Result<Self> {
        let connection = connect(endpoint, key).await?;
        Ok(Self {
            parent,
            ingest: IngestServiceClient::new(connection.clone()),
            training: TrainingServiceClient::new(connection.clone()),
            router: RouterServiceClient::new(connection),
        })
    }

    /// Defines a task.
    ///
    /// # Errors
    /// The server's.
    pub async fn create(&self, task_id: &str, task: v1::Task) -> Result<()> {
        let request = v1::CreateTaskRequest {
            parent: self.parent.clone(),
            task_id: task_id.to_owned(),
            task: Some(task),
        };
        let answer = self.training.clone().create_task(request).await;
        answer.map_err(refused("CreateTask")).map(|_| ())
    }

    /// Streams items in, and waits until they can be found.
    ///
    /// # Errors
    /// The server's; a row that is refused.
    pub async fn fill(&self, items: Vec<v1::Item>, mut progress: impl FnMut(u64)) -> Result<()> {
        let batches: Vec<_> = items
            .chunks(ROWS_A_BATCH)
            .enumerate()
            .map(|(number, part)| v1::IngestItemsRequest {
                parent: self.parent.clone(),
                request_id: format!("items-{number}"),
                rows: part
                    .iter()
                    .enumerate()
                    .map(|(place, item)| v1::IngestRow {
                        line: (number * ROWS_A_BATCH + place + 1) as u64,
                        row: Some(v1::ingest_row::Row::Item(item.clone())),
                    })
                    .collect(),
            })
            .collect();
        let stream = tokio_stream::iter(batches);
        let answer = self.ingest.clone().ingest_items(stream).await;
        let mut answers = answer.map_err(refused("IngestItems"))?.into_inner();
        let mut watermark = 0;
        while let Some(answer) = answers.message().await.map_err(refused("IngestItems"))? {
            if let Some(row) = answer.rejected.first() {
                bail!("a row of {} was refused: {row:?}", self.parent);
            }
            watermark = watermark.max(answer.watermark);
        }
        loop {
            let request = v1::GetIndexStatusRequest {
                parent: self.parent.clone(),
            };
            let answer = self.ingest.clone().get_index_status(request).await;
            let status = answer.map_err(refused("GetIndexStatus"))?.into_inner();
            if status.indexed_watermark >= watermark {
                return Ok(());
            }
            progress(status.indexed_items);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Trains a task and returns the new version with its report; none when there was too little to
    /// make one.
    ///
    /// # Errors
    /// The server's.
    pub async fn train(
        &self,
        task: &str,
        mut progress: impl FnMut(&str),
    ) -> Result<Option<v1::Model>> {
        let mut training = self.training.clone();
        let request = v1::RetrainRequest {
            parent: self.parent.clone(),
            task: task.to_owned(),
            ..Default::default()
        };
        let answer = training.retrain(request).await;
        let started = answer.map_err(refused("Retrain"))?.into_inner();
        let mut job = started.job.context("Retrain returned no job")?;
        let request = v1::WatchJobRequest {
            name: job.name.clone(),
        };
        let answer = training.watch_job(request).await;
        let mut changes = answer.map_err(refused("WatchJob"))?.into_inner();
        while let Some(change) = changes.message().await.map_err(refused("WatchJob"))? {
            job = change.job.context("WatchJob sent no job")?;
            progress(&job.step);
        }
        if job.state() != State::Succeeded {
            // Too little to learn from is an outcome: the methods without training answer.
            return Ok(None);
        }
        let name = job.outcome.get("model").context("the job names no model")?;
        let request = v1::GetModelRequest { name: name.clone() };
        let answer = training.get_model(request).await;
        Ok(answer.map_err(refused("GetModel"))?.into_inner().model)
    }

    /// Asks a task; `model` is empty or one to compare with.
    ///
    /// # Errors
    /// The server's.
    pub async fn classify(
        &self,
        task: &str,
        text: &str,
        model: &str,
    ) -> Result<v1::ClassifyResponse> {
        let request = v1::ClassifyRequest {
            parent: self.parent.clone(),
            task: task.to_owned(),
            text: text.to_owned(),
            model_override: model.to_owned(),
            routing_key: String::new(),
        };
        let answer = self.router.clone().classify(request).await;
        Ok(answer.map_err(refused("Classify"))?.into_inner())
    }
}
