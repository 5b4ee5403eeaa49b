//! One batch: good rows and bad rows are committed together, with the job that will index them.

use std::collections::HashSet;

use api::v1::{self, ingest_row::Row};
use domain::cost::Meter;
use domain::{
    ErrorKind, ItemContent, RejectionReason, RequestId, RowIssue, TenantContext, clean_text,
};
use jobs::{IndexItems, JobSpec};
use metering::usage;
use prost::Message as _;
use server::{PAGE_BYTES, ServiceError};
use storage::NewRejection;

use crate::Ingest;

const MAX_ROWS: usize = 1_000;
const EXCERPT_MAX_CHARS: usize = 2_000;
const METHOD: &str = "IngestItems";

impl Ingest {
    /// Commits a batch and answers with its acknowledgement. A repeat of its request id is answered
    /// with the first acknowledgement.
    pub(crate) async fn ingest_batch(
        &self,
        ctx: &TenantContext,
        batch: v1::IngestItemsRequest,
    ) -> Result<v1::IngestItemsResponse, ServiceError> {
        let request_id = RequestId::parse(batch.request_id.clone())
            .map_err(|error| ServiceError::id("request_id", &error))?;
        if batch.rows.len() > MAX_ROWS {
            let message = format!(
                "has {} rows; send at most {MAX_ROWS} in one batch",
                batch.rows.len()
            );
            return Err(ServiceError::invalid("rows", message));
        }
        let fingerprint = fingerprint(&batch.rows);
        let tx = self.begin(ctx).await?;
        if let Some(first) = tx
            .requests()
            .find(METHOD, &request_id, &fingerprint)
            .await?
        {
            let first = v1::IngestItemsResponse::decode(&first[..]);
            let first = first.map_err(ServiceError::internal)?;
            count(ctx, &first);
            return Ok(first);
        }
        let now = self.clock.now();
        let (items, rejected) = sort_rows(batch.rows, now);
        self.crowds.admit(&tx, &items).await?;
        let rejections = rejected
            .iter()
            .map(|row| row.to_store(request_id.as_str()))
            .collect();
        tx.rejections().add(rejections, now).await?;
        let outcome = tx.items().upsert(items, now).await?;
        if outcome.accepted > 0 {
            tx.jobs().enqueue(IndexItems {}.new_job(), now).await?;
        }
        let response = v1::IngestItemsResponse {
            request_id: request_id.to_string(),
            watermark: outcome.watermark,
            accepted: outcome.accepted,
            unchanged: outcome.unchanged,
            rejected: acknowledged(rejected),
        };
        tx.requests()
            .save(
                METHOD,
                &request_id,
                &fingerprint,
                response.encode_to_vec(),
                now,
            )
            .await?;
        // What comes after this line may be lost; the acknowledgement says it was kept.
        tx.commit().await?;
        count(ctx, &response);
        Ok(response)
    }

    /// Deletes items and has the index follow.
    pub(crate) async fn delete_items(
        &self,
        ctx: &TenantContext,
        ids: &[domain::ItemId],
    ) -> Result<v1::BatchDeleteItemsResponse, ServiceError> {
        let now = self.clock.now();
        let tx = self.begin(ctx).await?;
        let outcome = tx.items().delete(ids, now).await?;
        if outcome.deleted > 0 {
            tx.jobs().enqueue(IndexItems {}.new_job(), now).await?;
        }
        tx.commit().await?;
        Ok(v1::BatchDeleteItemsResponse {
            deleted: outcome.deleted,
            watermark: outcome.watermark,
        })
    }
}

/// Writes down what was accepted, before it is acknowledged. A repeat has the same id, and counts
/// when the process ended between the commit and this.
fn count(ctx: &TenantContext, batch: &v1::IngestItemsResponse) {
    let id = format!("ingest:{}:{}", ctx.tenant(), batch.request_id);
    if let Some(work) = usage::current().filter(|_| batch.accepted > 0) {
        let accepted = (Meter::ItemsIngested, batch.accepted);
        work.record_part(id, ctx.tenant(), vec![accepted]);
    }
    // A stream may last for hours: what it took so far is not to wait for its end.
    usage::flush();
}

