//! Measures each request: whom it was for, what it took, how many bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use domain::cost::{Meter, Service as Part};
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use metering::{Operation, UsageRecorder, UsageScope};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::telemetry::{known_method, response_code};

/// The RPC whose answers are counted one by one, by who gives them.
const COUNTED_ONE_BY_ONE: &str = "BatchRecommendExperts";

/// Records what each request consumes, before its caller sees the end of the answer.
#[derive(Clone)]
pub struct MeterLayer {
    recorder: UsageRecorder,
}

impl MeterLayer {
    /// A layer that records into `recorder`.
    #[must_use]
    pub fn new(recorder: UsageRecorder) -> Self {
        Self { recorder }
    }
}

impl<S> Layer<S> for MeterLayer {
    type Service = Metered<S>;
    fn layer(&self, inner: S) -> Metered<S> {
        Metered {
            inner,
            recorder: self.recorder.clone(),
        }
    }
}

/// The service that [`MeterLayer`] makes.
#[derive(Clone)]
pub struct Metered<S> {
    inner: S,
    recorder: UsageRecorder,
}

impl<S> Service<Request<Body>> for Metered<S>
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
        let metered = part_of(known_method(request.uri().path()));
        let Some((service, rpc)) = metered.filter(|_| self.recorder.is_enabled()) else {
            return Box::pin(inner.call(request));
        };
        let scope = self.recorder.begin(Operation {
            service,
            name: rpc.to_owned(),
            cpu: Meter::RequestCpu,
        });
        Box::pin(async move {
            let request = request.map(|body| Counted::body(&scope, Meter::BytesIn, body));
            let answer = scope.run(inner.call(request)).await;
            if rpc != COUNTED_ONE_BY_ONE
                && answer
                    .as_ref()
                    .is_ok_and(|answer| response_code(answer) == tonic::Code::Ok)
            {
                scope.add(Meter::Requests, 1);
            }
            answer.map(|answer| answer.map(|body| Counted::body(&scope, Meter::BytesOut, body)))
        })
    }
}

/// The service and the RPC of a method's path.
fn part_of(path: &'static str) -> Option<(Part, &'static str)> {
    let (service, rpc) = path.strip_prefix("/tenantry.v1.")?.split_once('/')?;
    let service = match service {
        "TenantService" => Part::Tenants,
        "IngestService" => Part::Ingest,
        "TrainingService" => Part::Trainer,
        "RouterService" => Part::Router,
        "CostService" => Part::Costs,
        _ => return None,
    };
    Some((service, rpc))
}

/// A body whose bytes are counted; that of an answer also ends the operation.
struct Counted {
    scope: UsageScope,
    meter: Meter,
    inner: Body,
}

impl Counted {
    fn body(scope: &UsageScope, meter: Meter, inner: Body) -> Body {
        Body::new(Self {
            scope: scope.clone(),
            meter,
            inner,
        })
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = Pin::get_mut(self);
        let inner = Pin::new(&mut this.inner);
        let polled = match this.meter {
            // The handler reads the request inside of its own polls.
            Meter::BytesIn => inner.poll_frame(context),
            _ => this.scope.poll(|| inner.poll_frame(context)),
        };
        let last = match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.scope.add(this.meter, bytes as u64);
                frame.is_trailers()
            }
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        // Before the last part of the answer leaves: what was acknowledged is recorded.
        if last && this.meter == Meter::BytesOut {
            this.scope.flush();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Counted {
    /// The caller may go before the end of the answer, or there may be none.
    fn drop(&mut self) {
        if self.meter == Meter::BytesOut {
            self.scope.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_belongs_to_a_service() {
        for method in api::methods() {
            let (_, rpc) = part_of(&method.path).unwrap();
            assert!(method.path.ends_with(rpc));
        }
        assert_eq!(part_of("other"), None);
        assert_eq!(part_of("/grpc.health.v1.Health/Check"), None);
        assert!(api::methods().any(|method| method.path.ends_with(COUNTED_ONE_BY_ONE)));
    }
}
