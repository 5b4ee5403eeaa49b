//! What separates the columns of a CSV file: what fits most of its rows, quotes minded.

use crate::csv::Splitter;
use crate::lines::without_end;

/// What files are separated by, the more usual first.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
/// So many records say enough.
const RECORDS: usize = 200;

/// The delimiter that a spreadsheet's first line `sep=;` names; none for any other line.
#[must_use]
pub fn named(line: &[u8]) -> Option<u8> {
    let line = without_end(line);
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let line = line.strip_suffix(b"\"").unwrap_or(line);
    let (head, rest) = line.split_at_checked(4)?;
    match rest {
        [delimiter] if head.eq_ignore_ascii_case(b"sep=") => Some(*delimiter),
        _ => None,
    }
}

/// The delimiter of a text that begins with `start`.
#[must_use]
pub fn find(start: &[u8]) -> u8 {
    let scored = CANDIDATES.into_iter().map(|one| (score(start, one), one));
    // The first of equals: a file of one column is comma-separated as well as anything.
    scored
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map_or(b',', |(_, delimiter)| delimiter)
}

/// How well a delimiter fits: rows that have the usual number of columns count twice, other rows
/// that it splits once, and of equals the one that makes more columns is better.
fn score(start: &[u8], delimiter: u8) -> (usize, usize) {
    let widths = widths(start, delimiter);
    let split = widths.iter().filter(|width| **width > 1).count();
    let fits = |width: usize| widths.iter().filter(|other| **other == width).count();
    let usual = widths.iter().filter(|width| **width > 1);
    let usual = usual.max_by_key(|width| (fits(**width), **width)).copied();
    usual.map_or((0, 0), |width| (fits(width) + split, width))
}

/// The number of columns of each record.
fn widths(start: &[u8], delimiter: u8) -> Vec<usize> {
    let mut widths = Vec::new();
    let mut splitter = Splitter::new(delimiter);
    let lines = start
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !line.trim_ascii().is_empty());
    for line in lines {
        match splitter.feed(line) {
            Ok(true) => continue,
            Ok(false) => widths.push(splitter.count()),
            // Quotes that do not close before the next delimiter: not by this one.
            Err(_) => widths.push(0),
        }
        splitter = Splitter::new(delimiter);
        if widths.len() >= RECORDS {
            break;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_most_rows_separates_them() {
        for (text, found) in [
            ("id,text\na,b\n", b','),
            ("ID;Text\na;b, c\n", b';'),
            ("id\ttext\na\tb\n", b'\t'),
            ("id|text\na|b\n", b'|'),
            ("text\nWhy, how, and when?\nWho?\n", b','),
            (
                "id;text;area\n1;\"a, b, c, d, e\nf, g\";x\n2;h, i;y\n",
                b';',
            ),
            (
                "Fragebogen, Teil 1, Stand Mai, Entwurf\n\nNr;Frage;Antwort\n1;Wer, wo?;\n2;Wie?;\n",
                b';',
            ),
            ("id,text,area\na,b\nc,d,e,f\ng;h;i\n", b','),
            ("", b','),
        ] {
            assert_eq!(find(text.as_bytes()) as char, found as char, "{text}");
        }
    }

    #[test]
    fn only_a_whole_line_names_it() {
        assert_eq!(named(b"sep=;\r\n"), Some(b';'));
        assert_eq!(named(b"SEP=,"), Some(b','));
        assert_eq!(named(b"sep=;;"), None);
        assert_eq!(named(b"separator"), None);
        assert_eq!(named("sé".as_bytes()), None);
    }
}
