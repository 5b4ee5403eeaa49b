//! Tells the titles of sections, which stand alone in their row, from questions.

use crate::cells::is_nothing;
use crate::columns::Column;
use crate::grid::GridRow;
use crate::value::Value;

/// A title is not longer.
const TITLE_CHARS: usize = 120;
const TITLE_WORDS: usize = 14;
/// A title that stands beside a number of its own is shorter still.
const NUMBERED_TITLE_WORDS: usize = 8;

/// What rows of the file usually have, to tell a title by.
#[derive(Debug, Default)]
pub(crate) struct Headings {
    id: Option<usize>,
    text: Option<usize>,
    /// Rows have more than one filled cell.
    wide: bool,
    /// Nearly all rows with a text have an id.
    ids: bool,
    /// Levels of a usual id: 2 of `4.1`.
    depth: usize,
}

impl Headings {
    /// Learns from the first rows below the header.
    pub(crate) fn learn(columns: &[Column], rows: &[&GridRow]) -> Self {
        let place = |field| {
            columns
                .iter()
                .position(|column| column.field == Some(field))
        };
        let (id, text) = (place("id"), place("text"));
        let filled: Vec<usize> = rows.iter().map(|row| row.filled().count()).collect();
        let several = filled.iter().filter(|count| **count > 1).count();
        let mut ids = Vec::new();
        let mut texts = 0;
        for row in rows {
            let has = |place: Option<usize>| row.filled().find(|(at, _)| Some(*at) == place);
            if has(text).is_some() {
                texts += 1;
                ids.extend(has(id).and_then(|(_, cell)| cell.scalar()));
            }
        }
        let mut depths: Vec<usize> = ids.iter().map(|id| depth(id)).collect();
        depths.sort_unstable();
        Self {
            id,
            text,
            wide: several * 2 > rows.len(),
            ids: id.is_some() && ids.len() * 10 >= texts * 6 && !ids.is_empty(),
            depth: depths.get(depths.len() / 2).copied().unwrap_or(0),
        }
    }

    /// The title that the row is; none of any other row.
    pub(crate) fn title(&self, row: &GridRow) -> Option<String> {
        let text = self.text.filter(|_| self.wide)?;
        if row.filled().nth(2).is_some() {
            return None;
        }
        let filled: Vec<(usize, String)> = row
            .filled()
            .filter_map(|(place, cell)| Some((place, cell.scalar()?)))
            .collect();
        match &filled[..] {
            [(place, title)] if *place != text => {
                let word = title.chars().any(char::is_alphabetic);
                let named = title.contains(char::is_whitespace)
                    || !title.chars().any(|c| c.is_ascii_digit());
                (word && named && is_title(title, TITLE_WORDS)).then(|| title.trim().to_owned())
            }
            [(_, title)] => {
                (self.ids && is_title(title, TITLE_WORDS)).then(|| title.trim().to_owned())
            }
            [(id, number), (place, title)] if Some(*id) == self.id && *place == text => {
                let above = self.depth > 1 && depth(number) < self.depth && depth(number) > 0;
                (above && is_title(title, NUMBERED_TITLE_WORDS)).then(|| title.trim().to_owned())
            }
            _ => None,
        }
    }
}

fn is_title(text: &str, words: usize) -> bool {
    let text = text.trim();
    !text.ends_with(['?', '.', ':'])
        && !is_nothing(text)
        && text.chars().count() <= TITLE_CHARS
        && text.split_whitespace().count() <= words
        && !text.contains('\n')
}

/// Levels of a number such as `4.1.2`; 0 where it is none.
fn depth(id: &str) -> usize {
    let parts: Vec<&str> = id.trim().trim_end_matches('.').split('.').collect();
    let numbers = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if numbers { parts.len() } else { 0 }
}

/// The text of a title as it stands in the cells of its row.
pub(crate) fn is_blank_cell(cell: &Value) -> bool {
    cell.scalar().is_none_or(|text| is_nothing(&text)) && !matches!(cell, Value::List(_))
}
