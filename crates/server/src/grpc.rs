//! The gRPC server: layers in their order, health, reflection, bounds, and a graceful end.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

use crate::panics::PanicLayer;
use crate::{AuthLayer, MeterLayer, TraceLayer};

/// The largest message that any service takes: a batch of 1,000 rows fits, a 5 MB text does not.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Requests of one connection at a time; more wait.
const REQUESTS_PER_CONNECTION: usize = 256;

/// Where the process really listens.
#[derive(Debug, Clone, Copy)]
pub struct BoundAddresses {
    /// The gRPC server.
    pub grpc: SocketAddr,
    /// The metrics endpoint, when there is one.
    pub metrics: Option<SocketAddr>,
}

/// Why the server, its logs or its metrics cannot start: a sentence with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}; set server.listen or --listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The descriptors of the contract cannot be served.
    #[error("reflection cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the server failed")]
    Transport(#[source] tonic::transport::Error),
    /// `log.filter` cannot be read.
    #[error("log.filter {filter:?} cannot be read: {source}")]
    LogFilter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The metrics endpoint has no address.
    #[error(
        "metrics cannot be served on {listen}: {source}; set server.metrics_listen or --metrics-listen"
    )]
    MetricsAddress {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The metrics endpoint cannot start.
    #[error(
        "metrics cannot be served on {listen}: {source}; set server.metrics_listen or --metrics-listen"
    )]
    Metrics {
        /// The address.
        listen: SocketAddr,
        /// What the exporter says.
        source: metrics_exporter_prometheus::BuildError,
    },
}

/// A bound server that does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the address cannot be had.
    pub async fn bind(listen: SocketAddr) -> Result<Self, ServerError> {
        let problem = |source| ServerError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(problem)?;
        let address = listener.local_addr().map_err(problem)?;
        Ok(Self { listener, address })
    }

    /// The address with the port that was really taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves, then lets what is in flight end, at most `drain`.
    ///
    /// `names` are the full names of the services in `routes`, for the health service.
    ///
    /// # Errors
    /// When the transport fails.
    pub async fn serve(
        self,
        routes: Routes,
        names: &[&'static str],
        (auth, meter): (AuthLayer, MeterLayer),
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServerError> {
        let (reporter, health) = tonic_health::server::health_reporter();
        for name in names {
            reporter
                .set_service_status(*name, tonic_health::ServingStatus::Serving)
                .await;
        }
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(api::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let newest = reflection().build_v1()?;
        // Many tools ask for nothing else.
        let older = reflection().build_v1alpha()?;
        let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
        let signal = async {
            stop.await;
            // Load balancers look here: they send no more before the listener is gone.
            reporter
                .set_service_status("", tonic_health::ServingStatus::NotServing)
                .await;
            for name in names {
                reporter
                    .set_service_status(*name, tonic_health::ServingStatus::NotServing)
                    .await;
            }
            // The receiver lives until serving has ended.
            let _ = stopping.send(());
        };
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let serving = tonic::transport::Server::builder()
            .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(20)))
            .layer(TraceLayer)
            .layer(auth)
            .layer(meter)
            .layer(PanicLayer)
            .add_routes(
                routes
                    .add_service(health)
                    .add_service(newest)
                    .add_service(older),
            )
            .serve_with_incoming_shutdown(incoming, signal);
        let too_late = async {
            // A sender that is dropped means that serving ended by itself.
            if stopped.await.is_ok() {
                tokio::time::sleep(drain).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            result = serving => result.map_err(ServerError::Transport),
            () = too_late => {
                tracing::warn!(?drain, "requests were still in flight after the drain time");
                Ok(())
            }
        }
    }
}

/// Resolves when the process is asked to stop: SIGINT or SIGTERM. It listens from the call on, not only
/// once it is awaited, so that no signal ends the process before its work has begun.
pub fn shutdown_signal() -> impl Future<Output = ()> + Send {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{Signal, SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt()).ok();
        let terminate = signal(SignalKind::terminate()).ok();
        async fn next(signal: Option<Signal>) {
            match signal {
                Some(mut signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        async move {
            tokio::select! {
                () = next(interrupt) => {}
                () = next(terminate) => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
