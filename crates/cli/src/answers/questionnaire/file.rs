//! Reads a questionnaire: its questions, and everything else in its place.

use tables::{Column, Content, Fields, ITEMS, OpenFile, Options, Value, cells, source};

use crate::error::CliError;

/// A questionnaire, read.
pub struct Questionnaire {
    /// Each row of it with the number it has in the file.
    pub lines: Vec<(u64, Line)>,
    /// The other fields of each row, as many as there are lines.
    pub fields: Vec<Fields>,
    /// The columns; none of JSON.
    pub columns: Vec<Column>,
    /// The sheet and the row of its header, of a workbook.
    pub sheet: Option<(String, u64)>,
    /// What was guessed.
    pub notes: Vec<String>,
    /// What is wrong with the file itself.
    pub problem: Option<String>,
}

/// One row of a questionnaire.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A question.
    Question(Question),
    /// The title of a section.
    Heading(String),
    /// A row that has no question to be asked.
    Unasked {
        /// The row's id, or its number.
        id: String,
        /// What stands where the question would.
        text: String,
        /// The stable code.
        reason: &'static str,
        /// Why, and what to do.
        message: String,
    },
}

/// One question of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id; its number in the file where it has none.
    pub id: String,
    /// Its words.
    pub text: String,
    /// Its area, where it is known.
    pub area: String,
}

impl Questionnaire {
    /// The questions, in order.
    pub fn questions(&self) -> Vec<&Question> {
        let questions = self.lines.iter().filter_map(|(_, line)| match line {
            Line::Question(question) => Some(question),
            _ => None,
        });
        questions.collect()
    }
}

/// Reads the file.
///
/// # Errors
/// When it cannot be read, or has no questions.
pub fn read(options: &Options) -> Result<Questionnaire, CliError> {
    let mut file = tables::open(options, &ITEMS)?;
    let name = source::display_name(&options.path);
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    while let Some(record) = file.next_record() {
        let (line, fields) = match record.content {
            Content::Heading(title) => (Line::Heading(title), Fields::new()),
            Content::Bad(issue) => {
                let line = Line::Unasked {
                    id: record.number.to_string(),
                    text: String::new(),
                    reason: issue.reason.code(),
                    message: format!("{} {}: {}", file.unit(), record.number, issue.message),
                };
                (line, Fields::new())
            }
            Content::Fields(fields) => (line_of(&fields, record.number), fields),
        };
        lines.push((record.number, line));
        all.push(fields);
    }
    refuse_without_questions(&name, &file, &lines)?;
    Ok(Questionnaire {
        lines,
        fields: all,
        columns: file.columns.clone(),
        sheet: file.sheet.clone().map(|sheet| (sheet, file.header_row)),
        notes: file.notes(),
        problem: file.problem(),
    })
}

fn refuse_without_questions(
    name: &str,
    file: &OpenFile,
    lines: &[(u64, Line)],
) -> Result<(), CliError> {
    if lines
        .iter()
        .any(|(_, line)| matches!(line, Line::Question(_)))
    {
        return Ok(());
    }
    if lines.is_empty() {
        return Err(CliError::usage(format!("{name} has no questions")));
    }
    let names: Vec<_> = file
        .columns
        .iter()
        .take(20)
        .map(|column| column.name.as_str())
        .collect();
    let columns = match names.as_slice() {
        [] => String::new(),
        names => format!("; its columns are {}", names.join(", ")),
    };
    Err(CliError::usage(format!("no row of {name} has a text{columns}")).hint(
        "say which column has the questions: --column text=NAME (and --header-row N where the header \
         is not the first line)",
    ))
}

/// The question that a row holds; its number in the file names it where it has no id.
fn line_of(fields: &Fields, number: u64) -> Line {
    let text = |name: &str| {
        let found = fields.get(name).and_then(Value::scalar);
        found.unwrap_or_default().trim().to_owned()
    };
    let id = match text("id") {
        id if id.is_empty() => number.to_string(),
        id => id,
    };
    let words = text("text");
    let message = match cells::error(&words) {
        Some(error) => {
            format!("`text` is the error {error} of the spreadsheet; repair the formula")
        }
        None if cells::is_nothing(&words) => {
            "`text` has no question in it; write the question's words".to_owned()
        }
        None => {
            return Line::Question(Question {
                id,
                text: words,
                area: text("area"),
            });
        }
    };
    Line::Unasked {
        id,
        text: words,
        reason: "EMPTY_TEXT",
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    fn options(name: &str, content: &str) -> (tempfile::TempDir, Options) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let options = Options {
            path,
            ..Options::default()
        };
        (folder, options)
    }

    #[test]
    fn csv_and_jsonl_are_read_and_rows_keep_their_places() {
        let (_csv, csv) = options("q.csv", "id,Question,area\n7,Why?,law\n,How?,\n");
        let read = read(&csv).unwrap();
        let questions = read.questions();
        let ids: Vec<_> = questions.iter().map(|one| one.id.as_str()).collect();
        assert_eq!((ids, &read.problem), (vec!["7", "2"], &None));
        assert_eq!(
            (questions[0].text.as_str(), questions[0].area.as_str()),
            ("Why?", "law")
        );
        let (_jsonl, jsonl) = options("q.jsonl", "{\"text\": \"Why?\"}\nnot json\n");
        let read = super::read(&jsonl).unwrap();
        assert!(matches!(read.lines[0].1, Line::Question(_)));
        assert!(matches!(
            &read.lines[1],
            (
                2,
                Line::Unasked {
                    reason: "UNREADABLE",
                    ..
                }
            )
        ));
    }

    #[test]
    fn titles_and_empty_questions_are_not_asked() {
        let text = "Nr.;Frage;Antwort\nAllgemeine Angaben;;\n1.1;Wer haftet?;ja\n1.2;#NV;\n1.3;Seit wann?;\n";
        let (_folder, options) = options("q.csv", text);
        let lines: Vec<Line> = read(&options)
            .unwrap()
            .lines
            .into_iter()
            .map(|(_, l)| l)
            .collect();
        assert_eq!(lines[0], Line::Heading("Allgemeine Angaben".to_owned()));
        assert!(matches!(&lines[1], Line::Question(one) if one.area == "Allgemeine Angaben"));
        assert!(matches!(&lines[2], Line::Unasked { message, .. } if message.contains("#NV")));
        assert!(matches!(&lines[3], Line::Question(one) if one.id == "1.3"));
    }

    #[test]
    fn a_file_without_questions_is_refused_with_a_hint() {
        let (_csv, csv) = options("q.csv", "id,words\n7,Why?\n");
        let error = read(&csv).err().unwrap();
        assert!(
            error.report().contains("--column text="),
            "{}",
            error.report()
        );
        let (_empty, empty) = options("q.csv", "id,text\n");
        assert_eq!(read(&empty).err().unwrap().exit, Exit::Usage);
    }
}
