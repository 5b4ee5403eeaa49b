//! Sends batches and takes their acknowledgements: a few in flight, sent again when the connection
//! breaks (their names make a repeat harmless), finished in order when Ctrl-C is pressed.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use api::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::summary::{RemarkView, Summary};
use crate::args::PageArgs;
use crate::client::Client;
use crate::content::experts;
use crate::error::CliError;
use crate::import::batch::{Batch, Batches, ReadEnd, experts_of};
use crate::jobs::passes;
use crate::output::progress::Progress;

/// Batches sent and not yet acknowledged.
const IN_FLIGHT: usize = 4;
/// Attempts without any acknowledgement before giving up.
const ATTEMPTS: u32 = 8;

/// What the reader hands over.
pub enum Event {
    /// A batch to send.
    Batch(Box<Batch>),
    /// The file is read.
    End(Box<ReadEnd>),
}

impl Event {
    /// Puts what the reading came to into the summary.
    pub fn tell(self, summary: &mut Summary) {
        if let Self::End(end) = self {
            summary.rows = end.rows;
            summary.filtered = end.filtered;
            summary.notes = end.notes;
            summary.remarks = end.remarked.into_iter().map(RemarkView::from).collect();
            summary.file_problem = end.problem;
        }
    }
}

/// Reads batches on a thread of its own: reading a pipe may block for ever, and a thread, unlike a
/// task, does not keep the program from ending.
pub fn reader_thread(mut batches: Batches) -> mpsc::Receiver<Event> {
    let (events, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for batch in &mut batches {
            if events.blocking_send(Event::Batch(Box::new(batch))).is_err() {
                return;
            }
        }
        // Nobody listens any more when the sending was stopped.
        let _ = events.blocking_send(Event::End(Box::new(batches.finish())));
    });
    receiver
}

/// Sends a file's batches.
pub struct Sender<'a> {
    client: &'a Client,
    parent: &'a str,
    summary: &'a mut Summary,
    progress: Progress,
    unacknowledged: VecDeque<Batch>,
    /// The experts that are there already; none when unknown ones are not to be registered.
    known_experts: Option<HashSet<String>>,
    reading: bool,
    rows_sent: u64,
    failures: u32,
}

impl<'a> Sender<'a> {
    /// A sender to `parent` that counts into `summary`.
    pub fn new(
        client: &'a Client,
        parent: &'a str,
        summary: &'a mut Summary,
        progress: Progress,
    ) -> Self {
        Self {
            client,
            parent,
            summary,
            progress,
            unacknowledged: VecDeque::new(),
            known_experts: None,
            reading: true,
            rows_sent: 0,
            failures: 0,
        }
    }

    /// Registers experts that accepted rows name and nobody knows, once the rows are acknowledged: a
    /// rejected row leaves nobody behind.
    ///
    /// # Errors
    /// When the experts that are there cannot be listed.
    pub async fn register_experts(&mut self) -> Result<(), CliError> {
        let known = experts::list(self.client, self.parent, &PageArgs { limit: 0 }).await?;
        self.known_experts = Some(known.into_iter().map(|expert| expert.expert_id).collect());
        Ok(())
    }

    /// Sends everything, or until Ctrl-C; then everything sent is acknowledged.
    ///
    /// # Errors
    /// When the server refuses, or stays away.
    pub async fn run(&mut self, mut events: mpsc::Receiver<Event>) -> Result<(), CliError> {
        // Nothing is sent for a file without rows.
        if let Some(event) = events.recv().await {
            self.take(event).await?;
        }
        while self.reading || !self.unacknowledged.is_empty() {
            match self.stream(&mut events).await {
                Ok(()) => {}
                Err(Stop::Error(error)) => return Err(*error),
                Err(Stop::Status(status)) => self.pause(*status).await?,
            }
        }
        self.progress.finish();
        Ok(())
    }

