//! What is asked of each row, and what is said of one that does not have it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use api::v1;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{RejectionReason, RowIssue, normalized};

use super::profile::{Kind, Profile, is_filled};
use super::rows::{Reading, issue, scalar, split_lists};
use super::{Fields, KNOWN_FIELDS, Record, jsonl};

const EXCERPT_CHARS: usize = 2_000;
const ID_CHARS: usize = 128;

/// Which fields each row must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Require {
    /// Those that nine of ten of the file's first rows have, and `id` and `text`.
    Auto,
    /// These, and `id` and `text`.
    Fields(Vec<String>),
}

/// What to do with the same id again in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DuplicatePolicy {
    /// The first row counts; later ones are rejected.
    Reject,
    /// Each later row is a new revision.
    Revise,
}

/// What to do with the same text under another id with other experts, or at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ConflictPolicy {
    /// The first row counts; later ones are rejected.
    Reject,
    /// All rows are taken.
    Keep,
}

/// Which types of values are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TypePolicy {
    /// Those that the field, or this file's rows, have.
    Auto,
    /// Numbers and true/false for texts, one text for a list.
    Any,
}

/// Keeps only rows whose field has one of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The field.
    pub field: String,
    /// The values.
    pub values: Vec<String>,
}

impl std::str::FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, values) = text
            .split_once('=')
            .filter(|(field, values)| !field.is_empty() && !values.is_empty())
            .ok_or("write it as FIELD=VALUE or FIELD=VALUE1,VALUE2")?;
        let values = values
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        Ok(Self {
            field: field.trim().to_owned(),
            values,
        })
    }
}

/// What is asked of each row.
#[derive(Debug, Clone)]
pub struct RowRules {
    /// Which fields each row must have.
    pub require: Require,
    /// The same id again.
    pub duplicates: DuplicatePolicy,
    /// The same text with other experts.
    pub conflicts: ConflictPolicy,
    /// Which types of values are taken.
    pub types: TypePolicy,
    /// Only rows that pass all of these.
    pub filters: Vec<Filter>,
}

/// Times for rows that bring none, in the order of the file.
#[derive(Debug, Clone, Copy)]
pub struct OrderTimes {
    /// Of the row before the first.
    pub first: DateTime<Utc>,
    /// From one row to the next.
    pub step: TimeDelta,
}

impl OrderTimes {
    fn of(self, number: u64) -> DateTime<Utc> {
        let steps = i32::try_from(number).unwrap_or(i32::MAX);
        self.first + self.step * steps
    }
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// Sent as an item.
    Item(v1::IngestRow),
    /// Sent to the quarantine.
    Rejected(v1::IngestRow),
    /// Left out by a filter.
    Filtered,
}

/// What the first row with a text said beside it.
#[derive(Clone, Copy)]
struct Told {
    row: u64,
    experts: u128,
    at: Option<prost_types::Timestamp>,
}

/// Checks row after row.
pub struct Rules {
    rules: RowRules,
    profile: Profile,
    unit: &'static str,
    required: BTreeSet<String>,
    times: Option<OrderTimes>,
    /// Hash of an id to the row that brought it.
    ids: HashMap<u128, u64>,
    /// Hash of a normalized text to the row that brought it first.
    texts: HashMap<u128, Told>,
    filled_times: u64,
    left_out: BTreeMap<String, u64>,
}

impl Rules {
    /// Rules for a file whose first rows have `profile` and whose rows are counted by `unit`.
    #[must_use]
    pub fn new(rules: RowRules, profile: Profile, unit: &'static str) -> Self {
        let mut required: BTreeSet<String> = match &rules.require {
            Require::Fields(fields) => fields.iter().cloned().collect(),
            Require::Auto => profile.usual().map(str::to_owned).collect(),
        };
        // When something happened matters more than other fields: a file that mostly says it is
        // not mixed with made-up times.
        if rules.require == Require::Auto && profile.percent("at") >= 50 {
            required.insert("at".to_owned());
        }
        required.extend(["id", "text"].map(str::to_owned));
        Self {
            rules,
            profile,
            unit,
            required,
            times: None,
            ids: HashMap::new(),
            texts: HashMap::new(),
            filled_times: 0,
            left_out: BTreeMap::new(),
        }
    }

