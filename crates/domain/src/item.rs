//! Items: the pieces of a tenant's content, and the rows that could not become one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    ExpertId, ItemId, NAME_MAX_BYTES, check_name, clean_name, clean_text, has_usable_text,
};

/// The most characters of an item's text, and of its answer.
pub const ITEM_TEXT_MAX_CHARS: usize = 32_768;
/// The most experts who answered one item.
pub const MAX_EXPERTS_PER_ITEM: usize = 32;
/// The most labels of one item.
pub const MAX_LABELS: usize = 64;
/// The most attributes of one item.
pub const MAX_ATTRIBUTES: usize = 64;
const SHORT_TEXT_MAX_CHARS: usize = 256;

/// What an item says, without its place in history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemContent {
    /// Unique inside the tenant.
    pub id: ItemId,
    /// The question.
    pub text: String,
    /// The answer it was given, if any.
    pub answer: Option<String>,
    /// The part of the business it belongs to, if known.
    pub area: Option<String>,
    /// What it was classified as.
    pub labels: Vec<String>,
    /// Anything else the tenant wants kept with it.
    pub attributes: BTreeMap<String, String>,
    /// The experts who answered, the main one first.
    pub experts: Vec<ExpertId>,
    /// When it happened (not when it was ingested): order and recency follow this.
    pub occurred_at: DateTime<Utc>,
}

impl ItemContent {
    /// Cleans the texts and checks all bounds.
    ///
    /// `now` is the time of ingestion: an item cannot have happened more than a day after it.
    ///
    /// # Errors
    /// The first reason why the row cannot become an item.
    pub fn validate(mut self, now: DateTime<Utc>) -> Result<Self, RowIssue> {
        self.check_text()?;
        self.check_lists()?;
        self.area = self
            .area
            .map(|area| clean_name(&area))
            .filter(|area| !area.is_empty());
        if let Some(area) = &self.area {
            named("area", area)?;
        }
        if self.occurred_at > now + chrono::TimeDelta::days(1) {
            let message = format!(
                "{} is in the future; send the time it happened",
                self.occurred_at
            );
            return Err(RowIssue::new(
                RejectionReason::InvalidTime,
                "occur_time",
                message,
            ));
        }
        if self.occurred_at.timestamp() < -2_208_988_800 {
            let message = "is before 1900; send the time it happened".to_owned();
            return Err(RowIssue::new(
                RejectionReason::InvalidTime,
                "occur_time",
                message,
            ));
        }
        Ok(self)
    }

    fn check_text(&mut self) -> Result<(), RowIssue> {
        if too_long(&self.text, ITEM_TEXT_MAX_CHARS) {
            return Err(RowIssue::too_long("text", ITEM_TEXT_MAX_CHARS));
        }
        if !has_usable_text(&self.text) {
            let message = "has nothing to read in it; send the question's words".to_owned();
            return Err(RowIssue::new(RejectionReason::EmptyText, "text", message));
        }
        self.text = clean_text(&self.text);
        self.answer = self
            .answer
            .take()
            .map(|a| clean_text(&a))
            .filter(|a| !a.is_empty());
        if self
            .answer
            .as_ref()
            .is_some_and(|answer| too_long(answer, ITEM_TEXT_MAX_CHARS))
        {
            return Err(RowIssue::too_long("answer", ITEM_TEXT_MAX_CHARS));
        }
        Ok(())
    }

    fn check_lists(&mut self) -> Result<(), RowIssue> {
        let mut seen = std::collections::HashSet::new();
        self.experts.retain(|expert| seen.insert(expert.clone()));
        self.labels
            .iter_mut()
            .for_each(|label| *label = clean_name(label));
        self.labels.retain(|label| !label.is_empty());
        self.labels.sort_unstable();
        self.labels.dedup();
        let counts = [
            ("experts", self.experts.len(), MAX_EXPERTS_PER_ITEM),
            ("labels", self.labels.len(), MAX_LABELS),
            ("attributes", self.attributes.len(), MAX_ATTRIBUTES),
        ];
        if let Some((field, found, most)) = counts.into_iter().find(|(_, n, most)| n > most) {
            let message = format!("has {found} entries; at most {most} are kept with one item");
            return Err(RowIssue::new(RejectionReason::TooMany, field, message));
        }
        for label in &self.labels {
            named("labels", label)?;
        }
        for (key, value) in &mut self.attributes {
            *value = clean_text(value);
            if key.is_empty() || key.contains('\0') || too_long(key, SHORT_TEXT_MAX_CHARS) {
                let message = format!("names have 1 to {SHORT_TEXT_MAX_CHARS} characters, no NUL");
                return Err(RowIssue::new(
                    RejectionReason::InvalidField,
                    "attributes",
                    message,
                ));
            }
            if too_long(value, 4_096) {
                return Err(RowIssue::too_long("attributes", 4_096));
            }
        }
        Ok(())
    }
}

/// Checks a name that the tenant gives: a label or an area.
fn named(field: &str, name: &str) -> Result<(), RowIssue> {
    check_name(name).map_err(|message| {
        let reason = match name.len() > NAME_MAX_BYTES {
            true => RejectionReason::TooLong,
            false => RejectionReason::InvalidField,
        };
        RowIssue::new(reason, field, message)
    })
}

fn too_long(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().count() > most
}

/// One revision of an item, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it says.
    pub content: ItemContent,
    /// From 1; each changed re-ingest of the same id adds one.
    pub revision: u32,
    /// The tenant's change counter when this revision was committed: its watermark.
    pub change: u64,
    /// The point that stands for the item in the vector store; kept over revisions.
    pub point: u64,
    /// When this revision was committed.
    pub ingested_at: DateTime<Utc>,
}

