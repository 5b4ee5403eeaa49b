//! The answer log: what was answered, kept for feedback to join.
//!
//! Answers wait in memory and are written in groups, off the hot path. A crash loses at most what
//! was answered since the last write (a fraction of a second): feedback to such an answer is
//! refused as unknown, and nothing else depends on it.

use std::collections::HashMap;
use std::time::Duration;

use domain::{TenantContext, TenantId};
use server::ServiceError;
use storage::{Classification, NewAnswer, Store};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Answers that may wait; more are not kept, and counted.
const WAITING: usize = 16_384;
/// Enough for a write of their own.
const GROUP: usize = 512;
/// Answers wait for others to be written with for this long.
const GATHERED: Duration = Duration::from_millis(20);

enum Entry {
    Answer(TenantId, NewAnswer),
    Classification(TenantId, Classification),
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// What waits for one tenant.
#[derive(Default)]
struct Group {
    answers: Vec<NewAnswer>,
    classifications: Vec<Classification>,
}

/// Where answers are put. Clones are the same log.
#[derive(Clone)]
pub struct AnswerLog {
    sender: mpsc::Sender<Entry>,
}

impl AnswerLog {
    /// A log, and the task that writes it until `stop`, then the rest.
    pub fn new(store: Store, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender }, write_all(store, receiver, stop))
    }

    pub(crate) fn put(&self, tenant: &TenantId, answer: NewAnswer) {
        self.send(Entry::Answer(tenant.clone(), answer));
    }

    pub(crate) fn put_classification(&self, tenant: &TenantId, answer: Classification) {
        self.send(Entry::Classification(tenant.clone(), answer));
    }

    fn send(&self, entry: Entry) {
        if self.sender.try_send(entry).is_err() {
            metrics::counter!("tenantry_answers_not_logged_total").increment(1);
        }
    }

    /// Waits until what was put before is written.
    pub(crate) async fn flush(&self) -> Result<(), ServiceError> {
        let (done, written) = oneshot::channel();
        let sent = self.sender.send(Entry::Flush(done)).await;
        sent.map_err(|_| ServiceError::internal("the answer log has ended"))?;
        written
            .await
            .map_err(|_| ServiceError::internal("the answer log has ended"))
    }
}

async fn write_all(store: Store, mut receiver: mpsc::Receiver<Entry>, stop: CancellationToken) {
    let mut buffer = Vec::with_capacity(GROUP);
    let mut waiting: HashMap<TenantId, Group> = HashMap::new();
    loop {
        let stopping = gather(&mut receiver, &mut buffer, &stop).await;
        let mut flushed = Vec::new();
        for entry in buffer.drain(..) {
            match entry {
                Entry::Answer(tenant, answer) => {
                    waiting.entry(tenant).or_default().answers.push(answer);
                }
                Entry::Classification(tenant, answer) => {
                    waiting
                        .entry(tenant)
                        .or_default()
                        .classifications
                        .push(answer);
                }
                Entry::Flush(done) => flushed.push(done),
            }
        }
        for (tenant, group) in waiting.drain() {
            if let Err(error) = write(&store, &tenant, group).await {
                tracing::warn!(%error, %tenant, "answers could not be written; feedback to them will be refused");
            }
        }
        for done in flushed {
            // Who asked may have gone.
            let _ = done.send(());
        }
        if stopping {
            return;
        }
    }
}

/// Waits for an entry, and then for those that come with it: until there are enough for a write, somebody waits
/// for one, or a moment has passed. True when there will be no more.
async fn gather(
    receiver: &mut mpsc::Receiver<Entry>,
    buffer: &mut Vec<Entry>,
    stop: &CancellationToken,
) -> bool {
    let mut until = None;
    loop {
        let in_time = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What is there already comes before the time that it may wait.
            biased;
            () = stop.cancelled() => {
                receiver.close();
                while let Ok(entry) = receiver.try_recv() {
                    buffer.push(entry);
                }
                return true;
            }
            received = receiver.recv_many(buffer, GROUP) => {
                if received == 0 {
                    return true;
                }
            }
            () = in_time => return false,
        }
        let awaited = buffer.iter().any(|entry| matches!(entry, Entry::Flush(_)));
        if awaited || buffer.len() >= GROUP {
            return false;
        }
        until.get_or_insert_with(|| tokio::time::Instant::now() + GATHERED);
    }
}

