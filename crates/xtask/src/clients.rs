//! The three kinds of clients that a tenant's platform has, each with a key of its own role.
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

use anyhow::{Context, Result, anyhow};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A connection that sends a key with each call.
type Authorized = InterceptedService<Channel, Bearer>;

/// Sends `authorization: Bearer …`.
#[derive(Debug, Clone)]
struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

async fn connect(endpoint: &str, key: &str) -> Result<Authorized> {
    let channel = Endpoint::from_shared(endpoint.to_owned())
        .with_context(|| format!("{endpoint} is no address"))?
        .connect()
        .await
        .with_context(|| format!("cannot reach {endpoint}"))?;
    let mut value: MetadataValue<Ascii> = format!("Bearer {key}")
        .parse()
        .context("the key has characters that no key has")?;
    value.set_sensitive(true);
    Ok(InterceptedService::new(channel, Bearer(value)))
}

/// Says which call failed, and how.
fn refused(call: &'static str) -> impl Fn(Status) -> anyhow::Error {
    move |status| anyhow!("{call}: {:?}: {}", status.code(), status.message())
}