/// A row that goes to the quarantine.
struct BadRow {
    line: u64,
    item_id: String,
    issue: RowIssue,
    excerpt: String,
}

impl BadRow {
    fn to_store(&self, batch: &str) -> NewRejection {
        NewRejection {
            batch: batch.to_owned(),
            line: self.line,
            item_id: self.item_id.clone(),
            issue: self.issue.clone(),
            excerpt: self.excerpt.clone(),
        }
    }

    fn into_wire(self) -> v1::RejectedRow {
        v1::RejectedRow::of(self.line, self.item_id, self.issue)
    }
}

/// The rejected rows as they are acknowledged. Where their own texts would make the answer larger than a
/// client takes, those are cut; the quarantine has more of them.
fn acknowledged(rejected: Vec<BadRow>) -> Vec<v1::RejectedRow> {
    const CUT: usize = 128;
    let mut rows: Vec<v1::RejectedRow> = rejected.into_iter().map(BadRow::into_wire).collect();
    if rows.iter().map(v1::RejectedRow::encoded_len).sum::<usize>() > PAGE_BYTES {
        for row in &mut rows {
            for text in [&mut row.item_id, &mut row.field, &mut row.message] {
                *text = clip(text, CUT);
            }
        }
    }
    rows
}

/// The rows that can become items, and those that cannot, each with the reason.
fn sort_rows(
    rows: Vec<v1::IngestRow>,
    now: chrono::DateTime<chrono::Utc>,
) -> (Vec<ItemContent>, Vec<BadRow>) {
    let (mut items, mut rejected) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut seen = HashSet::new();
    for (index, row) in rows.into_iter().enumerate() {
        let line = if row.line == 0 {
            index as u64 + 1
        } else {
            row.line
        };
        let (item_id, excerpt, result) = match row.row {
            Some(Row::Item(item)) => {
                let (id, excerpt) = (item.item_id.clone(), excerpt(&item.text));
                let result = ItemContent::try_from(item).and_then(|item| item.validate(now));
                (id, excerpt, result)
            }
            Some(Row::Unreadable(bad)) => (
                bad.item_id.clone(),
                excerpt(&bad.excerpt),
                Err(issue_of(&bad)),
            ),
            None => {
                let message = "the row is empty; send an item or an unreadable row";
                (
                    String::new(),
                    String::new(),
                    Err(RowIssue::new(RejectionReason::Unreadable, "", message)),
                )
            }
        };
        let result = result.and_then(|item| match seen.insert(item.id.clone()) {
            true => Ok(item),
            false => Err(RowIssue::new(
                RejectionReason::DuplicateId,
                "item_id",
                format!(
                    "{:?} came earlier in the same batch; send each id once",
                    item.id.as_str()
                ),
            )),
        });
        match result {
            Ok(item) => items.push(item),
            Err(issue) => rejected.push(BadRow {
                line,
                item_id: clip(&item_id, 256),
                issue,
                excerpt,
            }),
        }
    }
    (items, rejected)
}

fn issue_of(bad: &v1::UnreadableRow) -> RowIssue {
    RowIssue {
        reason: RejectionReason::parse(&bad.reason).unwrap_or(RejectionReason::Unreadable),
        field: clip(&bad.field, 256),
        message: clip(&bad.message, EXCERPT_MAX_CHARS),
    }
}

fn excerpt(text: &str) -> String {
    clip(&clean_text(text), EXCERPT_MAX_CHARS)
}

fn clip(text: &str, most: usize) -> String {
    text.chars()
        .take(most)
        .collect::<String>()
        .replace('\0', "\u{FFFD}")
}

