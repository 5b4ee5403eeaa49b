//! A tenant's backend service: brings content, asks questions, says what people did with answers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use api::v1;
use api::v1::batch_recommend_experts_response::Result as Outcome;
use api::v1::send_feedback_request::Verdict;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Client, refused};
use crate::content::{Person, Row};

/// The empty override: whatever the server routes to.
pub const ROUTED: &str = "";

/// Experts of one call, as the contract bounds them.
const EXPERTS_A_CALL: usize = 1000;
/// Small enough that progress is seen, large enough that a commit is worth it.
const ROWS_A_BATCH: usize = 100;
/// Batches on their way while earlier ones are being committed.
const BATCHES_AHEAD: usize = 4;

/// Holds a BACKEND key, or an administrator's where models are compared.
#[derive(Debug, Clone)]
pub struct Backend {
    parent: String,
    client: Client,
}

/// What came of a stream of items.
#[derive(Debug, Clone, Default)]
pub struct Ingested {
    /// New items and new revisions.
    pub accepted: u64,
    /// Rows in quarantine, with the reason.
    pub rejected: Vec<v1::RejectedRow>,
    /// What the index has to reach.
    pub watermark: u64,
    /// From the first batch to the last acknowledgement.
    pub took: Duration,
}

/// One answer as the client saw it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The whole call.
    pub took: Duration,
    /// What the server said.
    pub response: v1::RecommendExpertsResponse,
}

impl Answer {
    /// The recommended experts, best first.
    pub fn ranked(&self) -> impl Iterator<Item = &str> {
        self.response
            .recommendations
            .iter()
            .map(|found| found.expert_id.as_str())
    }

    /// What the server says it took; zero when it says nothing.
    #[must_use]
    pub fn inside(&self) -> Duration {
        let told = self
            .response
            .timings
            .as_ref()
            .and_then(|timings| timings.total.as_ref());
        told.map(|told| duration(told.seconds, told.nanos))
            .unwrap_or_default()
    }

    /// What the server says the embedding model took; zero when the text was known already.
    #[must_use]
    pub fn embedding(&self) -> Duration {
        let told = self
            .response
            .timings
            .as_ref()
            .and_then(|timings| timings.embedding.as_ref());
        told.map(|told| duration(told.seconds, told.nanos))
            .unwrap_or_default()
    }
}

impl Backend {
    /// Connects with a key of `parent`.
    ///
    /// # Errors
    /// When the server is out of reach.
    pub async fn connect(endpoint: &str, key: &str, parent: String) -> Result<Self> {
        Ok(Self {
            parent,
            client: Client::connect(endpoint, Some(key)).await?,
        })
    }

    /// The same connection for another tenant, where the key may speak for it.
    #[must_use]
    pub fn of(&self, parent: String) -> Self {
        Self {
            parent,
            ..self.clone()
        }
    }

    /// Asks a whole questionnaire; from the first question to the last answer.
    ///
    /// # Errors
    /// The server's, also of a single question; a stream that ends early.
    pub async fn questionnaire(&self, texts: &[String], top_k: i32) -> Result<Duration> {
        let question = |text: &String| v1::BatchRecommendExpertsRequest {
            parent: self.parent.clone(),
            text: text.clone(),
            top_k,
            ..Default::default()
        };
        let questions: Vec<_> = texts.iter().map(question).collect();
        let begin = Instant::now();
        let stream = tokio_stream::iter(questions);
        let answers = self.client.router().batch_recommend_experts(stream).await;
        let mut answers = answers
            .map_err(refused("BatchRecommendExperts"))?
            .into_inner();
        let mut answered = 0;
        while let Some(answer) = answers
            .message()
            .await
            .map_err(refused("BatchRecommendExperts"))?
        {
            if let Some(Outcome::Error(error)) = answer.result {
                bail!("question {answered}: {}: {}", error.reason, error.message);
            }
            answered += 1;
        }
        ensure!(
            answered == texts.len(),
            "BatchRecommendExperts ended after {answered} of {} answers",
            texts.len()
        );
        Ok(begin.elapsed())
    }

    /// Brings all experts.
    ///
    /// # Errors
    /// The server's.
    pub async fn upsert_experts(&self, people: &[Person]) -> Result<()> {
        for part in people.chunks(EXPERTS_A_CALL) {
            let request = v1::BatchUpsertExpertsRequest {
                parent: self.parent.clone(),
                experts: part.iter().map(Person::to_wire).collect(),
                update_mask: None,
            };
            let answer = self.client.ingest().batch_upsert_experts(request).await;
            answer.map_err(refused("BatchUpsertExperts"))?;
        }
        Ok(())
    }

