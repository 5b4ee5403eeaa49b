//! Watching a job: its state now, and after each change, until it ends.

use std::time::Duration;

use api::v1;
use domain::{AccessScope, Change, Job};
use server::ServiceError;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::Training;

/// Another process may run the job: look again after this long even if nothing was heard.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

type Update = Result<v1::WatchJobResponse, Status>;

impl Training {
    pub(crate) fn watch(self, scope: AccessScope, first: Job) -> ReceiverStream<Update> {
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            if let Err(error) = self.follow(&scope, first, &sender).await {
                // The watcher may be gone: then nobody wants to know.
                let _ = sender.send(Err(error.into())).await;
            }
        });
        ReceiverStream::new(receiver)
    }

    async fn follow(
        &self,
        scope: &AccessScope,
        first: Job,
        sender: &mpsc::Sender<Update>,
    ) -> Result<(), ServiceError> {
        let mut changes = self.store.changes().subscribe();
        let id = first.id.clone();
        let mut last = None;
        let mut job = first;
        loop {
            if last.as_ref() != Some(&job) {
                let update = v1::WatchJobResponse {
                    job: Some(job.clone().into()),
                };
                if sender.send(Ok(update)).await.is_err() {
                    return Ok(());
                }
            }
            if job.state.is_final() {
                return Ok(());
            }
            last = Some(job);
            loop {
                tokio::select! {
                    () = sender.closed() => return Ok(()),
                    () = self.stop.cancelled() => return Err(stopping()),
                    () = tokio::time::sleep(LOOK_AGAIN) => break,
                    change = changes.recv() => match change {
                        Ok(Change::Jobs(tenant)) if tenant.as_ref() == scope.tenant() => break,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return Ok(()),
                    },
                }
            }
            job = self.job(scope, &id).await?;
        }
    }
}

fn stopping() -> ServiceError {
    let message = "the server is stopping; the job goes on when it is back, watch it again";
    ServiceError::new(domain::ErrorKind::Unavailable, "STOPPING", message)
}
