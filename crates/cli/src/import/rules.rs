//! Judges row after row by what is asked of each, and says what is wrong with one that falls short.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use api::rules::{RejectionReason, RowIssue, normalized};
use api::v1;
use chrono::{DateTime, TimeDelta, Utc};
use tables::{Content, Fields, Record, Remark, RemarkKind, Value, jsonl};

use super::KNOWN_FIELDS;
use super::policies::{ConflictPolicy, DuplicatePolicy, OrderTimes, Require, RowRules, TypePolicy};
use super::profile::{Kind, Profile};
use super::rows::{Read, Reading, issue};

const EXCERPT_CHARS: usize = 2_000;
const ID_CHARS: usize = 256;

/// What became of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// Sent as an item, with what a person should know of how it was read.
    Item(v1::IngestRow, Vec<Remark>),
    /// Sent to the quarantine.
    Rejected(v1::IngestRow),
    /// Left out by a filter.
    Filtered,
    /// No item: the title of a section, or another record of an export.
    Passed,
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
    /// Fields that nine of ten rows have: one that is empty all the same is remarked.
    usual: BTreeSet<String>,
    times: Option<OrderTimes>,
    /// The time of rows that bring none in a file whose rows mostly have one.
    last_time: prost_types::Timestamp,
    /// The file is an export: what it says is meant as it stands.
    verbatim: bool,
    /// No row has an id of its own: they are made of their texts.
    makes_ids: bool,
    counts: Counts,
    /// Hash of an id to the row that brought it.
    ids: HashMap<u128, u64>,
    /// Hash of a normalized text to the row that brought it first.
    texts: HashMap<u128, Told>,
    /// How often each made id was made.
    made_ids: HashMap<String, u64>,
    left_out: BTreeMap<String, u64>,
}

/// What was done without being asked for.
#[derive(Default)]
struct Counts {
    filled_times: u64,
    without_zone: u64,
    by_order: u64,
    nobody: u64,
    made_ids: u64,
}

impl Rules {
    /// Rules for a file whose first rows have `profile` and whose rows are counted by `unit`.
    #[must_use]
    pub fn new(rules: RowRules, profile: Profile, unit: &'static str, verbatim: bool) -> Self {
        let makes_ids = profile.rows() > 0 && profile.filled("id") == 0;
        let usual: BTreeSet<String> = profile.usual().map(str::to_owned).collect();
        let mut required = match &rules.require {
            Require::Fields(fields) => fields.iter().cloned().collect(),
            Require::Usual => usual.clone(),
            Require::Auto => BTreeSet::new(),
        };
        // When something happened matters more than other fields: a file that mostly says it is
        // not mixed with made-up times.
        if rules.require == Require::Usual && profile.percent("at") >= 50 {
            required.insert("at".to_owned());
        }
        required.insert("text".to_owned());
        if makes_ids {
            required.remove("id");
        } else {
            required.insert("id".to_owned());
        }
        Self {
            rules,
            profile,
            unit,
            required,
            usual,
            times: None,
            last_time: prost_types::Timestamp::default(),
            verbatim,
            makes_ids,
            counts: Counts::default(),
            ids: HashMap::new(),
            texts: HashMap::new(),
            made_ids: HashMap::new(),
            left_out: BTreeMap::new(),
        }
    }

    /// Gives rows without a time their place in the file's order instead of rejecting them.
    pub fn fill_times(&mut self, times: OrderTimes) {
        self.required.remove("at");
        self.times = Some(times);
    }

    /// Gives rows without a time that of the row before them; the first ones get `first`.
    pub fn carry_times(&mut self, first: DateTime<Utc>) {
        self.last_time = api::timestamp(first);
    }

    /// What becomes of a record.
    pub fn check(&mut self, record: Record) -> Checked {
        let Record {
            number,
            content,
            raw,
            mut remarks,
        } = record;
        let fields = match content {
            Content::Fields(fields) => fields,
            Content::Heading(_) => return Checked::Passed,
            Content::Bad(issue) => return rejected(number, issue, &raw, None),
        };
        if !self.passes(&fields) {
            return Checked::Filtered;
        }
        match self.item(number, &fields, &mut remarks) {
            Ok(item) => Checked::Item(
                v1::IngestRow {
                    line: number,
                    row: Some(v1::ingest_row::Row::Item(item)),
                },
                remarks,
            ),
            Err(issue) => rejected(
                number,
                issue,
                &raw,
                fields.get("id").and_then(Value::scalar),
            ),
        }
    }