    /// Streams items in, telling after each acknowledgement how many rows are durable.
    ///
    /// # Errors
    /// The server's; a stream that ends before the last acknowledgement.
    pub async fn ingest(
        &self,
        label: &str,
        rows: &[Row],
        mut progress: impl FnMut(usize),
    ) -> Result<Ingested> {
        let begin = Instant::now();
        let mut batches = self.batches(label, rows).into_iter();
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let sizes: Vec<usize> = rows.chunks(ROWS_A_BATCH).map(<[Row]>::len).collect();
        let sending = tokio::spawn(async move {
            for batch in batches.by_ref() {
                // A closed channel means the server ended the stream; it says why itself.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
        });
        let request = self
            .client
            .ingest()
            .ingest_items(ReceiverStream::new(receiver))
            .await;
        let mut acknowledgements = request.map_err(refused("IngestItems"))?.into_inner();
        let mut ingested = Ingested::default();
        let (mut acknowledged, mut durable) = (0, 0);
        while let Some(answer) = acknowledgements
            .message()
            .await
            .map_err(refused("IngestItems"))?
        {
            durable += sizes.get(acknowledged).copied().unwrap_or_default();
            acknowledged += 1;
            ingested.accepted += answer.accepted;
            ingested.rejected.extend(answer.rejected);
            ingested.watermark = ingested.watermark.max(answer.watermark);
            progress(durable);
        }
        sending.await?;
        ensure!(
            acknowledged == sizes.len(),
            "IngestItems ended after {acknowledged} of {} batches",
            sizes.len()
        );
        ingested.took = begin.elapsed();
        Ok(ingested)
    }

    /// Waits until the index has reached a watermark, telling how many items are in it.
    ///
    /// # Errors
    /// The server's; an index that stands still.
    pub async fn wait_indexed(
        &self,
        watermark: u64,
        progress: impl FnMut(u64),
    ) -> Result<Duration> {
        let begin = Instant::now();
        self.client
            .index_reached(&self.parent, Some(watermark), progress)
            .await?;
        Ok(begin.elapsed())
    }

    /// Asks who should answer a text; `model` is [`ROUTED`] or one to compare with.
    ///
    /// # Errors
    /// The server's.
    pub async fn recommend(&self, text: &str, top_k: i32, model: &str) -> Result<Answer> {
        let request = v1::RecommendExpertsRequest {
            parent: self.parent.clone(),
            text: text.to_owned(),
            area: String::new(),
            top_k,
            model_override: model.to_owned(),
            ..Default::default()
        };
        let begin = Instant::now();
        let answer = self.client.router().recommend_experts(request).await;
        let took = begin.elapsed();
        Ok(Answer {
            took,
            response: answer.map_err(refused("RecommendExperts"))?.into_inner(),
        })
    }

    /// Finds the items nearest to a text.
    ///
    /// # Errors
    /// The server's.
    pub async fn similar(&self, text: &str, top_k: i32) -> Result<Vec<v1::SimilarItem>> {
        let request = v1::FindSimilarItemsRequest {
            parent: self.parent.clone(),
            text: text.to_owned(),
            top_k,
        };
        let answer = self.client.router().find_similar_items(request).await;
        Ok(answer
            .map_err(refused("FindSimilarItems"))?
            .into_inner()
            .items)
    }

    /// Says that the recommended expert took the question.
    ///
    /// # Errors
    /// The server's.
    pub async fn accepted(&self, request_id: &str, expert: &str) -> Result<()> {
        self.feedback(v1::SendFeedbackRequest {
            request_id: request_id.to_owned(),
            verdict: Verdict::Accepted.into(),
            expert_id: expert.to_owned(),
            ..Default::default()
        })
        .await
    }

    /// Says that somebody else took the question.
    ///
    /// # Errors
    /// The server's.
    pub async fn reassigned(&self, request_id: &str, to: &str) -> Result<()> {
        self.feedback(v1::SendFeedbackRequest {
            request_id: request_id.to_owned(),
            verdict: Verdict::Reassigned.into(),
            reassigned_to: to.to_owned(),
            ..Default::default()
        })
        .await
    }

    /// Reads an item by its resource name.
    ///
    /// # Errors
    /// The server's.
    pub async fn item(&self, name: &str) -> Result<v1::Item> {
        let request = v1::GetItemRequest {
            name: name.to_owned(),
        };
        let answer = self
            .client
            .ingest()
            .get_item(request)
            .await
            .map_err(refused("GetItem"))?;
        answer.into_inner().item.context("GetItem returned no item")
    }

    async fn feedback(&self, feedback: v1::SendFeedbackRequest) -> Result<()> {
        let request = v1::SendFeedbackRequest {
            parent: self.parent.clone(),
            ..feedback
        };
        let answer = self.client.router().send_feedback(request).await;
        answer.map_err(refused("SendFeedback")).map(|_| ())
    }

    fn batches(&self, label: &str, rows: &[Row]) -> Vec<v1::IngestItemsRequest> {
        let batch = |(number, part): (usize, &[Row])| {
            let row = |(place, row): (usize, &Row)| v1::IngestRow {
                line: (number * ROWS_A_BATCH + place + 1) as u64,
                row: Some(v1::ingest_row::Row::Item(row.to_wire())),
            };
            v1::IngestItemsRequest {
                parent: self.parent.clone(),
                request_id: format!("{label}-{number}"),
                rows: part.iter().enumerate().map(row).collect(),
            }
        };
        rows.chunks(ROWS_A_BATCH).enumerate().map(batch).collect()
    }
}

/// A duration of the wire; what would be negative is zero.
fn duration(seconds: i64, nanos: i32) -> Duration {
    Duration::new(
        seconds.try_into().unwrap_or_default(),
        nanos.try_into().unwrap_or_default(),
    )
}
