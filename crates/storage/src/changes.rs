//! Who wants to hear what was committed.

use std::sync::Arc;

use domain::Change;
use tokio::sync::{broadcast, watch};

/// How many changes a subscriber may be behind before it loses the oldest
/// (`RecvError::Lagged`): then it should look at everything again.
const BACKLOG: usize = 1_024;

/// The channel of committed changes of this process and, on PostgreSQL, of all others.
#[derive(Debug, Clone)]
pub struct Changes {
    all: broadcast::Sender<Change>,
    /// Counts whatever may have made a job takeable.
    jobs: Arc<watch::Sender<u64>>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            all: broadcast::Sender::new(BACKLOG),
            jobs: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Tells every subscriber in this process. The store does it for what it commits itself.
    pub fn publish(&self, change: Change) {
        if matches!(change, Change::Jobs(_) | Change::Tenant(_)) {
            self.wake_workers();
        }
        // Fails when nobody listens, which is fine.
        let _ = self.all.send(change);
    }

    /// Everything published from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.all.subscribe()
    }

    pub(crate) fn wake_workers(&self) {
        self.jobs
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    pub(crate) fn job_versions(&self) -> watch::Receiver<u64> {
        self.jobs.subscribe()
    }
}