    /// What was done without being asked for, in sentences.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let Counts {
            filled_times,
            without_zone,
            by_order,
            nobody,
            made_ids,
        } = self.counts;
        let mut notes = Vec::new();
        if let Some(times) = self.times.filter(|_| filled_times > 0) {
            notes.push(format!(
                "{filled_times} rows say no time in `at`: they were given the order of the file, from {} \
                 on, {} apart (--at TIME sets another end)",
                times.of(1).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
                if times.step < TimeDelta::seconds(1) { "a millisecond" } else { "a second" },
            ));
        }
        if without_zone > 0 && self.rules.times.zone.is_none() {
            notes.push(format!(
                "{without_zone} times name no zone and were read as UTC (--time-zone ZONE takes another)"
            ));
        }
        if by_order > 0 {
            notes.push(format!(
                "{by_order} dates could be day/month or month/day and were read as other dates of the \
                 file must be (--time-format says it, such as '%d/%m/%Y')"
            ));
        }
        if nobody > 0 {
            notes.push(format!(
                "{nobody} rows have a word for nobody, such as N/A or TBD, where an expert is named"
            ));
        }
        if made_ids > 0 {
            notes.push(format!(
                "the file has no ids: {made_ids} rows got one made of their text and area, the same each \
                 time the file is read (--column id=NAME names a column)"
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

    fn item(
        &mut self,
        number: u64,
        fields: &Fields,
        remarks: &mut Vec<Remark>,
    ) -> Result<v1::Item, RowIssue> {
        let reading = Reading {
            profile: &self.profile,
            loose: self.rules.types == TypePolicy::Any,
            times: &self.rules.times,
            verbatim: self.verbatim,
        };
        let Read {
            mut item,
            time,
            nobody,
            remarks: said,
        } = reading.item(fields)?;
        self.check_required(fields)?;
        if self.makes_ids {
            item.item_id = self.made_id(&item);
        }
        self.check_duplicate(&item.item_id)?;
        if !self.verbatim {
            self.check_text(number, &item, remarks)?;
            remarks.extend(self.unusually_empty(fields));
        }
        remarks.extend(said);
        self.counts.nobody += u64::from(nobody);
        self.counts.without_zone += u64::from(time.is_some_and(|time| time.without_zone));
        self.counts.by_order += u64::from(time.is_some_and(|time| time.by_order));
        self.fill_time(number, &mut item, remarks);
        self.ids.insert(hash(&item.item_id), number);
        for (name, value) in fields {
            let nested = value.scalar().is_none() && value.is_filled();
            if nested && !KNOWN_FIELDS.contains(&name.as_str()) && self.left_out.len() < 20 {
                *self.left_out.entry(name.clone()).or_default() += 1;
            }
        }
        Ok(item)
    }

    /// An id of the text and the area, so that the same row has the same one wherever it stands.
    fn made_id(&mut self, item: &v1::Item) -> String {
        let words = format!("{}\n{}", normalized(&item.text), normalized(&item.area));
        let id = format!("q-{}", &blake3::hash(words.as_bytes()).to_hex()[..12]);
        let times = self.made_ids.entry(id.clone()).or_default();
        *times += 1;
        self.counts.made_ids += 1;
        match *times {
            1 => id,
            again => format!("{id}-{again}"),
        }
    }

    fn fill_time(&mut self, number: u64, item: &mut v1::Item, remarks: &mut Vec<Remark>) {
        if let Some(at) = item.occur_time {
            self.last_time = at;
        } else if let Some(times) = self.times {
            item.occur_time = Some(api::timestamp(times.of(number)));
            self.counts.filled_times += 1;
        } else {
            item.occur_time = Some(self.last_time);
            remarks.push(Remark {
                kind: RemarkKind::NoTime,
                field: "at".to_owned(),
                message:
                    "`at` is empty, though other rows have it; the time of the row before was taken"
                        .to_owned(),
            });
        }
    }

    /// Fields that are empty here and filled in nine rows of ten.
    fn unusually_empty(&self, fields: &Fields) -> Vec<Remark> {
        let empty = self.usual.iter().filter(|field| {
            !matches!(field.as_str(), "at" | "id" | "text") && !is_filled(fields, field)
        });
        let remark = |field: &String| Remark {
            kind: RemarkKind::UsuallyFilled,
            field: field.clone(),
            message: match field.as_str() {
                "expert" | "experts" => format!(
                    "`{field}` is empty, though {} % of the rows have it: an open question",
                    self.profile.percent(field)
                ),
                _ => format!(
                    "`{field}` is empty, though {} % of the rows have it (--require usual rejects such \
                     rows)",
                    self.profile.percent(field)
                ),
            },
        };
        empty.map(remark).collect()
    }

    /// A row that cannot be judged by a filter is rejected where its file's rows have the field,
    /// and left out where they do not.
    fn passes(&self, fields: &Fields) -> bool {
        self.rules.filters.iter().all(|filter| {
            let known = |text: &str| filter.values.iter().any(|value| value == text);
            match fields.get(&filter.field).filter(|value| value.is_filled()) {
                Some(Value::List(list)) => list
                    .iter()
                    .filter_map(Value::scalar)
                    .any(|text| known(&text)),
                Some(value) if self.is_usual_kind(&filter.field, value) => {
                    value.scalar().is_some_and(|text| known(&text))
                }
                _ => self.usual.contains(&filter.field),
            }
        })
    }

    fn is_usual_kind(&self, field: &str, value: &Value) -> bool {
        self.profile
            .usual_kind(field)
            .is_none_or(|usual| Kind::of(value) == Some(usual))
    }

    fn check_required(&self, fields: &Fields) -> Result<(), RowIssue> {
        // What a filter asks for decides whether the row is wanted at all.
        let filtered = self.rules.filters.iter().map(|filter| &filter.field);
        let filtered = filtered.filter(|field| self.usual.contains(*field));
        let mut needed = self.required.iter().chain(filtered);
        let Some(field) = needed.find(|field| !is_filled(fields, field)) else {
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
            (Require::Usual, "at") => format!(
                "`at` is {state}, though {percent} % of this file's rows have it; fill it, or pass \
                 --at now to give such rows the order of the file"
            ),
            (Require::Usual, _) => format!(
                "`{field}` is {state}, though {percent} % of this file's rows have it; fill it, or \
                 pass --require {}",
                kept.join(",")
            ),
            (Require::Fields(_), _) => format!(
                "`{field}` is {state}, and --require asks for it; fill it, or leave it out of \
                 --require"
            ),
            (Require::Auto, _) => format!(
                "`{field}` is {state}, and --where asks for it; fill it, so that the row can be judged"
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

    /// The same text under another id is another row, and remarked; rejected where that was asked
    /// for.
    fn check_text(
        &mut self,
        number: u64,
        item: &v1::Item,
        remarks: &mut Vec<Remark>,
    ) -> Result<(), RowIssue> {
        let text = normalized(&item.text);
        // Rows without experts, and texts of signs only, contradict nothing.
        if item.experts.is_empty() || text.is_empty() {
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
            (
                "has the same text at the same moment under another id",
                "keep one of them",
            )
        } else {
            return Ok(());
        };
        let what = format!("{} {} {what}", self.unit, before.row);
        if self.rules.conflicts == ConflictPolicy::Reject {
            let message = format!("{what}; {remedy}, or leave --conflicts reject out");
            return Err(issue(RejectionReason::Conflict, "experts", message));
        }
        remarks.push(Remark {
            kind: RemarkKind::RepeatedText,
            field: "text".to_owned(),
            message: format!("{what}; both are taken (--conflicts reject keeps the first)"),
        });
        Ok(())
    }
}

fn is_filled(fields: &Fields, field: &str) -> bool {
    fields.get(field).is_some_and(Value::is_filled)
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
