//! What an ingest came to, for people and for scripts.

use std::collections::BTreeMap;

use api::v1;
use serde::Serialize;
use tables::RemarkKind;

use crate::error::Exit;
use crate::import::batch::Remarked;
use crate::output::{Row, one_line, pairs};

/// So many rejected rows are shown with the summary.
pub const EXAMPLES: usize = 5;
/// So many with a dry run, whose rows are not in any quarantine.
pub const DRY_RUN_EXAMPLES: usize = 100;

/// So many rows are shown as a dry run would take them.
pub const FIRST_ROWS: usize = 5;

/// What an ingest came to.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// The file.
    pub file: String,
    /// The tenant's id.
    pub tenant: String,
    /// What the batches' names begin with.
    pub request_prefix: String,
    /// Nothing was sent.
    pub dry_run: bool,
    /// Stopped before the end of the file.
    pub interrupted: bool,
    /// Rows read.
    pub rows: u64,
    /// Rows left out by --where.
    pub filtered: u64,
    /// Rows that made a new item or a new revision.
    pub accepted: u64,
    /// Rows that say what is stored already.
    pub unchanged: u64,
    /// Rows in quarantine.
    pub rejected: u64,
    /// The same by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// The first rejected rows.
    pub examples: Vec<Example>,
    /// Batches acknowledged.
    pub batches: u64,
    /// The last line or record that was acknowledged.
    pub acknowledged_line: u64,
    /// The tenant's watermark after the last batch.
    pub watermark: u64,
    /// The index reached the watermark; only with --wait-indexed.
    pub indexed: bool,
    /// Experts that --register-experts made.
    pub experts_registered: u64,
    /// How long it took.
    pub duration_seconds: f64,
    /// What is wrong with the file itself.
    pub file_problem: Option<String>,
    /// What was guessed, and what was done without being asked for.
    pub notes: Vec<String>,
    /// Rows that were taken, and of which a person should know something.
    pub remarks: Vec<RemarkView>,
    /// The first rows as they would be taken; only with --dry-run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_rows: Vec<FirstRow>,
    /// The command that shows the rejected rows.
    pub rejections_command: Option<String>,
}

/// A rejected row.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// Its line, or its record in a CSV file.
    pub line: u64,
    /// Its id, where it could be read.
    pub id: String,
    /// The stable code.
    pub reason: String,
    /// What to correct.
    pub message: String,
}

/// Rows with the same remark.
#[derive(Debug, Clone, Serialize)]
pub struct RemarkView {
    /// The stable code.
    pub reason: &'static str,
    /// The field, where it is about one.
    pub field: String,
    /// How many rows.
    pub count: u64,
    /// The first of them.
    pub rows: Vec<u64>,
    /// What is said of the first one.
    pub message: String,
}

impl From<((RemarkKind, String), Remarked)> for RemarkView {
    fn from(((kind, field), remarked): ((RemarkKind, String), Remarked)) -> Self {
        Self {
            reason: kind.code(),
            field,
            count: remarked.count,
            rows: remarked.rows,
            message: remarked.message,
        }
    }
}

impl RemarkView {
    fn words(&self) -> String {
        let rows: Vec<_> = self.rows.iter().take(5).map(u64::to_string).collect();
        let more = if self.count > rows.len() as u64 {
            ", …"
        } else {
            ""
        };
        let rows = format!("{}{more}", rows.join(", "));
        match self.count {
            1 => format!("remark: row {rows}: {}\n", self.message),
            count => format!("remark: {count} rows ({rows}): {}\n", self.message),
        }
    }
}

/// A row as it would be taken.
#[derive(Debug, Clone, Serialize)]
pub struct FirstRow {
    row: u64,
    id: String,
    text: String,
    answer: String,
    area: String,
    labels: Vec<String>,
    experts: Vec<String>,
    at: Option<String>,
    attributes: BTreeMap<String, String>,
}

impl FirstRow {
    /// The row at a place of the file.
    #[must_use]
    pub fn of(row: u64, item: v1::Item) -> Self {
        Self {
            row,
            id: item.item_id,
            at: crate::output::time(item.occur_time.as_ref()),
            text: item.text,
            answer: item.answer,
            area: item.area,
            labels: item.labels,
            experts: item.experts,
            attributes: item.attributes.into_iter().collect(),
        }
    }