    /// One stream, from connecting to the last acknowledgement.
    async fn stream(&mut self, events: &mut mpsc::Receiver<Event>) -> Result<(), Stop> {
        let (requests, receiver) = mpsc::channel(IN_FLIGHT + 1);
        let mut requests = Some(requests);
        for batch in &self.unacknowledged {
            // Room for all of them was made above.
            let _ = requests
                .as_ref()
                .map(|requests| requests.try_send(batch.request.clone()));
        }
        let stream = ReceiverStream::new(receiver);
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        let mut service = self.client.ingest();
        let mut answers = tokio::select! {
            answers = service.ingest_items(stream) => answers?.into_inner(),
            _ = &mut interrupt => {
                self.give_up();
                return Ok(());
            }
        };
        loop {
            if !self.reading && self.unacknowledged.is_empty() {
                return Ok(());
            }
            if !self.reading {
                requests = None;
            }
            let room = self.reading && self.unacknowledged.len() < IN_FLIGHT;
            tokio::select! {
                answer = answers.message() => match answer? {
                    Some(answer) => self.acknowledge(answer).await?,
                    None => return Err(Status::unavailable("the server ended the stream").into()),
                },
                event = events.recv(), if room => match event {
                    Some(event) => {
                        if let Some(request) = self.take(event).await? && let Some(to) = &requests {
                            // A closed stream says why in its answers.
                            let _ = to.send(request).await;
                        }
                    }
                    None => self.reading = false,
                },
                _ = &mut interrupt, if self.reading => {
                    self.progress.say("stopping: waiting for what was sent to be acknowledged");
                    self.summary.interrupted = true;
                    self.summary.rows = self.rows_sent;
                    self.reading = false;
                    events.close();
                }
            }
        }
    }

    /// Takes a batch to be sent, or the end of the file.
    async fn take(&mut self, event: Event) -> Result<Option<v1::IngestItemsRequest>, CliError> {
        let batch = match event {
            Event::Batch(batch) => *batch,
            end @ Event::End(_) => {
                end.tell(self.summary);
                self.reading = false;
                return Ok(None);
            }
        };
        self.rows_sent += batch.request.rows.len() as u64;
        let request = batch.request.clone();
        self.unacknowledged.push_back(batch);
        Ok(Some(request))
    }

    async fn acknowledge(&mut self, answer: v1::IngestItemsResponse) -> Result<(), Stop> {
        let Some(batch) = self.unacknowledged.pop_front() else {
            return Err(Status::internal("an acknowledgement came for no batch").into());
        };
        if answer.request_id != batch.request.request_id {
            let message = format!(
                "batch {} was acknowledged where {} was next",
                answer.request_id, batch.request.request_id
            );
            return Err(Status::internal(message).into());
        }
        self.failures = 0;
        self.register(&batch.request, &answer).await?;
        self.summary.acknowledge(answer, batch.last_line);
        let Summary {
            accepted,
            unchanged,
            rejected,
            ..
        } = &*self.summary;
        let what = format!("{} stored, {rejected} rejected", accepted + unchanged);
        self.progress.read(batch.read, &what);
        Ok(())
    }

    /// Makes known who is named by rows that were taken.
    async fn register(
        &mut self,
        batch: &v1::IngestItemsRequest,
        answer: &v1::IngestItemsResponse,
    ) -> Result<(), CliError> {
        let Some(known) = &mut self.known_experts else {
            return Ok(());
        };
        let rejected: HashSet<u64> = answer.rejected.iter().map(|row| row.line).collect();
        let mut new = Vec::new();
        for id in experts_of(batch, &rejected) {
            if known.insert(id.to_owned()) {
                let (expert_id, display_name) = (id.to_owned(), id.to_owned());
                new.push(v1::Expert {
                    expert_id,
                    display_name: Some(display_name),
                    ..v1::Expert::default()
                });
            }
        }
        if !new.is_empty() {
            self.summary.experts_registered +=
                experts::upsert(self.client, self.parent, new).await?;
        }
        Ok(())
    }

    /// Waits before the unacknowledged batches are sent again; an error when that cannot help.
    async fn pause(&mut self, status: Status) -> Result<(), CliError> {
        self.failures += 1;
        if !passes(&status) || self.failures >= ATTEMPTS {
            self.progress.finish();
            return Err(self.client.explain(status));
        }
        let asked = status
            .get_details_retry_info()
            .and_then(|retry| retry.retry_delay);
        let wait = asked.unwrap_or_else(|| Duration::from_millis(250 << self.failures.min(5)));
        self.progress
            .say("the server is away or busy; sending what it did not acknowledge again");
        tokio::select! {
            () = tokio::time::sleep(wait.min(Duration::from_secs(30))) => Ok(()),
            _ = tokio::signal::ctrl_c() => {
                self.give_up();
                Ok(())
            }
        }
    }

    /// Ctrl-C while no server answers: what was sent last stays unacknowledged.
    fn give_up(&mut self) {
        self.progress
            .say("stopped; what was sent last was not acknowledged");
        self.summary.interrupted = true;
        self.summary.rows = self.rows_sent;
        self.reading = false;
        self.unacknowledged.clear();
    }
}

/// Why a stream ended early.
enum Stop {
    Status(Box<Status>),
    Error(Box<CliError>),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl From<CliError> for Stop {
    fn from(error: CliError) -> Self {
        Self::Error(Box::new(error))
    }
}

#[cfg(test)]
mod tests;
