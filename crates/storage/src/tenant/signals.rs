//! What the tenant gives for training the tiers above it: numbers about its past, never its texts.

use chrono::{DateTime, Utc};
use domain::{DatasetNumber, TaskId, TenantId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel};

use super::TenantTx;
use crate::Result;
use crate::convert::{int, micros};
use crate::rows::training_signals::{Column, Entity, Model};

/// The tenant's signals, one a task.
#[derive(Debug, Clone, Copy)]
pub struct Signals<'a> {
    pub(super) tx: &'a TenantTx,
}

/// Where a tenant's signal for a task lies, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Where the file lies in the artifact store.
    pub artifact_path: String,
    /// SHA-256 of the file, in hex.
    pub checksum: String,
    /// Bytes of the file.
    pub size: u64,
    /// Questions in it.
    pub queries: u64,
    /// The dataset it was made from.
    pub dataset: DatasetNumber,
}

/// A signal of a tenant that agrees to its use for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSignal {
    /// Whose it is.
    pub tenant: TenantId,
    /// The signal.
    pub signal: Signal,
}

impl Signals<'_> {
    /// Keeps the signal of the task, in the place of an older one.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "signals.put", skip_all)]
    pub async fn put(&self, task: &TaskId, signal: Signal, now: DateTime<Utc>) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            task: task.to_string(),
            artifact_path: signal.artifact_path,
            checksum: signal.checksum,
            size: int(signal.size),
            queries: int(signal.queries),
            dataset: int(signal.dataset),
            made_at: micros(now),
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Task])
                    .update_columns([
                        Column::ArtifactPath,
                        Column::Checksum,
                        Column::Size,
                        Column::Queries,
                        Column::Dataset,
                        Column::MadeAt,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        Ok(())
    }
}