    fn words(&self) -> String {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let fields = [
            ("id", self.id.clone()),
            ("text", self.text.clone()),
            ("answer", self.answer.clone()),
            ("area", self.area.clone()),
            ("experts", self.experts.join("; ")),
            ("labels", self.labels.join("; ")),
            ("at", self.at.clone().unwrap_or_default()),
            ("attributes", attributes.collect::<Vec<_>>().join(", ")),
        ];
        let filled = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let shown = filled.map(|(name, value)| (format!("    {name}"), one_line(&value, 100)));
        format!("  row {} would be taken as\n{}", self.row, pairs(shown))
    }
}

impl From<v1::RejectedRow> for Example {
    fn from(row: v1::RejectedRow) -> Self {
        Self {
            line: row.line,
            id: row.item_id,
            reason: row.reason,
            message: row.message,
        }
    }
}

impl Summary {
    /// Counts an acknowledged batch.
    pub fn acknowledge(&mut self, answer: v1::IngestItemsResponse, last_line: u64) {
        self.batches += 1;
        self.acknowledged_line = last_line;
        self.watermark = answer.watermark;
        self.accepted += answer.accepted;
        self.unchanged += answer.unchanged;
        for row in answer.rejected {
            self.reject(row.into(), EXAMPLES);
        }
    }

    /// Counts a rejected row, and keeps it among the first `most`.
    pub fn reject(&mut self, row: Example, most: usize) {
        self.rejected += 1;
        *self
            .rejected_by_reason
            .entry(row.reason.clone())
            .or_default() += 1;
        if self.examples.len() < most {
            self.examples.push(row);
        }
    }

    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.interrupted {
            Exit::Interrupted
        } else if self.rejected > 0 || self.file_problem.is_some() {
            Exit::RowsRejected
        } else {
            Exit::Done
        }
    }

    /// The summary for a person.
    #[must_use]
    pub fn words(&self) -> String {
        let mut fields = vec![("file", self.file.clone())];
        if self.rows == 0 && self.file_problem.is_none() && !self.interrupted {
            let why = if self.filtered > 0 {
                "no rows pass --where"
            } else {
                "no rows"
            };
            fields.push(("rows", why.to_owned()));
        } else {
            fields.push(("rows", self.rows.to_string()));
        }
        fields.push((
            if self.dry_run {
                "good rows"
            } else {
                "accepted"
            },
            self.accepted.to_string(),
        ));
        let reasons = self
            .rejected_by_reason
            .iter()
            .map(|(reason, n)| format!("{n} {reason}"));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let rejected = match self.rejected {
            0 => "0".to_owned(),
            count => format!("{count} ({reasons})"),
        };
        let shown = |count: u64| {
            if count > 0 {
                count.to_string()
            } else {
                String::new()
            }
        };
        fields.extend([
            ("unchanged", shown(self.unchanged)),
            ("rejected", rejected),
            ("left out by --where", shown(self.filtered)),
            ("experts registered", shown(self.experts_registered)),
            ("watermark", shown(self.watermark)),
            (
                "index",
                if self.indexed {
                    "has reached it".to_owned()
                } else {
                    String::new()
                },
            ),
            ("took", format!("{:.1} s", self.duration_seconds)),
            (
                "the file's problem",
                self.file_problem.clone().unwrap_or_default(),
            ),
        ]);
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let mut text = pairs(fields.map(|(head, value)| (head.to_owned(), value)));
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        for remark in &self.remarks {
            text.push_str(&remark.words());
        }
        for row in &self.first_rows {
            text.push_str(&row.words());
        }
        for row in &self.examples {
            let id = if row.id.is_empty() {
                String::new()
            } else {
                format!(" ({})", row.id)
            };
            text.push_str(&format!(
                "  row {}{id}: {}: {}\n",
                row.line, row.reason, row.message
            ));
        }
        let more = self.rejected.saturating_sub(self.examples.len() as u64);
        match &self.rejections_command {
            Some(command) => text.push_str(&format!("all reasons: {command}\n")),
            None if more > 0 => text.push_str(&format!("  … and {more} more\n")),
            None => {}
        }
        text
    }
}

impl Row for Summary {
    const COLUMNS: &'static [&'static str] = &[
        "file",
        "request prefix",
        "rows",
        "filtered",
        "accepted",
        "unchanged",
        "rejected",
        "watermark",
        "duration seconds",
        "file problem",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.file.clone(),
            self.request_prefix.clone(),
            self.rows.to_string(),
            self.filtered.to_string(),
            self.accepted.to_string(),
            self.unchanged.to_string(),
            self.rejected.to_string(),
            self.watermark.to_string(),
            format!("{:.3}", self.duration_seconds),
            self.file_problem.clone().unwrap_or_default(),
        ]
    }
}
