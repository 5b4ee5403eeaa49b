//! The labelled sets: where they lie, what is predicted, what is asked of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result};
use api::v1;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::score::Score;

/// A set of labelled texts.
pub struct Set {
    /// Its name.
    pub name: &'static str,
    file: &'static str,
    /// What is predicted.
    pub kind: v1::task::Kind,
    /// Each tenant of the set is a customer; otherwise all of it is one.
    by_tenant: bool,
    /// The label of texts that the task has no label for.
    pub out_of_scope: &'static str,
    /// What the number is called that the set is judged by, how it is computed, and the target.
    pub goals: &'static [Measure],
}

/// A number's name, how it is computed, and what it should reach.
pub type Measure = (&'static str, fn(&Score) -> f64, Goal);

/// What a number should reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At least.
    Least(f64),
    /// At most.
    Most(f64),
    /// Only shown.
    Shown,
}

/// All sets.
pub const SETS: [Set; 6] = [
    Set {
        name: "clinc150",
        file: "labels/clinc150",
        kind: v1::task::Kind::SingleLabel,
        by_tenant: false,
        out_of_scope: "oos",
        goals: &[
            (
                "in-scope accuracy",
                |s| s.in_scope_accuracy,
                Goal::Least(0.96),
            ),
            ("out-of-scope recall", |s| s.scope_recall, Goal::Least(0.70)),
        ],
    },
    Set {
        name: "madewithml",
        file: "labels/madewithml",
        kind: v1::task::Kind::SingleLabel,
        by_tenant: false,
        out_of_scope: "",
        goals: &[("weighted F1", |s| s.weighted_f1, Goal::Least(0.935))],
    },
    Set {
        name: "cooking",
        file: "labels/cooking_multilabel",
        kind: v1::task::Kind::MultiLabel,
        by_tenant: false,
        out_of_scope: "",
        goals: &[("micro F1", |s| s.micro_f1, Goal::Least(0.56))],
    },
    Set {
        name: "rfp",
        file: "rfp/rfp_questions",
        kind: v1::task::Kind::SingleLabel,
        by_tenant: true,
        out_of_scope: "",
        goals: &[("accuracy", |s| s.accuracy, Goal::Least(0.70))],
    },
    Set {
        name: "storypoints",
        file: "regression/storypoints",
        kind: v1::task::Kind::Regression,
        by_tenant: true,
        out_of_scope: "",
        goals: &[(
            "mean absolute error",
            |s| s.mean_absolute_error,
            Goal::Most(3.70),
        )],
    },
    Set {
        name: "complexity",
        file: "regression/complexity",
        kind: v1::task::Kind::Regression,
        by_tenant: true,
        out_of_scope: "",
        goals: &[(
            "mean absolute error",
            |s| s.mean_absolute_error,
            Goal::Shown,
        )],
    },
];

/// One row of a set.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    id: String,
    /// The text.
    pub text: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    labels: Vec<String>,
    /// The number.
    #[serde(default)]
    pub value: f64,
    #[serde(default)]
    tenant: String,
    split: String,
}

/// One customer of a set.
pub struct Customer {
    /// Its tenant id.
    pub id: String,
    /// What is ingested.
    pub known: Vec<Row>,
    /// What is asked.
    pub asked: Vec<Row>,
}

/// The attribute that a number is ingested as.
pub const VALUE: &str = "value";

impl Row {
    /// What is right.
    pub fn right(&self) -> Vec<&str> {
        let one = std::iter::once(self.label.as_str()).filter(|label| !label.is_empty());
        one.chain(self.labels.iter().map(String::as_str)).collect()
    }

    /// The row as an item; `place` gives it its time.
    pub fn to_item(&self, kind: v1::task::Kind, place: usize) -> v1::Item {
        let number = kind == v1::task::Kind::Regression;
        let attributes = number.then(|| (VALUE.to_owned(), self.value.to_string()));
        v1::Item {
            item_id: self.id.clone(),
            text: self.text.clone(),
            labels: self.right().into_iter().map(str::to_owned).collect(),
            attributes: attributes.into_iter().collect(),
            occur_time: Some(prost_types::Timestamp {
                seconds: 1_600_000_000 + place as i64 * 60,
                nanos: 0,
            }),
            ..Default::default()
        }
    }
}

impl Set {
    /// Its customers, from the folder that holds `labels`, `regression` and `rfp`.
    ///
    /// # Errors
    /// A file that is missing or malformed.
    pub fn read(&self, data: &Path, asked: &str) -> Result<Vec<Customer>> {
        let path = data.join(format!("{}.jsonl.gz", self.file));
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut customers: BTreeMap<String, Customer> = BTreeMap::new();
        for line in BufReader::new(MultiGzDecoder::new(file)).lines() {
            let row: Row = serde_json::from_str(&line?)
                .with_context(|| format!("{} has a malformed line", path.display()))?;
            let id = match self.by_tenant {
                true => format!("{}-{}", self.name, row.tenant.replace(['_', '.'], "-")),
                false => self.name.to_owned(),
            };
            let id = id.to_lowercase();
            let customer = customers.entry(id.clone()).or_insert_with(|| Customer {
                id,
                known: Vec::new(),
                asked: Vec::new(),
            });
            if row.split == asked {
                customer.asked.push(row);
            } else if row.split == "train" || asked == "test" {
                customer.known.push(row);
            }
        }
        Ok(customers.into_values().collect())
    }

    /// The task of its customers.
    pub fn task(&self) -> v1::Task {
        use v1::task::source::Field;
        let field = match self.kind {
            v1::task::Kind::Regression => Field::Attribute,
            _ => Field::Labels,
        };
        v1::Task {
            kind: self.kind.into(),
            source: Some(v1::task::Source {
                field: field.into(),
                prefix: String::new(),
                attribute: match field {
                    Field::Attribute => VALUE.to_owned(),
                    _ => String::new(),
                },
            }),
            out_of_scope_label: self.out_of_scope.to_owned(),
            ..Default::default()
        }
    }
}
