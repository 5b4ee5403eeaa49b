//! Who wants to hear what was committed.

use std::sync::Arc;

use domain::{Change, JobKind};
use tokio::sync::{broadcast, watch};

/// How many changes a subscriber may be behind before it loses the oldest
/// (`RecvError::Lagged`): then it should look at everything again.
const BACKLOG: usize = 1_024;

/// The channel of committed changes of this process and, on PostgreSQL, of all others.
#[derive(Debug, Clone)]
pub struct Changes {
    all: broadcast::Sender<Change>,
    /// Counts, by kind, whatever may have made a job takeable.
    jobs: Arc<watch::Sender<Takeable>>,
}

/// How often jobs of each kind may have become takeable.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Takeable([u64; JobKind::ALL.len()]);

impl Takeable {
    /// A number that is another one once a job of these kinds may have become takeable.
    pub(crate) fn version(&self, kinds: &[JobKind]) -> u64 {
        let counts = kinds.iter().map(|kind| self.0[*kind as usize]);
        counts.fold(0, u64::wrapping_add)
    }
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            all: broadcast::Sender::new(BACKLOG),
            jobs: Arc::new(watch::Sender::new(Takeable::default())),
        }
    }

    /// Tells every subscriber in this process. The store does it for what it commits itself.
    pub fn publish(&self, change: Change) {
        // What it was about the jobs is not said: any may be takeable.
        if matches!(change, Change::Jobs(_) | Change::Tenant(_)) {
            self.wake_workers(&JobKind::ALL);
        }
        self.tell(change);
    }

    /// Tells of what this process has committed, which may have made jobs of these kinds takeable.
    pub(crate) fn publish_own(&self, changes: Vec<Change>, takeable: &[JobKind]) {
        let any_tenant = changes.iter().any(|one| matches!(one, Change::Tenant(_)));
        match any_tenant {
            true => self.wake_workers(&JobKind::ALL),
            false if takeable.is_empty() => {}
            false => self.wake_workers(takeable),
        }
        for change in changes {
            self.tell(change);
        }
    }

    fn tell(&self, change: Change) {
        // Fails when nobody listens, which is fine.
        let _ = self.all.send(change);
    }

    /// Everything published from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.all.subscribe()
    }

    /// Wakes the workers that take jobs of these kinds.
    pub(crate) fn wake_workers(&self, kinds: &[JobKind]) {
        self.jobs.send_modify(|takeable| {
            for kind in kinds {
                let count = &mut takeable.0[*kind as usize];
                *count = count.wrapping_add(1);
            }
        });
    }

    pub(crate) fn takeable(&self) -> watch::Receiver<Takeable> {
        self.jobs.subscribe()
    }
}