/// What tells two batches with the same request id apart.
fn fingerprint(rows: &[v1::IngestRow]) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    for row in rows {
        // A map's order on the wire is free: hash attributes apart, sorted.
        let mut row = row.clone();
        let attributes = match &mut row.row {
            Some(Row::Item(item)) => std::mem::take(&mut item.attributes),
            _ => Default::default(),
        };
        let sorted: std::collections::BTreeMap<_, _> = attributes.into_iter().collect();
        hasher.update(&row.encode_length_delimited_to_vec());
        for (key, value) in sorted {
            hasher
                .update(key.as_bytes())
                .update(&[0])
                .update(value.as_bytes())
                .update(&[1]);
        }
    }
    hasher.finalize().as_bytes().to_vec()
}

/// Ids of items as a request names them.
pub(crate) fn item_ids(ids: Vec<String>) -> Result<Vec<domain::ItemId>, ServiceError> {
    if ids.len() > MAX_ROWS {
        let message = format!("has {} ids; send at most {MAX_ROWS} at a time", ids.len());
        return Err(ServiceError::invalid("item_ids", message));
    }
    let parsed = ids.into_iter().enumerate().map(|(at, id)| {
        let field = format!("item_ids[{at}]");
        domain::ItemId::parse(id).map_err(|error| ServiceError::id(&field, &error))
    });
    parsed.collect()
}

/// The stream ends: its client should come again.
pub(crate) fn stopping() -> ServiceError {
    let message = "the server is stopping; what was acknowledged is kept, send the rest again";
    ServiceError::new(ErrorKind::Unavailable, "STOPPING", message)
        .retry_after(std::time::Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, text: &str) -> v1::IngestRow {
        let item = v1::Item {
            item_id: id.into(),
            text: text.into(),
            occur_time: Some(Default::default()),
            ..Default::default()
        };
        v1::IngestRow {
            line: 0,
            row: Some(Row::Item(item)),
        }
    }

    #[test]
    fn each_bad_row_has_its_line_and_reason() {
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let rows = vec![
            row("a", "one"),
            row("", "two"),
            row("b", " "),
            row("a", "again"),
            v1::IngestRow::default(),
        ];
        let (items, rejected) = sort_rows(rows, now);
        assert_eq!(items.len(), 1);
        let found: Vec<_> = rejected
            .iter()
            .map(|bad| (bad.line, bad.issue.reason))
            .collect();
        assert_eq!(
            found,
            [
                (2, RejectionReason::MissingField),
                (3, RejectionReason::EmptyText),
                (4, RejectionReason::DuplicateId),
                (5, RejectionReason::Unreadable),
            ]
        );
    }

    #[test]
    fn an_acknowledgement_is_never_larger_than_a_client_takes() {
        let row = || {
            let bad = v1::UnreadableRow {
                // One byte on its way in, three when it is kept.
                message: "\0".repeat(4_000),
                field: "\0".repeat(40),
                item_id: "\0".repeat(200),
                ..Default::default()
            };
            v1::IngestRow {
                line: 0,
                row: Some(Row::Unreadable(bad)),
            }
        };
        let now = chrono::DateTime::UNIX_EPOCH;
        let (_, rejected) = sort_rows((0..MAX_ROWS).map(|_| row()).collect(), now);
        let answer = v1::IngestItemsResponse {
            rejected: acknowledged(rejected),
            ..Default::default()
        };
        assert_eq!(answer.rejected.len(), MAX_ROWS);
        assert!(answer.encoded_len() < server::MAX_MESSAGE_BYTES);
    }

    #[test]
    fn the_fingerprint_ignores_the_order_of_attributes_and_nothing_else() {
        let with = |pairs: &[(&str, &str)]| {
            let mut row = row("a", "one");
            if let Some(Row::Item(item)) = &mut row.row {
                item.attributes = pairs
                    .iter()
                    .map(|(k, v)| ((*k).into(), (*v).into()))
                    .collect();
            }
            fingerprint(&[row])
        };
        assert_eq!(
            with(&[("k", "1"), ("l", "2")]),
            with(&[("l", "2"), ("k", "1")])
        );
        assert_ne!(with(&[("k", "1")]), with(&[("k", "2")]));
    }
}
