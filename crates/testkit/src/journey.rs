//! What the journeys share: a server of their own, and clients whose steps end the test when they
//! fail.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::v1;
use tonic::Status;

use crate::clients::Client;
use crate::process::{self, PATIENCE, ServerProcess};

/// A server of a test's own, killed when dropped.
pub struct TestServer(ServerProcess);

/// The `tenantry` program.
///
/// # Panics
/// When this test does not know where it lies.
#[must_use]
pub fn program() -> PathBuf {
    process::program().expect("the test has a path")
}

impl std::ops::Deref for TestServer {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.0
    }
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
        match ServerProcess::start(&program(), folder, settings).await {
            Ok(server) => Self(server),
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Ends the server at once, as `kill -9` does, and waits until it has ended.
    pub fn kill(self) {
        self.0.kill();
    }

    /// Asks the server to end, as an orchestrator does, and says whether it ended well.
    pub async fn terminate(self) -> bool {
        self.0.stop().await.is_ok()
    }

    /// A client with this key, or with none.
    pub async fn client(&self, key: Option<&str>) -> Client {
        let client = Client::connect(&self.endpoint, key).await;
        client.expect("the server answers")
    }

    /// A client with the operator's key.
    pub async fn operator(&self) -> Client {
        self.client(Some(&self.operator_key)).await
    }
}

/// The steps of journeys. Each panics when the server refuses, which ends the test with its name.
impl Client {
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
        let reached = self.index_reached(&parent, None, |_| ()).await;
        reached.expect("the index catches up")
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
        self.model_of(name).await.expect("a model")
    }

    /// Watches a job to its end.
    pub async fn watch(&self, name: String) -> v1::Job {
        self.watch_job(&name, |_| ()).await.expect("a job's end")
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
