//! Fields of JSON rows by their other names: as the person says, or, in a file that is not written
//! for Tenantry at all, by the usual ones.

use std::collections::{BTreeMap, VecDeque};

use crate::columns::{Column, Mapping, resolve};
use crate::error::FileError;
use crate::names::Schema;
use crate::record::{Content, Record, Records};
use crate::value::Fields;

/// The names of a file's fields follow from so many of its rows.
const SAMPLE: usize = 200;

/// Rows of JSON whose fields have the names that the schema gives them.
pub struct RenamedRows {
    records: Box<dyn Records>,
    ahead: VecDeque<Record>,
    columns: Vec<Column>,
    /// The name in the file to the name of the field.
    renamed: BTreeMap<String, String>,
    /// Fields that are left out.
    dropped: Vec<String>,
    keep: bool,
}

impl RenamedRows {
    /// Learns the names from the first rows.
    ///
    /// # Errors
    /// When the mapping names a field that is not there.
    pub fn new(
        mut records: Box<dyn Records>,
        schema: &'static Schema,
        mapping: &Mapping,
    ) -> Result<Self, FileError> {
        let mut ahead = VecDeque::new();
        let mut names: Vec<String> = Vec::new();
        while ahead.len() < SAMPLE
            && let Some(record) = records.next_record()
        {
            if let Content::Fields(fields) = &record.content {
                let new = fields.keys().filter(|name| !names.contains(name));
                let new: Vec<String> = new.cloned().collect();
                names.extend(new);
            }
            ahead.push_back(record);
        }
        // Rows that have a telling field by its own name are written for us: what else they bear is
        // meant as it is called.
        let own = schema
            .telling
            .iter()
            .all(|field| names.iter().any(|name| name == field));
        let said = mapping.columns != BTreeMap::new() || !mapping.keep.is_empty();
        let columns = if names.is_empty() || (own && !said) {
            Vec::new()
        } else {
            let mut columns = resolve(&names, schema, mapping)?;
            if own {
                let guesses = columns.iter_mut().filter(|column| column.guessed);
                guesses.for_each(|column| (column.field, column.guessed) = (None, false));
            }
            columns
        };
        let renamed = columns
            .iter()
            .zip(&names)
            .filter(|(column, name)| column.key() != *name);
        let renamed = renamed.map(|(column, name)| (name.clone(), column.key().to_owned()));
        let dropped = columns
            .iter()
            .zip(&names)
            .filter(|(column, _)| !column.kept);
        let dropped = dropped.map(|(_, name)| name.clone()).collect();
        Ok(Self {
            renamed: renamed.collect(),
            dropped,
            keep: !mapping.keep.is_empty(),
            records,
            ahead,
            columns,
        })
    }

    /// The fields that were given names; none where the file has those of the schema.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn named(&self, fields: Fields) -> Fields {
        if self.renamed.is_empty() && !self.keep {
            return fields;
        }
        let kept = fields
            .into_iter()
            .filter(|(name, _)| !self.dropped.contains(name));
        kept.map(|(name, value)| (self.renamed.get(&name).cloned().unwrap_or(name), value))
            .collect()
    }
}

impl Records for RenamedRows {
    fn next_record(&mut self) -> Option<Record> {
        let next = self
            .ahead
            .pop_front()
            .or_else(|| self.records.next_record())?;
        Some(match next.content {
            Content::Fields(fields) => Record {
                content: Content::Fields(self.named(fields)),
                ..next
            },
            content => Record { content, ..next },
        })
    }

    fn problem(&self) -> Option<String> {
        self.records.problem()
    }

    fn unit(&self) -> &'static str {
        self.records.unit()
    }
}
