//! A client for the tasks that a tenant defines: makes one, fills it, trains it, asks it.

use anyhow::{Context, Result, bail};
use api::v1;
use api::v1::job::State;

use super::{Client, refused};

const ROWS_A_BATCH: usize = 100;

/// Holds a TENANT_ADMIN key.
#[derive(Debug, Clone)]
pub struct Tasks {
    parent: String,
    client: Client,
}

impl Tasks {
    /// Connects with an administrator's key of `parent`.
    ///
    /// # Errors
    /// When the server is out of reach.
    pub async fn connect(endpoint: &str, key: &str, parent: String) -> Result<Self> {
        Ok(Self {
            parent,
            client: Client::connect(endpoint, Some(key)).await?,
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
        let answer = self.client.training().create_task(request).await;
        answer.map_err(refused("CreateTask")).map(|_| ())
    }

    /// Streams items in, and waits until they can be found.
    ///
    /// # Errors
    /// The server's; a row that is refused.
    pub async fn fill(&self, items: Vec<v1::Item>, progress: impl FnMut(u64)) -> Result<()> {
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
        let answer = self.client.ingest().ingest_items(stream).await;
        let mut answers = answer.map_err(refused("IngestItems"))?.into_inner();
        let mut watermark = 0;
        while let Some(answer) = answers.message().await.map_err(refused("IngestItems"))? {
            if let Some(row) = answer.rejected.first() {
                bail!("a row of {} was refused: {row:?}", self.parent);
            }
            watermark = watermark.max(answer.watermark);
        }
        self.client
            .index_reached(&self.parent, Some(watermark), progress)
            .await
            .map(|_| ())
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
        let request = v1::RetrainRequest {
            parent: self.parent.clone(),
            task: task.to_owned(),
            ..Default::default()
        };
        let answer = self.client.training().retrain(request).await;
        let job = answer.map_err(refused("Retrain"))?.into_inner().job;
        let name = job.context("Retrain returned no job")?.name;
        let told = |job: &v1::Job| progress(&job.step);
        let job = self.client.watch_job(&name, told).await?;
        if job.state() != State::Succeeded {
            // Too little to learn from is an outcome: the methods without training answer.
            return Ok(None);
        }
        let name = job.outcome.get("model").context("the job names no model")?;
        self.client.model_of(name).await.map(Some)
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
        let answer = self.client.router().classify(request).await;
        Ok(answer.map_err(refused("Classify"))?.into_inner())
    }
}
