//! A server in this process that speaks Qdrant's gRPC protocol over qdrant-edge, as far as the
//! adapter uses it. It stands in for a real one where none is at hand.

mod convert;
mod rpcs;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{CreateCollection, VectorsConfig};
use qdrant_edge::{
    Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams, HnswIndexConfig,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::transport::Server;

/// The server; it ends with [`Loopback::stop`].
pub struct Loopback {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Loopback {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::default();
        let task = tokio::spawn(async move {
            Server::builder()
                .add_service(QdrantServer::new(service.clone()))
                .add_service(CollectionsServer::new(service.clone()))
                .add_service(PointsServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self { address, task }
    }

    /// Where the server listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the server.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// The RPCs; see `rpcs`. One call at a time, so that a shard is never flushed while it is used.
#[derive(Clone, Default)]
struct Service {
    collections: Arc<Mutex<HashMap<String, Collection>>>,
}

/// A collection and the settings it was made with.
struct Collection {
    shard: EdgeShard,
    vectors: VectorsConfig,
    _folder: TempDir,
}

impl Collection {
    fn create(request: CreateCollection) -> Result<Self, Status> {
        let vectors = request.vectors_config.ok_or_else(|| odd("no vectors"))?;
        let Some(Config::ParamsMap(params)) = &vectors.config else {
            return Err(odd("vectors without names"));
        };
        let mut config = EdgeConfig::builder();
        for (name, params) in &params.map {
            assert_eq!(
                params.distance,
                qdrant_client::qdrant::Distance::Cosine as i32
            );
            let size = usize::try_from(params.size).unwrap();
            let params = EdgeVectorParams::builder(size, Distance::Cosine).build();
            config = config.vector(name.clone(), params);
        }
        for name in request
            .sparse_vectors_config
            .unwrap_or_default()
            .map
            .into_keys()
        {
            config = config.sparse_vector(name, EdgeSparseVectorParams::builder().build());
        }
        let hnsw = request.hnsw_config.unwrap_or_default();
        config = config.hnsw_config(HnswIndexConfig {
            m: usize::try_from(hnsw.m.unwrap_or(16)).unwrap(),
            payload_m: hnsw.payload_m.map(|m| usize::try_from(m).unwrap()),
            ..HnswIndexConfig::default()
        });
        let folder = tempfile::tempdir()?;
        let shard = EdgeShard::new(folder.path(), config.build()).map_err(failed)?;
        Ok(Self {
            shard,
            vectors,
            _folder: folder,
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn failed(error: qdrant_edge::OperationError) -> Status {
    Status::internal(error.to_string())
}

fn odd(what: &str) -> Status {
    Status::invalid_argument(what)
}
