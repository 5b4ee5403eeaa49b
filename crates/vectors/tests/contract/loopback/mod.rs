//! A server in this process that speaks Qdrant's gRPC protocol, as far as the adapter uses it, over
//! points in memory that it compares one by one. It stands in for a real one where none is at hand.

mod collection;
mod rpcs;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::transport::Server;

use self::collection::Collection;

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

/// The RPCs; see `rpcs`.
#[derive(Clone, Default)]
struct Service {
    collections: Arc<Mutex<HashMap<String, Collection>>>,
}

fn odd(what: &str) -> Status {
    Status::invalid_argument(what)
}
