//! A panic is a fault of ours: its caller is told INTERNAL, and nobody else on the same connection notices.
//!
//! Without this layer the panic ends the task of the connection, and every request on it with a
//! transport error that names no cause. tower-http's layer of this kind ends at the answer's head: here
//! a stream that panics later ends with a status, too.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::ServiceError;

/// Turns panics of what it wraps into answers with INTERNAL.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PanicLayer;

impl<S> Layer<S> for PanicLayer {
    type Service = Unpanicked<S>;
    fn layer(&self, inner: S) -> Unpanicked<S> {
        Unpanicked { inner }
    }
}

/// The service that [`PanicLayer`] makes.
#[derive(Debug, Clone)]
pub(crate) struct Unpanicked<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Unpanicked<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // What was half done is dropped with the future; handlers share only what is safe to share.
        let begun = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let answered = match begun {
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            match answered {
                Ok(answer) => answer.map(|answer| answer.map(|body| Body::new(Guarded(body)))),
                Err(panic) => Ok(internal(panic.as_ref()).into_http()),
            }
        })
    }
}

/// The status for the caller; what the panic said is for the log.
fn internal(panic: &(dyn Any + Send)) -> Status {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let said = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let said = said.unwrap_or("nothing");
    ServiceError::internal(format_args!("a handler panicked: {said}")).into()
}

/// An answer's body, which ends with INTERNAL where it panics.
struct Guarded(Body);

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = Pin::get_mut(self);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut this.0).poll_frame(context)
        }));
        polled.unwrap_or_else(|panic| {
            // What panicked is not asked again.
            this.0 = Body::empty();
            let status = internal(panic.as_ref());
            let mut trailers = http::HeaderMap::new();
            let end = status.add_header(&mut trailers);
            Poll::Ready(Some(end.map(|()| Frame::trailers(trailers))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::poll_fn;
    use tonic::Code;
    use tower::{ServiceExt as _, service_fn};

    /// A body that panics when it is read.
    struct Broken;

    impl http_body::Body for Broken {
        type Data = Bytes;
        type Error = Status;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            panic!("the stream broke");
        }
    }

    async fn answer(of: fn() -> Response<Body>) -> Response<Body> {
        let handler = service_fn(move |_: Request<Body>| async move { Ok::<_, Status>(of()) });
        let guarded = PanicLayer.layer(handler);
        guarded.oneshot(Request::new(Body::empty())).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_without_its_words() {
        let answer = answer(|| panic!("the key is 12345")).await;
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("12345"), "{status}");
    }

    #[tokio::test]
    async fn a_stream_that_panics_ends_with_a_status() {
        let mut body = answer(|| Response::new(Body::new(Broken)))
            .await
            .into_body();
        let mut next =
            async || poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
        let trailers = next().await.unwrap().unwrap().into_trailers().unwrap();
        let status = Status::from_header_map(&trailers).unwrap();
        assert_eq!(status.code(), Code::Internal);
        assert!(next().await.is_none(), "and nothing comes after it");
    }

    #[tokio::test]
    async fn what_does_not_panic_passes() {
        let answer = answer(|| Response::builder().status(204).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), 204);
    }
}
