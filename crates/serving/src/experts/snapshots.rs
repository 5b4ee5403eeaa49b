//! Snapshots: histories as they were learned, in files that are used where they lie.
//!
//! A snapshot saves reading and learning a tenant's items again, and its memory: what questions look at is
//! mapped, and what only learning looks at stays on disk until somebody learns. The database is the truth. A
//! snapshot that is missing, damaged, or of other experts, another space or another version of the program is
//! not used, and made again in the background.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use artifacts::{ArtifactFile, ArtifactStore};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::cost::Meter;
use domain::{TenantContext, TenantId, TenantState};
use learning::HISTORY_FORM;
use learning::layout::{Snapshot, SnapshotFile};
use metering::usage;
use serde::{Deserialize, Serialize};
use storage::Store;

use super::corpus::ExpertCorpus;
use super::view::{CorpusStamp, SharedHistory, read};
use crate::Result;

/// A history that has grown by one in so many items is saved again.
const GROWN: usize = 20;
/// Fewer new items are not worth a file.
const GROWN_AT_LEAST: usize = 32;
/// What has grown by less is saved when nothing has come for so long.
const QUIET: Duration = Duration::from_secs(300);
/// What could not be saved is tried again after so long.
const TRIED_AGAIN: Duration = Duration::from_secs(300);

/// What a snapshot is of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// Of the program.
    version: String,
    tenant: String,
    space: String,
    experts: (u64, Option<DateTime<Utc>>),
}

impl Header {
    fn new(tenant: &TenantId, stamp: &CorpusStamp) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tenant: tenant.to_string(),
            space: stamp.space.clone(),
            experts: stamp.experts,
        }
    }
}

/// A file of the artifact store.
pub(super) struct InStore(pub ArtifactFile);

impl SnapshotFile for InStore {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.0.read(range)
    }

    fn map(&self, range: Range<u64>) -> io::Result<Bytes> {
        // A process may map so many files and no more: what is beyond takes memory of its own.
        let mapped = self.0.map(range.clone());
        mapped.or_else(|_| self.0.read(range).map(Bytes::from))
    }
}

/// Where the snapshots of all tenants are.
#[derive(Clone)]
pub(super) struct Snapshots {
    pub artifacts: ArtifactStore,
    pub store: Store,
}

/// Whether a history is to be saved: whether it has no snapshot, has outgrown the one it has, or has grown at
/// all and then not since `grown_at` for a while.
pub(super) fn is_due(history: &ExpertCorpus, grown_at: Instant) -> bool {
    let items = history.corpus.len();
    let failed = history.save_failed_at();
    if failed.is_some_and(|failed| failed.elapsed() < TRIED_AGAIN) {
        return false;
    }
    match history.unsaved() {
        None => items > 0,
        Some(0) => false,
        Some(new) => new >= GROWN_AT_LEAST.max(items / GROWN) || grown_at.elapsed() >= QUIET,
    }
}

impl Snapshots {
    /// The history in a tenant's snapshot, if it is of the experts and the space of `stamp`.
    pub(super) async fn open(
        &self,
        tenant: &TenantId,
        stamp: &CorpusStamp,
    ) -> Result<Option<ExpertCorpus>> {
        let (artifacts, header) = (self.artifacts.clone(), Header::new(tenant, stamp));
        let path = path(tenant);
        let open = move || match opened(&artifacts, &path, &header) {
            Ok(history) => history,
            Err(problem) => {
                tracing::warn!(path, problem, "a snapshot cannot be used and is made again");
                None
            }
        };
        Ok(usage::blocking(Meter::ModelCpu, open).await?)
    }

    /// Saves a history, and gives it back as it lies in its snapshot; none where it could not be saved, or
    /// the tenant is no longer served.
    pub(super) async fn save(
        &self,
        ctx: &TenantContext,
        stamp: &CorpusStamp,
        history: SharedHistory,
    ) -> Result<Option<ExpertCorpus>> {
        let (artifacts, header) = (self.artifacts.clone(), Header::new(ctx.tenant(), stamp));
        let path = path(ctx.tenant());
        let save = move || {
            let written = artifacts.replace(&path, |out| {
                let bytes = serde_json::to_vec(&header).map_err(io::Error::other)?;
                read(&history).save(&bytes, out)
            });
            if let Err(error) = written {
                tracing::warn!(path, %error, "a snapshot could not be written");
            } else if let Ok(Some(saved)) = opened(&artifacts, &path, &header) {
                return Some(saved);
            }
            read(&history).note_failed_save();
            None
        };
        let saved = usage::blocking(Meter::ModelCpu, save).await?;
        // An erasure ends serving first and removes files then: one that was written in between goes here.
        let shared = self.store.shared_with(ctx).await;
        if matches!(&shared, Ok(shared) if shared.tenant().state == TenantState::Active) {
            return Ok(saved);
        }
        self.remove(ctx.tenant()).await;
        Ok(None)
    }

    /// Removes a tenant's snapshot.
    pub(super) async fn remove(&self, tenant: &TenantId) {
        let path = path(tenant);
        if let Err(error) = self.artifacts.delete(&path).await {
            tracing::warn!(path, %error, "a snapshot could not be removed");
        }
    }
}

fn path(tenant: &TenantId) -> String {
    format!("tenants/{tenant}/snapshots/experts")
}

/// The history at a path; none where there is none, or of something else.
fn opened(
    artifacts: &ArtifactStore,
    path: &str,
    header: &Header,
) -> Result<Option<ExpertCorpus>, String> {
    let problem = |error: &dyn std::fmt::Display| error.to_string();
    let file = artifacts.open_file(path).map_err(|error| problem(&error))?;
    let Some(file) = file.map(InStore) else {
        return Ok(None);
    };
    let snapshot = Snapshot::open(&file, HISTORY_FORM).map_err(|error| problem(&error))?;
    let found = ExpertCorpus::header(&snapshot).map_err(|error| problem(&error))?;
    if !serde_json::from_slice(&found).is_ok_and(|found: Header| found == *header) {
        return Ok(None);
    }
    let history = ExpertCorpus::load(snapshot);
    history.map(Some).map_err(|error| problem(&error))
}

#[cfg(test)]
#[path = "snapshots_tests.rs"]
mod tests;