async fn write(store: &Store, tenant: &TenantId, group: Group) -> storage::Result<()> {
    let ctx = TenantContext::for_background_work(tenant, "answers");
    let tx = store.begin(&ctx).await?;
    tx.answers().add(group.answers).await?;
    tx.classifications().add(group.classifications).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::{ExpertId, TaskId, TenantSettings, Tier, VerticalId};
    use storage::{ClassificationOutcome, NewTenant, Purpose, StorageConfig};

    use super::*;

    async fn store(folder: &tempfile::TempDir) -> (Store, TenantContext) {
        let config = StorageConfig {
            url: format!("sqlite://{}", folder.path().join("store.db").display()),
            max_connections: 4,
        };
        let store = Store::open(&config).await.unwrap();
        let id = TenantId::parse("acme").unwrap();
        let tenant = NewTenant {
            id: id.clone(),
            display_name: String::new(),
            vertical: VerticalId::parse("software").unwrap(),
            settings: TenantSettings::default(),
        };
        let now = DateTime::UNIX_EPOCH;
        let platform = store.maintenance(Purpose::StartUp);
        platform.create_tenant(tenant, "ops", now).await.unwrap();
        (store, TenantContext::for_background_work(&id, "test"))
    }

    fn answer(request_id: &str) -> NewAnswer {
        NewAnswer {
            request_id: request_id.to_owned(),
            text: "Why?".to_owned(),
            model: "global/models/experts/versions/0".to_owned(),
            tier: Tier::Global,
            reason: "NOT_ENOUGH_DATA".to_owned(),
            shadow: None,
            experts: vec![(ExpertId::parse("sofia").unwrap(), 1.5)],
            answered_at: DateTime::UNIX_EPOCH,
            item: None,
        }
    }

    #[tokio::test]
    async fn what_was_put_before_a_flush_can_be_read_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, ctx) = store(&folder).await;
        let stop = CancellationToken::new();
        let (log, writer) = AnswerLog::new(store.clone(), stop.clone());
        let writing = tokio::spawn(writer);
        log.put(ctx.tenant(), answer("a"));
        log.put_classification(
            ctx.tenant(),
            Classification {
                request_id: "c".to_owned(),
                task: TaskId::parse("intent").unwrap(),
                text: "Why?".to_owned(),
                model: "baseline:knn".to_owned(),
                tier: Tier::Tenant,
                reason: "REQUESTED".to_owned(),
                outcome: ClassificationOutcome {
                    labels: vec![("billing".to_owned(), 0.5)],
                    value: None,
                    abstained: false,
                },
                answered_at: DateTime::UNIX_EPOCH,
            },
        );
        log.flush().await.unwrap();
        let tx = store.begin(&ctx).await.unwrap();
        let read = tx.answers().get("a").await.unwrap().unwrap();
        assert_eq!(read.experts[0].0.as_str(), "sofia");
        assert!(tx.classifications().get("c").await.unwrap().is_some());
        drop(tx);
        // What waits when the server stops is written; what comes later is not.
        log.put(ctx.tenant(), answer("last"));
        stop.cancel();
        writing.await.unwrap();
        let tx = store.begin(&ctx).await.unwrap();
        assert!(tx.answers().get("last").await.unwrap().is_some());
        assert!(log.flush().await.is_err());
    }

    #[tokio::test]
    async fn a_tenant_that_is_not_there_costs_no_other_its_answers() {
        let folder = tempfile::tempdir().unwrap();
        let (store, ctx) = store(&folder).await;
        let stop = CancellationToken::new();
        let (log, writer) = AnswerLog::new(store.clone(), stop.clone());
        let _writing = tokio::spawn(writer);
        log.put(&TenantId::parse("erased").unwrap(), answer("x"));
        log.put(ctx.tenant(), answer("y"));
        log.flush().await.unwrap();
        let tx = store.begin(&ctx).await.unwrap();
        assert!(tx.answers().get("y").await.unwrap().is_some());
        assert!(tx.answers().get("x").await.unwrap().is_none());
        stop.cancel();
    }
}