/// Why a row was put into quarantine; stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RejectionReason {
    /// The row could not be read: broken JSON, bad UTF-8, wrong number of columns.
    Unreadable,
    /// A field that the row needs is missing.
    MissingField,
    /// A field has a value of another type.
    WrongType,
    /// A field has a value it cannot have.
    InvalidField,
    /// The text has nothing to read in it.
    EmptyText,
    /// A text is longer than it may be.
    TooLong,
    /// A list has more entries than it may have.
    TooMany,
    /// The time cannot be read, or cannot be true.
    InvalidTime,
    /// The same id came earlier in the same batch or file.
    DuplicateId,
    /// The same text came earlier in the same file with other experts.
    Conflict,
}

impl RejectionReason {
    const ALL: [Self; 10] = [
        Self::Unreadable,
        Self::MissingField,
        Self::WrongType,
        Self::InvalidField,
        Self::EmptyText,
        Self::TooLong,
        Self::TooMany,
        Self::InvalidTime,
        Self::DuplicateId,
        Self::Conflict,
    ];

    /// The stable code, as stored and sent.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "UNREADABLE",
            Self::MissingField => "MISSING_FIELD",
            Self::WrongType => "WRONG_TYPE",
            Self::InvalidField => "INVALID_FIELD",
            Self::EmptyText => "EMPTY_TEXT",
            Self::TooLong => "TOO_LONG",
            Self::TooMany => "TOO_MANY",
            Self::InvalidTime => "INVALID_TIME",
            Self::DuplicateId => "DUPLICATE_ID",
            Self::Conflict => "CONFLICT",
        }
    }

    /// The reason that `code` names.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// One thing that is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowIssue {
    /// The stable code.
    pub reason: RejectionReason,
    /// The field; empty when the whole row is meant.
    pub field: String,
    /// A sentence for the person who has to mend the row.
    pub message: String,
}

impl RowIssue {
    /// An issue with `field`; `message` reads on from the field's name.
    pub fn new(reason: RejectionReason, field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = if field.is_empty() {
            message
        } else {
            format!("{field}: {message}")
        };
        Self {
            reason,
            field: field.to_owned(),
            message,
        }
    }

    /// The field is missing.
    #[must_use]
    pub fn missing(field: &str) -> Self {
        Self::new(
            RejectionReason::MissingField,
            field,
            "is missing; each row needs it",
        )
    }

    /// The field has more than `most` characters.
    #[must_use]
    pub fn too_long(field: &str, most: usize) -> Self {
        let message = format!("is longer than {most} characters; shorten it or split the row");
        Self::new(RejectionReason::TooLong, field, message)
    }
}

/// A row in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Rises with every rejection; pages are cut by it.
    pub sequence: i64,
    /// The batch (request id) that brought the row.
    pub batch: String,
    /// The row's line in its file, or its place in the batch, from 1.
    pub line: u64,
    /// The row's item id, as far as it could be read.
    pub item_id: String,
    /// What is wrong.
    pub issue: RowIssue,
    /// The beginning of the row as it came, for people.
    pub excerpt: String,
    /// When it was rejected.
    pub rejected_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> ItemContent {
        ItemContent {
            id: ItemId::parse("q-1").unwrap(),
            text: text.to_owned(),
            answer: None,
            area: None,
            labels: vec![],
            attributes: BTreeMap::new(),
            experts: vec![],
            occurred_at: DateTime::UNIX_EPOCH,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_plain_question_passes() {
        let kept = item("  Do you encrypt data at rest? ")
            .validate(now())
            .unwrap();
        assert_eq!(kept.text, "Do you encrypt data at rest?");
    }

    #[test]
    fn five_megabytes_are_refused() {
        let issue = item(&"x".repeat(5 << 20)).validate(now()).unwrap_err();
        assert_eq!(issue.reason, RejectionReason::TooLong);
        assert!(issue.message.contains("32768"), "{}", issue.message);
    }

    #[test]
    fn blank_and_future_rows_are_refused() {
        assert_eq!(
            item(" \u{200B}").validate(now()).unwrap_err().reason,
            RejectionReason::EmptyText
        );
        let mut late = item("a question");
        late.occurred_at = now() + chrono::TimeDelta::days(30);
        assert_eq!(
            late.validate(now()).unwrap_err().reason,
            RejectionReason::InvalidTime
        );
    }

    #[test]
    fn labels_and_areas_are_names() {
        let mut named = item("a question");
        named.area = Some("Zugriff\n(SSO)".into());
        named.labels = vec!["Pru\u{308}fung".into(), "Pr\u{fc}fung".into(), " ".into()];
        let kept = named.validate(now()).unwrap();
        assert_eq!(kept.area.as_deref(), Some("Zugriff (SSO)"));
        assert_eq!(kept.labels, ["Pr\u{fc}fung"]);
        let mut long = item("a question");
        long.labels = vec!["ü".repeat(129)];
        let issue = long.validate(now()).unwrap_err();
        assert_eq!(issue.reason, RejectionReason::TooLong);
        assert!(issue.message.contains("258 bytes"), "{}", issue.message);
        let mut bell = item("a question");
        bell.area = Some("a\u{7}b".into());
        let issue = bell.validate(now()).unwrap_err();
        assert_eq!(issue.reason, RejectionReason::InvalidField);
    }

    #[test]
    fn repeated_experts_count_once() {
        let mut twice = item("a question");
        let e = ExpertId::parse("e1").unwrap();
        twice.experts = vec![e.clone(), e.clone()];
        assert_eq!(twice.validate(now()).unwrap().experts, vec![e]);
    }
}
