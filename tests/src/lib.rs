//! What the journeys share: a server of their own, and clients with keys.

#![allow(
    clippy::expect_used,
    reason = "for tests: a step that fails ends the test with its name"
)]

mod content;
mod models;
mod postgres;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::v1;
use api::v1::cost_service_client::CostServiceClient;
use api::v1::ingest_service_client::IngestServiceClient;
use api::v1::router_service_client::RouterServiceClient;
use api::v1::tenant_service_client::TenantServiceClient;
use api::v1::training_service_client::TrainingServiceClient;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

pub use content::{content, row};
pub use models::{BASE_MODELS, default_model_files, has_second_model};
pub use postgres::Postgres;

/// How long a server may take to be ready, and an index to catch up. Generous: machines are shared.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `tenantry serve`, killed when dropped.
pub struct TestServer {
    child: Child,
    folder: PathBuf,
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    /// The metrics endpoint.
    pub metrics: String,
}

/// A client's channel with its key.
pub type Keyed = InterceptedService<Channel, Bearer>;

/// Puts the key into each call.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<tonic::metadata::Ascii>>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// The `tenantry` program: `TENANTRY_BIN`, or beside the test's own binary.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("TENANTRY_BIN") {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("the test has a path");
    let folder = own
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps");
    folder.join("tenantry")
}

impl TestServer {
    /// Starts a server on the data in `folder`, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; its log is in the message.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    /// [`TestServer::start`] with settings: variables and their values.
    ///
    /// # Panics
    /// When it does not become ready; its log is in the message.
    pub async fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let address_file = folder.join("addresses.json");
        let _ = std::fs::remove_file(&address_file);
        let log = std::fs::File::create(folder.join("server.log")).expect("a log file");
        let program = program();
        let mut child = Command::new(&program)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
            ])
            .arg("--data-dir")
            .arg(folder)
            .arg("--address-file")
            .arg(&address_file)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} cannot run: {error}; `cargo xtask test` builds it",
                    program.display()
                )
            });
        let started = Instant::now();
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&address_file) {
                break text;
            }
            let ended = child.try_wait().expect("the child can be asked");
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
                let _ = child.kill();
                panic!("the server is not ready ({ended:?}):\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let addresses: serde_json::Value = serde_json::from_str(&text).expect("addresses are JSON");
        let address = |key: &str| addresses[key].as_str().unwrap_or_default().to_owned();
        Self {
            child,
            folder: folder.to_owned(),
            endpoint: address("grpc"),
            metrics: address("metrics"),
        }
    }

    /// Ends the server at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the server to end, as an orchestrator does, and says whether it ended well.
    pub async fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Its process id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The operator's key that the first start made.
    #[must_use]
    pub fn operator_key(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("operator.key")).expect("a key file");
        text.trim().to_owned()
    }

    /// A client with this key, or with none.
    pub async fn client(&self, key: Option<&str>) -> Client {
        let endpoint = Channel::from_shared(self.endpoint.clone()).expect("an endpoint");
        let channel = endpoint.connect().await.expect("the server answers");
        Client {
            channel,
            bearer: bearer(key),
        }
    }

    /// A client with the operator's key.
    pub async fn operator(&self) -> Client {
        self.client(Some(&self.operator_key())).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bearer(key: Option<&str>) -> Bearer {
    Bearer(key.map(|key| format!("Bearer {key}").parse().expect("a key is ASCII")))
}

/// All services with one key.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    bearer: Bearer,
}

impl Client {
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

    /// Makes a tenant in the vertical `software`.
    pub async fn make_tenant(&self, id: &str) {
        let request = v1::CreateTenantRequest {
            tenant_id: id.to_owned(),
            vertical: "software".to_owned(),
            ..Default::default()
        };
        self.tenants()
            .create_tenant(request)
            .await
            .expect("a tenant");
    }

    /// Makes a key of a tenant and returns its secret.
    pub async fn make_key(&self, tenant: &str, role: v1::api_key::Role) -> String {
        let request = v1::CreateApiKeyRequest {
            parent: format!("tenants/{tenant}"),
            role: role.into(),
            ..Default::default()
        };
        self.tenants()
            .create_api_key(request)
            .await
            .expect("a key")
            .into_inner()
            .secret
    }

