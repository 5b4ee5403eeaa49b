//! The ingest stream: a batch in, its acknowledgement out, in order.

use api::v1;
use domain::TenantContext;
use metering::usage;
use server::{Caller, ServiceError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::Ingest;
use crate::batch::stopping;

/// Acknowledgements that may wait for a slow reader.
const WAITING: usize = 8;

type Acknowledgement = Result<v1::IngestItemsResponse, Status>;

impl Ingest {
    /// Serves a stream until its client ends it, a batch cannot be taken, or the server stops.
    pub(crate) fn serve_stream(
        self,
        caller: Caller,
        batches: Streaming<v1::IngestItemsRequest>,
    ) -> ReceiverStream<Acknowledgement> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(usage::in_current_scope(async move {
            if let Err(status) = self.pump(&caller, batches, &sender).await {
                // The client may be gone: then nobody wants to know.
                let _ = sender.send(Err(status)).await;
            }
        }));
        ReceiverStream::new(receiver)
    }

    async fn pump(
        &self,
        caller: &Caller,
        mut batches: Streaming<v1::IngestItemsRequest>,
        sender: &mpsc::Sender<Acknowledgement>,
    ) -> Result<(), Status> {
        let mut context: Option<(String, TenantContext)> = None;
        loop {
            let batch = tokio::select! {
                () = self.stop.cancelled() => return Err(stopping().into()),
                batch = batches.message() => batch?,
            };
            let Some(batch) = batch else { return Ok(()) };
            let ctx = self
                .stream_context(caller, &mut context, &batch.parent)
                .await?;
            let acknowledgement = self.ingest_batch(&ctx, batch).await?;
            if sender.send(Ok(acknowledgement)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The context of the stream: made by its first batch, the same for all.
    async fn stream_context(
        &self,
        caller: &Caller,
        context: &mut Option<(String, TenantContext)>,
        parent: &str,
    ) -> Result<TenantContext, ServiceError> {
        match context {
            Some((first, ctx)) if parent.is_empty() || parent == first => {
                // The tenant may have been made inactive since: ask again for each batch.
                self.gate.enter_tenant(caller, ctx.tenant()).await
            }
            Some(_) => Err(ServiceError::invalid(
                "parent",
                "must be the same for a whole stream",
            )),
            None => {
                let tenant = domain::ResourceName::tenant(parent)
                    .map_err(|error| ServiceError::name("parent", &error))?;
                let ctx = self.gate.enter_tenant(caller, &tenant).await?;
                *context = Some((parent.to_owned(), ctx.clone()));
                Ok(ctx)
            }
        }
    }
}
