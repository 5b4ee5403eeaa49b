//! A tenant's administrator: retrains, watches, and reads what the new model is worth.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use api::v1;
use api::v1::job::State;

use super::{Client, refused};

/// Holds a TENANT_ADMIN key.
#[derive(Debug, Clone)]
pub struct Admin {
    parent: String,
    client: Client,
}

/// What a retrain gave.
#[derive(Debug, Clone)]
pub struct Trained {
    /// From the request to the end of the job.
    pub took: Duration,
    /// The new version with its evaluation; absent when there was too little to make one.
    pub model: Option<v1::Model>,
    /// What the job said of itself.
    pub outcome: Vec<(String, String)>,
}

impl Admin {
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

    /// The same connection for another tenant, where the key may speak for it.
    #[must_use]
    pub fn of(&self, parent: String) -> Self {
        Self {
            parent,
            ..self.clone()
        }
    }

    /// Enqueues a retrain and returns the job's name, without waiting.
    ///
    /// # Errors
    /// The server's.
    pub async fn begin_retrain(&self) -> Result<String> {
        let request = v1::RetrainRequest {
            parent: self.parent.clone(),
            ..Default::default()
        };
        let answer = self.client.training().retrain(request).await;
        let job = answer.map_err(refused("Retrain"))?.into_inner().job;
        Ok(job.context("Retrain returned no job")?.name)
    }

    /// The job as it is now.
    ///
    /// # Errors
    /// The server's.
    pub async fn job(&self, name: &str) -> Result<v1::Job> {
        let request = v1::GetJobRequest {
            name: name.to_owned(),
        };
        let answer = self.client.training().get_job(request).await;
        let job = answer.map_err(refused("GetJob"))?.into_inner().job;
        job.context("GetJob returned no job")
    }

    /// Retrains on the items as they are now, telling each step as it comes. `label` makes the
    /// request's id: the same again is the same retrain.
    ///
    /// # Errors
    /// The server's, and the job's when it does not succeed.
    pub async fn retrain(
        &self,
        label: &str,
        mut progress: impl FnMut(&str, f32),
    ) -> Result<Trained> {
        let begin = Instant::now();
        let request = v1::RetrainRequest {
            parent: self.parent.clone(),
            request_id: format!("retrain-{label}-{}", self.parent.replace('/', "-")),
            ..Default::default()
        };
        let answer = self.client.training().retrain(request).await;
        let job = answer.map_err(refused("Retrain"))?.into_inner().job;
        let name = job.context("Retrain returned no job")?.name;
        let told = |job: &v1::Job| progress(&job.step, job.fraction);
        let job = self.client.watch_job(&name, told).await?;
        match job.state() {
            State::Succeeded => {}
            State::Failed => bail!("{} failed: {}", job.name, job.error),
            other => bail!("{} ended as {}", job.name, other.short_name()),
        }
        let took = begin.elapsed();
        let model = match job.outcome.get("model") {
            Some(name) => Some(self.client.model_of(name).await?),
            None => None,
        };
        let mut outcome: Vec<_> = job.outcome.into_iter().collect();
        outcome.sort();
        Ok(Trained {
            took,
            model,
            outcome,
        })
    }
}