    /// Whether each row must have the field.
    #[must_use]
    pub fn needs(&self, field: &str) -> bool {
        self.required.contains(field)
    }

    /// Gives rows without a time their place in the file's order instead of rejecting them.
    pub fn fill_times(&mut self, times: OrderTimes) {
        self.required.remove("at");
        self.times = Some(times);
    }

    /// What becomes of a record.
    pub fn check(&mut self, record: Record) -> Checked {
        let Record {
            number,
            fields,
            raw,
        } = record;
        let fields = match fields {
            Ok(fields) if self.unit == "record" => split_lists(fields),
            Ok(fields) => fields,
            Err(issue) => return rejected(number, issue, &raw, None),
        };
        if !self.passes(&fields) {
            return Checked::Filtered;
        }
        match self.item(number, &fields) {
            Ok(item) => Checked::Item(v1::IngestRow {
                line: number,
                row: Some(v1::ingest_row::Row::Item(item)),
            }),
            Err(issue) => rejected(number, issue, &raw, fields.get("id").and_then(scalar)),
        }
    }

    /// What was done without being asked for, in sentences.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(times) = self.times.filter(|_| self.filled_times > 0) {
            notes.push(format!(
                "{} rows say no time in `at`: they were given the order of the file, from {} on, {} \
                 apart (--at TIME sets another end)",
                self.filled_times,
                times.of(1).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
                if times.step < TimeDelta::seconds(1) { "a millisecond" } else { "a second" },
            ));
        }
        if !self.left_out.is_empty() {
            let names: Vec<_> = self
                .left_out
                .keys()
                .map(|name| format!("`{name}`"))
                .collect();
            notes.push(format!(
                "lists and objects are not kept as attributes; left out: {}",
                names.join(", ")
            ));
        }
        notes
    }

    fn item(&mut self, number: u64, fields: &Fields) -> Result<v1::Item, RowIssue> {
        let loose = self.rules.types == TypePolicy::Any;
        let mut item = Reading {
            profile: &self.profile,
            loose,
        }
        .item(fields)?;
        self.check_required(fields)?;
        self.check_duplicate(&item.item_id)?;
        self.check_conflict(number, &item)?;
        if item.occur_time.is_none()
            && let Some(times) = self.times
        {
            item.occur_time = Some(api::timestamp(times.of(number)));
            self.filled_times += 1;
        }
        self.ids.insert(hash(&item.item_id), number);
        for (name, value) in fields {
            let nested = scalar(value).is_none() && is_filled(value);
            if nested && !KNOWN_FIELDS.contains(&name.as_str()) && self.left_out.len() < 20 {
                *self.left_out.entry(name.clone()).or_default() += 1;
            }
        }
        Ok(item)
    }

    /// A row that cannot be judged by a filter is rejected where its file's rows have the field,
    /// and left out where they do not.
    fn passes(&self, fields: &Fields) -> bool {
        self.rules.filters.iter().all(|filter| {
            let known = |text: &str| filter.values.iter().any(|value| value == text);
            match fields.get(&filter.field).filter(|value| is_filled(value)) {
                Some(serde_json::Value::Array(list)) => {
                    list.iter().filter_map(scalar).any(|text| known(&text))
                }
                Some(value) if self.is_usual_kind(&filter.field, value) => {
                    scalar(value).is_some_and(|text| known(&text))
                }
                _ => self.needs(&filter.field),
            }
        })
    }

    fn is_usual_kind(&self, field: &str, value: &serde_json::Value) -> bool {
        self.profile
            .usual_kind(field)
            .is_none_or(|usual| Kind::of(value) == Some(usual))
    }

    fn check_required(&self, fields: &Fields) -> Result<(), RowIssue> {
        let empty = |field: &&String| !fields.get(*field).is_some_and(is_filled);
        let Some(field) = self.required.iter().find(empty) else {
            return Ok(());
        };
        let state = if fields.contains_key(field) {
            "empty"
        } else {
            "missing"
        };
        let implied = ["id", "text"];
        let others = self.required.iter().map(String::as_str);
        let others = others.filter(|kept| kept != field && !implied.contains(kept));
        let kept: Vec<&str> = implied.into_iter().chain(others).collect();
        let percent = self.profile.percent(field);
        let message = match (&self.rules.require, field.as_str()) {
            (_, "id" | "text") => format!("`{field}` is {state}; each row needs it"),
            (Require::Auto, "at") => format!(
                "`at` is {state}, though {percent} % of this file's rows have it; fill it, or pass \
                 --at now to give such rows the order of the file"
            ),
            (Require::Auto, _) => format!(
                "`{field}` is {state}, though {percent} % of this file's rows have it; fill it, or \
                 pass --require {}",
                kept.join(",")
            ),
            (Require::Fields(_), _) => format!(
                "`{field}` is {state}, and --require asks for it; fill it, or leave it out of \
                 --require"
            ),
        };
        Err(issue(RejectionReason::MissingField, field, message))
    }

    fn check_duplicate(&self, id: &str) -> Result<(), RowIssue> {
        match self.ids.get(&hash(id)) {
            Some(before) if self.rules.duplicates == DuplicatePolicy::Reject => {
                let message = format!(
                    "the id `{}` came in {} {before} already; keep one of them, or pass \
                     --duplicates revise to make the later one a new revision",
                    cut(id, ID_CHARS),
                    self.unit
                );
                Err(issue(RejectionReason::DuplicateId, "id", message))
            }
            _ => Ok(()),
        }
    }

    fn check_conflict(&mut self, number: u64, item: &v1::Item) -> Result<(), RowIssue> {
        let text = normalized(&item.text);
        // Rows without experts, and texts of signs only, contradict nothing.
        if self.rules.conflicts == ConflictPolicy::Keep
            || item.experts.is_empty()
            || text.is_empty()
        {
            return Ok(());
        }
        let mut others: Vec<&str> = item.experts.iter().skip(1).map(String::as_str).collect();
        others.sort_unstable();
        let experts = hash(&format!("{}\n{}", item.experts[0], others.join("\n")));
        let told = Told {
            row: number,
            experts,
            at: item.occur_time,
        };
        let before = *self.texts.entry(hash(&text)).or_insert(told);
        // A later revision of the same row may say something else.
        if self.ids.get(&hash(&item.item_id)) == Some(&before.row) || before.row == number {
            return Ok(());
        }
        let (what, remedy) = if before.experts != experts {
            (
                "has the same text under another id, answered by other experts",
                "keep the right one",
            )
        } else if before.at.is_some() && before.at == item.occur_time {
            // The same question may come again, but not at the same moment.
            ("is the same row under another id", "keep one of them")
        } else {
            return Ok(());
        };
        let message = format!(
            "{} {} {what}; {remedy}, or pass --conflicts keep",
            self.unit, before.row
        );
        Err(issue(RejectionReason::Conflict, "experts", message))
    }
}

fn rejected(number: u64, issue: RowIssue, raw: &[u8], id: Option<String>) -> Checked {
    // Four bytes a character at most: what lies beyond cannot be in the excerpt.
    let start = String::from_utf8_lossy(&raw[..raw.len().min(EXCERPT_CHARS * 4)]);
    let excerpt = cut(start.trim_end(), EXCERPT_CHARS);
    let id = id
        .or_else(|| jsonl::guess_id(&excerpt))
        .map(|id| cut(&id, ID_CHARS));
    Checked::Rejected(v1::IngestRow {
        line: number,
        row: Some(v1::ingest_row::Row::Unreadable(v1::UnreadableRow {
            reason: issue.reason.code().to_owned(),
            field: issue.field,
            message: issue.message,
            excerpt,
            item_id: id.unwrap_or_default(),
        })),
    })
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn hash(text: &str) -> u128 {
    let hash = blake3::hash(text.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_le_bytes(half)
}
