//! Looks at a workbook that came back: answers beside the questions, and the rest as it was.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tables::{Content, ITEMS, Mapping, Options, Value};

const EXPERT: &str = "Recommended expert";
/// What the answers are written under.
const ADDED: [&str; 5] = [
    EXPERT,
    "Probability",
    "Other recommendations",
    "Request ID",
    "Problem",
];

/// Checks that `wanted` questions have an expert, and that a workbook's own cells are what they were.
///
/// # Errors
/// When they are not.
pub fn check(folder: &Path, args: &[String], wanted: usize) -> Result<()> {
    let option = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1)
    };
    let out = option("--out").context("nothing is written without --out")?;
    let asked = option("--batch").context("nothing is asked without --batch")?;
    let mapping = match option("--mapping") {
        Some(file) => Mapping::parse(&std::fs::read_to_string(folder.join(file))?)?,
        None => Mapping::default(),
    };
    let after = rows(&folder.join(out), &mapping)?;
    let named = |row: &&Row| row.fields.iter().any(|(name, _)| name == EXPERT);
    let answered = after.iter().filter(named).count();
    ensure!(
        answered == wanted,
        "{answered} questions have an expert, and not {wanted}"
    );
    if asked.ends_with(".xlsx") {
        let before = rows(&folder.join(asked), &mapping)?;
        ensure!(before.len() == after.len(), "rows came or went");
        for (was, is) in before.into_iter().zip(after) {
            let is = is.without_answers();
            ensure!(
                was == is,
                "the workbook's own cells changed: {was:?} is {is:?}"
            );
        }
    }
    Ok(())
}

/// A row of a workbook.
#[derive(Debug, PartialEq)]
struct Row {
    number: u64,
    title: Option<String>,
    fields: Vec<(String, String)>,
}

impl Row {
    fn without_answers(mut self) -> Self {
        self.fields
            .retain(|(name, _)| !ADDED.contains(&name.as_str()));
        self
    }
}

fn rows(path: &Path, mapping: &Mapping) -> Result<Vec<Row>> {
    let options = Options {
        path: path.to_owned(),
        mapping: mapping.clone(),
        ..Options::default()
    };
    let mut file = tables::open(&options, &ITEMS)?;
    let mut rows = Vec::new();
    while let Some(record) = file.next_record() {
        let (title, fields) = match record.content {
            Content::Fields(fields) => (None, fields),
            Content::Heading(title) => (Some(title), tables::Fields::new()),
            Content::Bad(issue) => anyhow::bail!("{}", issue.message),
        };
        let filled = fields.into_iter().filter(|(_, value)| value.is_filled());
        let written = filled.map(|(name, value)| (name, written(&value)));
        rows.push(Row {
            number: record.number,
            title,
            fields: written.collect(),
        });
    }
    Ok(rows)
}

fn written(value: &Value) -> String {
    value.scalar().unwrap_or_else(|| format!("{value:?}"))
}
