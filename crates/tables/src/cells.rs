//! What the text of a cell means beside its words: nobody, nothing, an error of the spreadsheet.

/// Errors that spreadsheets write in place of a value, in English, German and French.
const ERRORS: [&str; 24] = [
    "#REF!",
    "#N/A",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NULL!",
    "#NUM!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#GETTING_DATA",
    "#ERROR!",
    "#BUSY!",
    "#PYTHON!",
    "#BEZUG!",
    "#NV",
    "#WERT!",
    "#ZAHL!",
    "#VALEUR!",
    "#NOM?",
    "#NOMBRE!",
];

/// Words that stand where nobody and nothing is known, in any case.
const NOTHING: [&str; 22] = [
    "nan",
    "n/a",
    "n.a.",
    "n.a",
    "na",
    "none",
    "null",
    "nil",
    "tbd",
    "t.b.d.",
    "tba",
    "tbc",
    "to be determined",
    "to be defined",
    "unassigned",
    "not assigned",
    "nobody",
    "unknown",
    "k.a.",
    "?",
    "(none)",
    "(blank)",
];

/// The error of the spreadsheet that the cell shows; none for anything else.
#[must_use]
pub fn error(cell: &str) -> Option<&'static str> {
    let cell = cell.trim();
    if !cell.starts_with('#') {
        return None;
    }
    ERRORS
        .into_iter()
        .find(|error| error.eq_ignore_ascii_case(cell))
}

/// Whether the cell says that there is nobody, or nothing yet: empty, `N/A`, `TBD`, `-`, an error.
#[must_use]
pub fn is_nothing(cell: &str) -> bool {
    let cell = cell.trim();
    let dashes = cell
        .chars()
        .all(|c| matches!(c, '-' | '–' | '—' | '_' | '.' | '/'));
    let word = |nothing: &&str| nothing.eq_ignore_ascii_case(cell);
    dashes || error(cell).is_some() || NOTHING.iter().any(word)
}

/// Whether the cell says nothing where labels are expected: as [`is_nothing`], but words that may be
/// a label (`None`, `Unknown`) are one.
#[must_use]
pub fn is_blank(cell: &str) -> bool {
    let cell = cell.trim();
    let dashes = cell.chars().all(|c| matches!(c, '-' | '–' | '—'));
    dashes || error(cell).is_some() || cell.eq_ignore_ascii_case("nan")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_many_names() {
        for cell in [
            "", " ", "-", "—", "N/A", "nan", "NaN", "None", "TBD", "#N/A", "#NV", "tbd ", "n.a.",
        ] {
            assert!(is_nothing(cell), "{cell}");
        }
        for cell in ["Nadia", "na dann", "e12", "#12", "O'Neil"] {
            assert!(!is_nothing(cell), "{cell}");
        }
    }

    #[test]
    fn labels_may_be_called_none() {
        assert!(is_blank("nan") && is_blank("#REF!") && is_blank(""));
        assert!(!is_blank("None") && !is_blank("n/a") && !is_blank("#12"));
        assert_eq!(error(" #ref! "), Some("#REF!"));
    }
}
