//! Rows with named fields, whatever file they come from.

use domain::RowIssue;

use crate::value::Fields;

/// One row of a file.
#[derive(Debug)]
pub struct Record {
    /// Where it stands: see [`Records::unit`].
    pub number: u64,
    /// What it says.
    pub content: Content,
    /// The row as it came.
    pub raw: Vec<u8>,
    /// What a person should know of how it was read.
    pub remarks: Vec<Remark>,
}

/// What a row says.
#[derive(Debug)]
pub enum Content {
    /// Its fields.
    Fields(Fields),
    /// The title of the rows that follow.
    Heading(String),
    /// Why it cannot be read.
    Bad(RowIssue),
}

/// Something about a row that was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub kind: RemarkKind,
    /// The field, where it is about one.
    pub field: String,
    /// A sentence.
    pub message: String,
}

/// What a remark is about; the codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemarkKind {
    /// The row ends before the header does.
    ShortRow,
    /// More than one object stands on the line.
    SeveralOnALine,
    /// A field is empty that nine of ten rows have.
    UsuallyFilled,
    /// The text came before under another id.
    RepeatedText,
    /// The row says no time.
    NoTime,
    /// The time was read by a rule that the person may want to change.
    GuessedTime,
    /// A cell holds an error of the spreadsheet.
    CellError,
}

impl RemarkKind {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ShortRow => "SHORT_ROW",
            Self::SeveralOnALine => "SEVERAL_ON_A_LINE",
            Self::UsuallyFilled => "USUALLY_FILLED",
            Self::RepeatedText => "REPEATED_TEXT",
            Self::NoTime => "NO_TIME",
            Self::GuessedTime => "GUESSED_TIME",
            Self::CellError => "CELL_ERROR",
        }
    }
}

impl Record {
    /// A row that cannot be read.
    #[must_use]
    pub fn bad(number: u64, issue: RowIssue, raw: Vec<u8>) -> Self {
        Self {
            number,
            content: Content::Bad(issue),
            raw,
            remarks: Vec::new(),
        }
    }
}

/// A source of records.
pub trait Records: Send {
    /// The next record; none at the end, or where the file breaks off.
    fn next_record(&mut self) -> Option<Record>;
    /// What is wrong with the file itself, once its records are read.
    fn problem(&self) -> Option<String>;
    /// What a record's number counts: a `line` of JSON, a `record` of CSV after the header, a `row`
    /// of a sheet.
    fn unit(&self) -> &'static str;
    /// What was done without being asked for, in sentences, once the records are read.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
