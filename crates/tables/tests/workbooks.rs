//! Workbooks as people and attackers make them: read, answered, refused.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::io::{Cursor, Read as _, Write as _};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use tables::answers::{Cell, Columns, beside, new_workbook};
use tables::{Content, Fields, ITEMS, Options, Value};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

fn saved(bytes: &[u8]) -> (tempfile::TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.xlsx");
    std::fs::write(&path, bytes).unwrap();
    let options = Options {
        path,
        ..Options::default()
    };
    (folder, options)
}

fn rows(options: &Options) -> Vec<(u64, Fields)> {
    let mut file = tables::open(options, &ITEMS).unwrap();
    let all = std::iter::from_fn(|| file.next_record());
    all.filter_map(|record| match record.content {
        Content::Fields(fields) => Some((record.number, fields)),
        _ => None,
    })
    .collect()
}

fn text(fields: &Fields, name: &str) -> String {
    fields.get(name).and_then(Value::scalar).unwrap_or_default()
}

fn questionnaire() -> Workbook {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("Read me").unwrap();
    let sheet = book.add_worksheet().set_name("Questions").unwrap();
    sheet.write_string(0, 0, "Supplier questions").unwrap();
    for (column, name) in ["Domain", "No.", "Question", "Answer", "Date", "Owner"]
        .iter()
        .enumerate()
    {
        sheet.write_string(2, column as u16, *name).unwrap();
    }
    let plain = Format::new();
    sheet.merge_range(3, 0, 5, 0, "Identity", &plain).unwrap();
    let day = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    for row in 3..7_u32 {
        sheet.write_number(row, 1, f64::from(row - 2)).unwrap();
        sheet
            .write_string(row, 2, format!("How is matter {row} handled?"))
            .unwrap();
        let at = ExcelDateTime::from_ymd(2025, 3, row as u8)
            .unwrap()
            .and_hms(9, 30, 0)
            .unwrap();
        sheet.write_datetime_with_format(row, 4, &at, &day).unwrap();
    }
    sheet.write_formula(3, 5, "=#REF!").unwrap();
    sheet
        .insert_chart(10, 1, &{
            let mut chart = rust_xlsxwriter::Chart::new(rust_xlsxwriter::ChartType::Column);
            chart.add_series().set_values("Questions!$B$4:$B$7");
            chart
        })
        .unwrap();
    book
}

#[test]
fn the_sheet_with_the_questions_is_found_and_its_cells_are_understood() {
    let (_folder, options) = saved(&questionnaire().save_to_buffer().unwrap());
    let read = rows(&options);
    let numbers: Vec<u64> = read.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [4, 5, 6, 7], "the sheet's own numbers");
    let areas: Vec<String> = read
        .iter()
        .map(|(_, fields)| text(fields, "area"))
        .collect();
    assert_eq!(areas, ["Identity", "Identity", "Identity", ""]);
    let first = &read[0].1;
    assert_eq!(text(first, "id"), "1");
    assert_eq!(text(first, "at"), "2025-03-03T09:30:00");
    let mut file = tables::open(&options, &ITEMS).unwrap();
    while file.next_record().is_some() {}
    let notes = file.notes().join("\n");
    assert!(
        notes.contains("\"Questions\"") && notes.contains("\"Read me\""),
        "{notes}"
    );
    assert!(notes.contains("header is on line 3"), "{notes}");
}

#[test]
fn a_sheet_that_is_not_there_is_told_with_those_that_are() {
    let (_folder, mut options) = saved(&questionnaire().save_to_buffer().unwrap());
    options.mapping.sheet = Some("Fragen".to_owned());
    let error = tables::open(&options, &ITEMS).err().unwrap().to_string();
    assert!(error.contains("\"Questions\""), "{error}");
    options.mapping.sheet = Some("questions".to_owned());
    assert_eq!(rows(&options).len(), 4);
}

fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|place| {
            let mut file = archive.by_index(place).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

#[test]
fn answers_come_beside_the_questions_and_the_rest_stays_byte_for_byte() {
    let original = questionnaire().save_to_buffer().unwrap();
    let columns = Columns {
        heads: vec!["Expert".to_owned(), "Probability".to_owned()],
        header_row: 3,
        rows: (4..=7)
            .map(|row| {
                (
                    row,
                    vec![Cell::Text(format!("=e{row} <&>")), Cell::Number(0.5)],
                )
            })
            .collect(),
    };
    let answered = beside(&original, "Questions", &columns).unwrap();
    let (before, after) = (parts(&original), parts(&answered));
    assert_eq!(before.len(), after.len());
    let changed: Vec<&str> = before
        .iter()
        .zip(&after)
        .filter(|(one, other)| one != other)
        .map(|((name, _), _)| name.as_str())
        .collect();
    assert_eq!(changed, ["xl/worksheets/sheet2.xml"]);
    let (_folder, options) = saved(&answered);
    let read = rows(&options);
    assert_eq!(text(&read[1].1, "Expert"), "=e5 <&>");
    assert_eq!(text(&read[1].1, "Probability"), "0.5");
    assert_eq!(text(&read[1].1, "text"), "How is matter 4 handled?");
    // Once more: further columns, and none in the way of another.
    let again = beside(&answered, "Questions", &columns).unwrap();
    let (_folder, options) = saved(&again);
    assert_eq!(text(&rows(&options)[1].1, "Expert_2"), "=e5 <&>");
}

#[test]
fn a_new_workbook_has_what_was_asked_and_answered() {
    let heads = ["Question", "Expert"].map(str::to_owned);
    let rows_written = [vec![
        Cell::from("=1+1, or not?"),
        Cell::from("x".repeat(40_000).as_str()),
    ]];
    let bytes = new_workbook(&heads, &rows_written).unwrap();
    let (_folder, options) = saved(&bytes);
    let read = rows(&options);
    assert_eq!(text(&read[0].1, "text"), "=1+1, or not?");
    assert_eq!(text(&read[0].1, "expert").chars().count(), 32_767);
}

/// The smallest workbook that has `sheet` as its one sheet.
fn by_hand(sheet: &[u8], more: &[(&str, &[u8])]) -> Vec<u8> {
    let fixed: [(&str, &[u8]); 4] = [
        ("[Content_Types].xml", br#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#),
        ("_rels/.rels", br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#),
        ("xl/workbook.xml", br#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", br#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#),
    ];
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let all = fixed
        .into_iter()
        .chain([("xl/worksheets/sheet1.xml", sheet)]);
    for (name, bytes) in all.chain(more.iter().copied()) {
        out.start_file(name, SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn sheet(rows: &str) -> Vec<u8> {
    format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData>{rows}</sheetData></worksheet>"#
    )
    .into_bytes()
}

fn cell(place: &str, text: &str) -> String {
    format!(r#"<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

fn header() -> String {
    format!(
        r#"<row r="1">{}{}</row>"#,
        cell("A1", "id"),
        cell("B1", "text")
    )
}

#[test]
fn a_million_empty_rows_and_a_cell_in_the_last_corner_cost_little() {
    let mut text = header();
    text.push_str(&format!(
        r#"<row r="2">{}{}</row>"#,
        cell("A2", "a"),
        cell("B2", "Why?")
    ));
    for row in 3..1_000_000 {
        text.push_str(&format!(r#"<row r="{row}"/>"#));
    }
    text.push_str(&format!(
        r#"<row r="1048576">{}</row>"#,
        cell("XFD1048576", "far")
    ));
    let (_folder, options) = saved(&by_hand(&sheet(&text), &[]));
    let read = rows(&options);
    assert_eq!(text_of(&read), ["Why?"]);
}

fn text_of(rows: &[(u64, Fields)]) -> Vec<String> {
    rows.iter()
        .map(|(_, fields)| text(fields, "text"))
        .collect()
}

#[test]
fn a_cell_of_five_megabytes_costs_its_row_alone() {
    let long = "x".repeat(5 << 20);
    let text = format!(
        r#"{}<row r="2">{}{}</row><row r="3">{}{}</row>"#,
        header(),
        cell("A2", "a"),
        cell("B2", &long),
        cell("A3", "b"),
        cell("B3", "Who?"),
    );
    let (_folder, options) = saved(&by_hand(&sheet(&text), &[]));
    let mut file = tables::open(&options, &ITEMS).unwrap();
    let first = file.next_record().unwrap();
    assert!(matches!(first.content, Content::Bad(issue) if issue.message.contains("bytes")));
    assert!(matches!(
        file.next_record().unwrap().content,
        Content::Fields(_)
    ));
}

#[test]
fn an_archive_that_unpacks_to_too_much_is_refused() {
    let zeros = vec![b' '; 300 << 20];
    let bomb = by_hand(&sheet(&header()), &[("xl/media/image1.png", &zeros)]);
    assert!(bomb.len() < 2 << 20);
    let (_folder, options) = saved(&bomb);
    let error = tables::open(&options, &ITEMS).err().unwrap().to_string();
    assert!(error.contains("256 MiB"), "{error}");
}

#[test]
fn damaged_workbooks_are_refused_with_a_sentence() {
    let whole = by_hand(&sheet(&header()), &[]);
    let cut = &whole[..whole.len() / 2];
    let no_book = {
        let mut out = ZipWriter::new(Cursor::new(Vec::new()));
        out.start_file("a.txt", SimpleFileOptions::default())
            .unwrap();
        out.finish().unwrap().into_inner()
    };
    let torn = by_hand(b"<worksheet><sheetData><row><c", &[]);
    for bytes in [cut, &no_book[..], &torn[..]] {
        let (_folder, options) = saved(bytes);
        let error = tables::open(&options, &ITEMS).err().unwrap().to_string();
        assert!(error.contains("workbook") && error.len() > 40, "{error}");
    }
    assert!(beside(&whole, "Other", &Columns::default()).is_err());
}
