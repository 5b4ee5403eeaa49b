//! PostgreSQL: changes from one process to the others, by LISTEN and NOTIFY.

use std::time::Duration;

use domain::{Change, JobKind};
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{Changes, Result, StorageError};

const CHANNEL: &str = "tenantry_changes";
/// How long to wait before trying again to reach a server that is gone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What goes over the wire.
#[derive(Debug, Serialize, Deserialize)]
struct Notice {
    /// The store that has committed it, which has told its own process already.
    origin: Uuid,
    change: Change,
}

/// Sends the changes to all processes. PostgreSQL delivers them when, and only when, the
/// transaction is committed.
pub(crate) async fn notify(
    transaction: &DatabaseTransaction,
    origin: Uuid,
    changes: &[Change],
) -> Result<()> {
    for change in changes {
        let notice = serde_json::to_string(&Notice {
            origin,
            change: change.clone(),
        })
        .map_err(|error| StorageError::Database(Box::new(error)))?;
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_notify($1, $2)",
            [CHANNEL.into(), notice.into()],
        );
        transaction.execute_raw(statement).await?;
    }
    Ok(())
}

/// The task that hears what other processes have committed.
///
/// What is sent while the connection is down is lost: who holds copies must also look at the truth
/// on a timer.
#[derive(Debug)]
pub(crate) struct Listener {
    task: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(url: String, changes: Changes, origin: Uuid) -> Self {
        let task = tokio::spawn(async move {
            loop {
                let Err(error) = listen(&url, &changes, origin).await;
                tracing::warn!(%error, "not listening for changes of other processes; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
                // Jobs may have been enqueued meanwhile.
                changes.wake_workers(&JobKind::ALL);
            }
        });
        Self { task }
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(
    url: &str,
    changes: &Changes,
    origin: Uuid,
) -> std::result::Result<std::convert::Infallible, sea_orm::sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    tracing::debug!("listening for changes of other processes");
    loop {
        // `None`: the connection was lost and is made anew.
        let Some(notification) = listener.try_recv().await? else {
            changes.wake_workers(&JobKind::ALL);
            continue;
        };
        match serde_json::from_str::<Notice>(notification.payload()) {
            Ok(notice) if notice.origin == origin => {}
            Ok(notice) => changes.publish(notice.change),
            // A newer version may speak of changes that this one does not know.
            Err(error) => tracing::debug!(%error, "a notification was not understood"),
        }
    }
}
