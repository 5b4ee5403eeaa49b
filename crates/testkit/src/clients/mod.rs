//! Clients of a running server: one connection with a key, and the roles that a tenant's platform
//! has, each with a key of its own.
//!
//! They speak gRPC only, as any program of a customer would.

mod admin;
mod backend;
mod operator;
mod tasks;

pub use admin::{Admin, Trained};
pub use backend::{Answer, Backend, Ingested, ROUTED};
pub use operator::Operator;
pub use tasks::Tasks;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use api::v1;
use api::v1::cost_service_client::CostServiceClient;
use api::v1::ingest_service_client::IngestServiceClient;
use api::v1::router_service_client::RouterServiceClient;
use api::v1::tenant_service_client::TenantServiceClient;
use api::v1::training_service_client::TrainingServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// An index that stands still for this long will not catch up.
const INDEX_STALL: Duration = Duration::from_secs(120);
const INDEX_POLL: Duration = Duration::from_millis(25);

/// A channel that sends a key with each call.
pub type Keyed = InterceptedService<Channel, Bearer>;

/// Sends `authorization: Bearer …`, where there is a key.
#[derive(Debug, Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// All services of one server, called with one key or with none.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    bearer: Bearer,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the server is out of reach, or the key has characters that no key has.
    pub async fn connect(endpoint: &str, key: Option<&str>) -> Result<Self> {
        let channel = Endpoint::from_shared(endpoint.to_owned())
            .with_context(|| format!("{endpoint} is not an address"))?
            .connect()
            .await
            .with_context(|| format!("cannot reach {endpoint}"))?;
        let value = key.map(|key| format!("Bearer {key}").parse::<MetadataValue<Ascii>>());
        let mut value = value
            .transpose()
            .context("the key has characters that no key has")?;
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Ok(Self {
            channel,
            bearer: Bearer(value),
        })
    }

    /// The channel, for calls that no generated client makes.
    #[must_use]
    pub fn keyed(&self) -> Keyed {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// `TenantService`.
    #[must_use]
    pub fn tenants(&self) -> TenantServiceClient<Keyed> {
        TenantServiceClient::new(self.keyed())
    }

    /// `IngestService`.
    #[must_use]
    pub fn ingest(&self) -> IngestServiceClient<Keyed> {
        IngestServiceClient::new(self.keyed())
    }

    /// `TrainingService`.
    #[must_use]
    pub fn training(&self) -> TrainingServiceClient<Keyed> {
        TrainingServiceClient::new(self.keyed())
    }

    /// `RouterService`.
    #[must_use]
    pub fn router(&self) -> RouterServiceClient<Keyed> {
        RouterServiceClient::new(self.keyed())
    }

    /// `CostService`.
    #[must_use]
    pub fn costs(&self) -> CostServiceClient<Keyed> {
        CostServiceClient::new(self.keyed())
    }

    /// Waits until the index of `parent` has reached a watermark, telling how many items are in it,
    /// and returns its state.
    ///
    /// # Errors
    /// The server's; an index that stands still.
    pub async fn index_reached(
        &self,
        parent: &str,
        watermark: Option<u64>,
        mut progress: impl FnMut(u64),
    ) -> Result<v1::GetIndexStatusResponse> {
        let mut ingest = self.ingest();
        let (mut since, mut seen) = (Instant::now(), 0);
        loop {
            let request = v1::GetIndexStatusRequest {
                parent: parent.to_owned(),
            };
            let answer = ingest.get_index_status(request).await;
            let status = answer.map_err(refused("GetIndexStatus"))?.into_inner();
            let wanted = watermark.unwrap_or(status.watermark);
            if status.indexed_watermark >= wanted {
                return Ok(status);
            }
            progress(status.indexed_items);
            let now = status.indexed_watermark + status.indexed_items;
            if now != seen {
                (since, seen) = (Instant::now(), now);
            } else if since.elapsed() > INDEX_STALL {
                bail!(
                    "the index of {parent} stands at {} of {wanted} since {} s",
                    status.indexed_watermark,
                    INDEX_STALL.as_secs()
                );
            }
            tokio::time::sleep(INDEX_POLL).await;
        }
    }

    /// Watches a job to its end, telling each state as it comes, and returns the last one.
    ///
    /// # Errors
    /// The server's; a stream that ends before it has said anything.
    pub async fn watch_job(
        &self,
        name: &str,
        mut progress: impl FnMut(&v1::Job),
    ) -> Result<v1::Job> {
        let request = v1::WatchJobRequest {
            name: name.to_owned(),
        };
        let answer = self.training().watch_job(request).await;
        let mut changes = answer.map_err(refused("WatchJob"))?.into_inner();
        let mut last = None;
        while let Some(change) = changes.message().await.map_err(refused("WatchJob"))? {
            let job = change.job.context("WatchJob sent no job")?;
            progress(&job);
            last = Some(job);
        }
        last.context("WatchJob said nothing")
    }

    /// Reads a version of a model.
    ///
    /// # Errors
    /// The server's.
    pub async fn model_of(&self, name: &str) -> Result<v1::Model> {
        let request = v1::GetModelRequest {
            name: name.to_owned(),
        };
        let answer = self.training().get_model(request).await;
        let model = answer.map_err(refused("GetModel"))?.into_inner().model;
        model.context("GetModel returned no model")
    }
}

/// Says which call failed, and how.
fn refused(call: &'static str) -> impl Fn(Status) -> anyhow::Error {
    move |status| anyhow!("{call}: {:?}: {}", status.code(), status.message())
}