    /// Ingests rows in batches of 50 and returns the last acknowledgement and all rejections.
    pub async fn ingest_rows(
        &self,
        tenant: &str,
        prefix: &str,
        rows: Vec<v1::IngestRow>,
    ) -> (v1::IngestItemsResponse, Vec<v1::RejectedRow>) {
        let batches: Vec<_> = rows
            .chunks(50)
            .enumerate()
            .map(|(number, rows)| v1::IngestItemsRequest {
                parent: format!("tenants/{tenant}"),
                request_id: format!("{prefix}-{number}"),
                rows: rows.to_vec(),
            })
            .collect();
        let stream = tokio_stream::iter(batches);
        let mut answers = self
            .ingest()
            .ingest_items(stream)
            .await
            .expect("a stream")
            .into_inner();
        let (mut last, mut rejected) = (v1::IngestItemsResponse::default(), Vec::new());
        while let Some(answer) = answers.message().await.expect("an acknowledgement") {
            rejected.extend(answer.rejected.clone());
            last = answer;
        }
        (last, rejected)
    }

    /// Waits until the index has everything that was committed, and returns its state.
    pub async fn wait_indexed(&self, tenant: &str) -> v1::GetIndexStatusResponse {
        let parent = format!("tenants/{tenant}");
        let started = Instant::now();
        loop {
            let request = v1::GetIndexStatusRequest {
                parent: parent.clone(),
            };
            let status = self
                .ingest()
                .get_index_status(request)
                .await
                .expect("a status")
                .into_inner();
            if status.indexed_watermark >= status.watermark {
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "the index does not catch up: {status:?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The tenant as it is now.
    pub async fn tenant(&self, id: &str) -> v1::Tenant {
        let request = v1::GetTenantRequest {
            name: format!("tenants/{id}"),
        };
        let answer = self.tenants().get_tenant(request).await;
        let tenant = answer.expect("a tenant").into_inner().tenant;
        tenant.expect("a tenant")
    }

    /// Sets the base model of the tenant's embedding space; answers its space then.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn set_model(&self, id: &str, model: &str) -> Result<v1::EmbeddingSpace, Status> {
        let request = v1::UpdateTenantRequest {
            tenant: Some(v1::Tenant {
                name: format!("tenants/{id}"),
                settings: Some(v1::TenantSettings {
                    embedding_model: model.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["settings.embedding_model".to_owned()],
            }),
        };
        let answer = self.tenants().update_tenant(request).await?.into_inner();
        let space = answer.tenant.and_then(|tenant| tenant.embedding_space);
        Ok(space.expect("a space"))
    }

    /// Waits until `done` is true of the tenant's embedding space, and returns it.
    pub async fn wait_space(
        &self,
        id: &str,
        done: impl Fn(&v1::EmbeddingSpace) -> bool,
    ) -> v1::EmbeddingSpace {
        let started = Instant::now();
        loop {
            let space = self.tenant(id).await.embedding_space.expect("a space");
            if done(&space) {
                return space;
            }
            assert!(started.elapsed() < PATIENCE, "never came: {space:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Retrains and waits for the job's end.
    pub async fn retrain(&self, tenant: &str) -> v1::Job {
        let request = v1::RetrainRequest {
            parent: format!("tenants/{tenant}"),
            ..Default::default()
        };
        let job = self
            .training()
            .retrain(request)
            .await
            .expect("a job")
            .into_inner()
            .job;
        self.watch(job.expect("a job").name).await
    }

    /// Makes a version again, and waits for the job's end.
    pub async fn reproduce(&self, name: &str) -> v1::Job {
        let request = v1::ReproduceModelRequest {
            name: name.to_owned(),
        };
        let job = self.training().reproduce_model(request).await;
        let job = job.expect("a job").into_inner().job;
        self.watch(job.expect("a job").name).await
    }

    /// Reads a version.
    pub async fn model(&self, name: &str) -> v1::Model {
        let request = v1::GetModelRequest {
            name: name.to_owned(),
        };
        let model = self.training().get_model(request).await;
        model.expect("a model").into_inner().model.expect("a model")
    }

    /// Watches a job to its end.
    pub async fn watch(&self, name: String) -> v1::Job {
        let request = v1::WatchJobRequest { name };
        let mut updates = self
            .training()
            .watch_job(request)
            .await
            .expect("a stream")
            .into_inner();
        let mut last = None;
        while let Some(update) = updates.message().await.expect("an update") {
            last = update.job;
        }
        last.expect("a job has at least one state")
    }

    /// Asks who should answer.
    pub async fn recommend(&self, tenant: &str, text: &str) -> v1::RecommendExpertsResponse {
        let request = v1::RecommendExpertsRequest {
            parent: format!("tenants/{tenant}"),
            text: text.to_owned(),
            top_k: 5,
            ..Default::default()
        };
        self.router()
            .recommend_experts(request)
            .await
            .expect("an answer")
            .into_inner()
    }
}
