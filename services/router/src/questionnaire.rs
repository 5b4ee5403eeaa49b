//! Whole questionnaires: questions in, answers out, in order.
//!
//! Questions that wait are taken together, embedded together and then ranked a few at a time. The
//! next ones are read when those are answered and their answers have room to wait in, so a slow
//! reader slows the sender down. When the caller goes, what is under way is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::v1;
use api::v1::batch_recommend_experts_response::Result as Outcome;
use domain::cost::Meter;
use domain::{ErrorKind, ResourceName, TenantContext};
use embedding::Embedded;
use futures::{Stream, StreamExt as _};
use metering::usage;
use server::{Caller, ServiceError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::Router;
use crate::commands::Recommend;
use crate::places::StreamPlace;
use crate::recommend::{PATIENCE, Vector};
use crate::view::{SharedView, TenantView};
use crate::wire::tier_of;

/// Questions of one stream.
const MAX_QUESTIONS: usize = 2_000;
/// Questions that are embedded together.
const TOGETHER: usize = 32;
/// Questions of one stream that are searched for and ranked side by side.
const ABREAST: usize = 4;
/// Answers that may wait for a slow reader.
const WAITING: usize = 16;
const MAX_CORRELATION_BYTES: usize = 256;
/// A stream without questions holds memory for this long at the most.
const IDLE: Duration = Duration::from_secs(60);

type Question = v1::BatchRecommendExpertsRequest;
type Answer = Result<v1::BatchRecommendExpertsResponse, Status>;

/// What is the same for all questions of a stream.
struct Call {
    parent: String,
    ctx: TenantContext,
    view: SharedView,
    /// When it began, and how long the caller waits for all of it.
    started: Instant,
    deadline: Option<Duration>,
    _place: StreamPlace,
}

/// A question that can be answered.
struct Prepared {
    command: Recommend,
    vector: Vector,
    started: Instant,
}

impl Router {
    /// Answers questions until the caller ends the stream or goes away, its deadline passes, or the
    /// server stops.
    pub(crate) fn serve_questionnaire(
        self,
        caller: Caller,
        deadline: Option<Duration>,
        questions: Streaming<Question>,
    ) -> ReceiverStream<Answer> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(usage::in_current_scope(async move {
            let answering = async {
                let all = self.answer_all(&caller, deadline, questions, &sender);
                let ended = match deadline {
                    Some(left) => tokio::time::timeout(left, all)
                        .await
                        .unwrap_or_else(|_| Err(too_late())),
                    None => all.await,
                };
                if let Err(status) = ended {
                    // The caller may be gone: then nobody wants to know.
                    let _ = sender.send(Err(status)).await;
                }
            };
            tokio::select! {
                () = sender.closed() => {}
                () = answering => {}
            }
        }));
        ReceiverStream::new(receiver)
    }

    async fn answer_all(
        &self,
        caller: &Caller,
        deadline: Option<Duration>,
        questions: impl Stream<Item = Result<Question, Status>> + Unpin,
        sender: &mpsc::Sender<Answer>,
    ) -> Result<(), Status> {
        let started = Instant::now();
        let mut waiting = questions.ready_chunks(TOGETHER);
        let mut call = None::<Call>;
        let mut asked = 0;
        loop {
            let chunk = tokio::select! {
                () = self.parts.stop.cancelled() => return Err(stopping().into()),
                chunk = tokio::time::timeout(IDLE, waiting.next()) => chunk.map_err(|_| idle())?,
            };
            let Some(chunk) = chunk else { return Ok(()) };
            let chunk: Vec<Question> = chunk.into_iter().collect::<Result<_, _>>()?;
            let first = asked;
            asked += chunk.len();
            if asked > MAX_QUESTIONS {
                return Err(too_many().into());
            }
            let call = match &mut call {
                Some(call) => call,
                none => none.insert(
                    self.open(caller, &chunk[0].parent, started, deadline)
                        .await?,
                ),
            };
            // The tenant may have been made inactive since: ask again for each chunk.
            self.parts
                .gate
                .enter_tenant(caller, call.ctx.tenant())
                .await?;
            // One view serves the whole call, unless the tenant leaves its embedding space (what is left is
            // dropped after a while) or throws its kill switch.
            if let Some(newer) = self.parts.residents.moved_on(&call.ctx, &call.view).await {
                call.view = newer;
            }
            if !self.answer_chunk(call, first, chunk, sender).await? {
                return Ok(());
            }
        }
    }

    async fn open(
        &self,
        caller: &Caller,
        parent: &str,
        started: Instant,
        deadline: Option<Duration>,
    ) -> Result<Call, ServiceError> {
        let tenant =
            ResourceName::tenant(parent).map_err(|error| ServiceError::name("parent", &error))?;
        let ctx = self.parts.gate.enter_tenant(caller, &tenant).await?;
        Ok(Call {
            _place: self.places.stream(&tenant)?,
            view: self.parts.residents.view(&ctx).await?,
            parent: parent.to_owned(),
            ctx,
            started,
            deadline,
        })
    }

    /// Answers the questions from place `first` on. False when nobody reads the answers any more.
    async fn answer_chunk(
        &self,
        call: &Call,
        first: usize,
        chunk: Vec<Question>,
        sender: &mpsc::Sender<Answer>,
    ) -> Result<bool, ServiceError> {
        let other = |one: &Question| !one.parent.is_empty() && one.parent != call.parent;
        if chunk.iter().any(other) {
            let message = "must be the same for a whole stream";
            return Err(ServiceError::invalid("parent", message));
        }
        let (ids, parsed): (Vec<String>, Vec<Result<Recommend, ServiceError>>) = chunk
            .into_iter()
            .map(|one| {
                let left = call.remaining();
                let command = command(&one).map(|command| Recommend {
                    deadline: left,
                    ..command
                });
                (short(one.correlation_id), command)
            })
            .unzip();
        let prepared = self.prepare(call, parsed).await?;
        let mut answers = futures::stream::iter(prepared)
            .map(|question| self.answer_one(call, question))
            .buffered(ABREAST)
            .zip(futures::stream::iter((first..).zip(ids)));
        while let Some((outcome, (index, correlation_id))) = answers.next().await {
            if let Outcome::Answer(answer) = &outcome {
                // Again: other questions were answered meanwhile.
                if let Some(route) = &answer.route {
                    usage::served_by(&route.model, tier_of(route));
                }
                usage::add(Meter::Requests, 1);
            }
            // Before it leaves: what was answered is counted, whatever comes after.
            usage::flush();
            let answer = v1::BatchRecommendExpertsResponse {
                correlation_id,
                index: u32::try_from(index).map_err(ServiceError::internal)?,
                result: Some(outcome),
            };
            if sender.send(Ok(answer)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Embeds the questions that can be read, together.
    async fn prepare(
        &self,
        call: &Call,
        parsed: Vec<Result<Recommend, ServiceError>>,
    ) -> Result<Vec<Result<Prepared, ServiceError>>, ServiceError> {
        let started = Instant::now();
        let texts: Vec<&str> = parsed
            .iter()
            .filter_map(|command| Some(command.as_ref().ok()?.text.as_str()))
            .collect();
        let _places = self.places.questions(texts.len()).await?;
        let embedded = self.embed_together(&call.ctx, &call.view, &texts);
        let vectors = match call.remaining() {
            Some(left) => tokio::time::timeout(left.mul_f64(PATIENCE), embedded)
                .await
                .unwrap_or_else(|_| texts.iter().map(|_| Ok(Vector::Late)).collect()),
            None => embedded.await,
        };
        let mut vectors = vectors.into_iter();
        let mut with_vector = |command: Recommend| {
            let vector = vectors.next().unwrap_or(Ok(Vector::Late))?;
            Ok(Prepared {
                command,
                vector,
                started,
            })
        };
        Ok(parsed
            .into_iter()
            .map(|command| command.and_then(&mut with_vector))
            .collect())
    }

    /// The vectors of texts: remembered, or computed in few runs of the model.
    async fn embed_together(
        &self,
        ctx: &TenantContext,
        view: &TenantView,
        texts: &[&str],
    ) -> Vec<Result<Vector, ServiceError>> {
        let embedder = &view.asked.embedder;
        let remembered: Vec<_> = texts
            .iter()
            .map(|text| {
                let hash = embedder.content_hash(text);
                (hash, self.questions.get(ctx.tenant(), hash))
            })
            .collect();
        let unknown = texts.iter().zip(&remembered);
        let unknown = unknown.filter(|(_, (_, vector))| vector.is_none());
        let unknown: Vec<String> = unknown.map(|(text, _)| (*text).to_owned()).collect();
        let mut computed = embedder.embed_queries(unknown).await.into_iter();
        let vector = |(hash, remembered): ([u8; 32], Option<Arc<[f32]>>)| {
            if let Some(vector) = remembered {
                return Ok(Vector::Known(Embedded {
                    vector: vector.to_vec(),
                    tokens: 0,
                    queued: Duration::ZERO,
                    computed: Duration::ZERO,
                    cpu: Duration::ZERO,
                }));
            }
            let missing = || ServiceError::internal("a question has no vector");
            let embedded = computed.next().ok_or_else(missing)??;
            usage::embedded(embedded.tokens, embedded.cpu);
            self.questions
                .put(ctx.tenant(), hash, embedded.vector.as_slice().into());
            Ok(Vector::Known(embedded))
        };
        remembered.into_iter().map(vector).collect()
    }

    async fn answer_one(&self, call: &Call, question: Result<Prepared, ServiceError>) -> Outcome {
        let answered = async {
            let Prepared {
                command,
                vector,
                started,
            } = question?;
            let computed = self
                .compute(&call.ctx, &call.view, &command, vector, started)
                .await?;
            Ok(self.give(&call.ctx, command.text, None, computed))
        };
        match answered.await {
            Ok(answer) => Outcome::Answer(answer),
            Err(error) => Outcome::Error(explained(error)),
        }
    }
}

impl Call {
    /// Time until the caller's deadline.
    fn remaining(&self) -> Option<Duration> {
        let left = |deadline: Duration| deadline.saturating_sub(self.started.elapsed());
        self.deadline.map(left)
    }
}

fn command(one: &Question) -> Result<Recommend, ServiceError> {
    if one.correlation_id.len() > MAX_CORRELATION_BYTES {
        let message = format!("is longer than {MAX_CORRELATION_BYTES} bytes; send an id");
        return Err(ServiceError::invalid("correlation_id", message));
    }
    Recommend::parse(&one.text, &one.area, one.top_k, "", &one.routing_key)
}

/// The id as it comes back: one that is refused as too long is cut.
fn short(mut id: String) -> String {
    id.truncate(id.floor_char_boundary(MAX_CORRELATION_BYTES));
    id
}

fn explained(error: ServiceError) -> v1::QuestionError {
    v1::QuestionError {
        reason: error.reason().to_owned(),
        // The status logs what must not be told.
        message: Status::from(error).message().to_owned(),
    }
}

fn too_many() -> ServiceError {
    let message =
        format!("a questionnaire has at most {MAX_QUESTIONS} questions; send the rest in another");
    ServiceError::new(ErrorKind::InvalidArgument, "TOO_MANY_QUESTIONS", message)
}

fn too_late() -> Status {
    let message = "the deadline passed before all questions were answered; the answers before this \
                   count, send the rest again with more time";
    ServiceError::new(ErrorKind::DeadlineExceeded, "DEADLINE", message).into()
}

fn idle() -> ServiceError {
    let message = format!(
        "no question came for {} s; end the stream after the last one, or open it later",
        IDLE.as_secs()
    );
    ServiceError::new(ErrorKind::DeadlineExceeded, "IDLE", message)
}

fn stopping() -> ServiceError {
    let message = "the server is stopping; send the questions without an answer again";
    ServiceError::new(ErrorKind::Unavailable, "STOPPING", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, text: &str) -> Question {
        Question {
            correlation_id: id.to_owned(),
            text: text.to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn a_bad_question_is_explained_by_field_and_code() {
        let long = "ä".repeat(MAX_CORRELATION_BYTES);
        for one in [question("a", " "), question(&long, "Why?")] {
            let error = explained(command(&one).unwrap_err());
            assert_eq!(error.reason, "INVALID_FIELD");
            assert!(error.message.contains(": "), "{}", error.message);
        }
        assert!(command(&question("a", "Why?")).is_ok());
        assert_eq!(short(long).len(), MAX_CORRELATION_BYTES);
        assert_eq!(short("é".repeat(128) + "é").len(), MAX_CORRELATION_BYTES);
    }
}
