//! A bare tonic server that answers each question with the same recommendation: what the transport alone takes
//! for messages of these sizes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use anyhow::{Context as _, Result, ensure};
use api::v1;
use clap::Args;
use futures::future::BoxFuture;
use prost::Message as _;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

/// Arguments of the hidden `echo` command: what `bench` starts.
#[derive(Args, Debug)]
pub struct EchoArgs {
    /// A file with the encoded answer.
    answer: std::path::PathBuf,
}

/// Serves until standard input ends, on a free port that is printed first.
///
/// # Errors
/// An answer that cannot be read, or no port.
pub fn run(args: &EchoArgs) -> Result<()> {
    let answer = v1::RecommendExpertsResponse::decode(std::fs::read(&args.answer)?.as_slice())?;
    crate::run::block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        std::io::stdout().flush()?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let echo = Echo(Arc::new(answer));
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
        let stop = async {
            // However it ends, nobody is there any more.
            let _ = ended.await;
        };
        let serving = Server::builder().add_service(echo);
        Ok(serving.serve_with_incoming_shutdown(incoming, stop).await?)
    })
}

/// A running echo server; it ends when this goes.
pub struct EchoProcess {
    child: Child,
    /// Where it listens.
    pub endpoint: String,
}

impl EchoProcess {
    /// Starts one that answers with `answer`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(folder: &Path, answer: &v1::RecommendExpertsResponse) -> Result<Self> {
        let file = folder.join("answer.bin");
        std::fs::write(&file, answer.encode_to_vec())?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("echo")
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the echo server")?;
        let output = child
            .stdout
            .take()
            .context("the echo server has no output")?;
        let mut endpoint = String::new();
        BufReader::new(output).read_line(&mut endpoint)?;
        ensure!(
            endpoint.starts_with("http"),
            "the echo server did not start"
        );
        let endpoint = endpoint.trim().to_owned();
        Ok(Self { child, endpoint })
    }
}

impl Drop for EchoProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself then; nothing can be done about one that does not.
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
struct Echo(Arc<v1::RecommendExpertsResponse>);

impl NamedService for Echo {
    const NAME: &'static str = "tenantry.v1.RouterService";
}

impl UnaryService<v1::RecommendExpertsRequest> for Echo {
    type Response = v1::RecommendExpertsResponse;
    type Future = Ready<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, _: Request<v1::RecommendExpertsRequest>) -> Self::Future {
        ready(Ok(Response::new((*self.0).clone())))
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let codec: ProstCodec<v1::RecommendExpertsResponse, v1::RecommendExpertsRequest> =
                ProstCodec::default();
            Ok(Grpc::new(codec).unary(service, request).await)
        })
    }
}
