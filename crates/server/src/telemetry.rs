//! Logs with trace ids, and Prometheus metrics.

pub(crate) mod catalogue;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::{Request, Response};
use metrics_exporter_prometheus::Matcher;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing_subscriber::EnvFilter;

use crate::ServerError;
use crate::config::{LogFormat, LogSection};

/// Keeps the metrics endpoint alive.
pub struct TelemetryGuard {
    /// Where the metrics are served, with the port that was really taken.
    pub address: SocketAddr,
}

/// Starts logging to standard error.
///
/// # Errors
/// When `log.filter` cannot be read. A second start is allowed: tests share a process.
pub fn init_logs(config: &LogSection) -> Result<(), ServerError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|source| ServerError::LogFilter {
        filter: config.filter.clone(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Escape codes would make a file or a pipe hard to read and to search.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let _already_started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    Ok(())
}

/// Starts the Prometheus endpoint on a port of its own.
///
/// # Errors
/// When the address cannot be bound.
pub fn init_metrics(listen: SocketAddr) -> Result<TelemetryGuard, ServerError> {
    // The exporter takes an address, not a listener: look for a free port first where 0 is asked.
    let address = if listen.port() == 0 {
        let probe = std::net::TcpListener::bind(listen);
        probe
            .and_then(|probe| probe.local_addr())
            .map_err(|source| ServerError::MetricsAddress { listen, source })?
    } else {
        listen
    };
    metrics_exporter_prometheus::PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets(&SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(of("tenantry_tenant_vectors"), &SIZES))
        .and_then(|builder| {
            let bytes = SIZES.map(|size| size * 4_096.0);
            builder.set_buckets_for_metric(of("tenantry_tenant_bytes"), &bytes)
        })
        .and_then(metrics_exporter_prometheus::PrometheusBuilder::install)
        .map_err(|source| ServerError::Metrics {
            listen: address,
            source,
        })?;
    catalogue::begin();
    Ok(TelemetryGuard { address })
}

fn of(metric: &str) -> Matcher {
    Matcher::Full(metric.to_owned())
}

/// Items of a tenant.
const SIZES: [f64; 8] = [
    0.0,
    100.0,
    1_000.0,
    3_000.0,
    10_000.0,
    30_000.0,
    100_000.0,
    1_000_000.0,
];
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Gives each request a span with its trace id, and counts and times it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;
    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

/// The service that [`TraceLayer`] makes.
#[derive(Debug, Clone)]
pub struct Trace<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Trace<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let method = known_method(request.uri().path());
        let trace_id = trace_id(request.headers());
        let span = tracing::info_span!("rpc", method, trace_id);
        let work = async move {
            let started = Instant::now();
            let result = inner.call(request).await;
            let code = result.as_ref().map_or(Code::Unknown, response_code);
            let seconds = started.elapsed().as_secs_f64();
            let labels = [("method", method), ("code", code_name(code))];
            metrics::histogram!("tenantry_rpc_seconds", &labels).record(seconds);
            tracing::debug!(code = code_name(code), seconds, "answered");
            result
        };
        Box::pin(work.instrument(span))
    }
}

/// The method's path when it is one of ours. A made-up path must not become a new metric label.
pub(crate) fn known_method(path: &str) -> &'static str {
    api::method(path).map_or("other", |method| method.path.as_str())
}

/// The trace id of W3C's `traceparent`, or a new one.
fn trace_id(headers: &http::HeaderMap) -> String {
    headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split('-').nth(1))
        .filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        .map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// The code of an answer that failed at once. That of a stream comes later, in its trailers: such
/// an answer counts as OK here.
pub(crate) fn response_code(response: &Response<Body>) -> Code {
    let header = response
        .headers()
        .get("grpc-status")
        .and_then(|value| value.to_str().ok());
    header
        .and_then(|code| code.parse::<i32>().ok())
        .map_or(Code::Ok, Code::from)
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_path_makes_no_new_label() {
        assert_eq!(
            known_method("/tenantry.v1.RouterService/RecommendExperts"),
            "/tenantry.v1.RouterService/RecommendExperts"
        );
        assert_eq!(known_method("/tenantry.v1.RouterService/Nope"), "other");
    }

    #[test]
    fn the_callers_trace_id_is_kept() {
        let mut headers = http::HeaderMap::new();
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        headers.insert(
            "traceparent",
            format!("00-{id}-00f067aa0ba902b7-01").parse().unwrap(),
        );
        assert_eq!(trace_id(&headers), id);
        headers.insert("traceparent", "00-nonsense-1-1".parse().unwrap());
        assert_eq!(trace_id(&headers).len(), 32);
    }
}
