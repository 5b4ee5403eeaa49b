//! Shapes of tables that spreadsheets and people make.

#![allow(clippy::unwrap_used, reason = "tests")]

use tenantry_tables::{
    Content, EXPERTS, Fields, ITEMS, Mapping, OpenFile, Options, RemarkKind, Schema, Value,
};

fn opened(name: &str, content: &[u8], mapping: Mapping, schema: &'static Schema) -> OpenFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let options = Options {
        path,
        mapping,
        ..Options::default()
    };
    tenantry_tables::open(&options, schema).unwrap()
}

#[derive(Debug, Default)]
struct Read {
    rows: Vec<(u64, Fields)>,
    bad: Vec<(u64, String)>,
    titles: Vec<String>,
    remarks: Vec<(u64, RemarkKind)>,
    notes: String,
}

impl Read {
    fn column(&self, name: &str) -> Vec<String> {
        let text = |fields: &Fields| fields.get(name).and_then(Value::scalar).unwrap_or_default();
        self.rows.iter().map(|(_, fields)| text(fields)).collect()
    }
}

fn read_with(content: &[u8], mapping: Mapping) -> Read {
    let mut file = opened("a.csv", content, mapping, &ITEMS);
    let mut read = Read::default();
    while let Some(record) = file.next_record() {
        let number = record.number;
        read.remarks
            .extend(record.remarks.iter().map(|remark| (number, remark.kind)));
        match record.content {
            Content::Fields(fields) => read.rows.push((number, fields)),
            Content::Heading(title) => read.titles.push(title),
            Content::Bad(issue) => read.bad.push((number, issue.message)),
        }
    }
    read.notes = file.notes().join("\n");
    read
}

fn read(content: &str) -> Read {
    read_with(content.as_bytes(), Mapping::default())
}

#[test]
fn the_header_again_and_rows_of_delimiters_are_no_rows() {
    let table = "id,text,area\na,Why?,x\n,,\nID, Text ,AREA\nb,Who?,y\n;;;\n";
    let read = read(&table.replace(";;;", ",,,,"));
    assert_eq!(read.column("id"), ["a", "b"]);
    assert_eq!(read.rows[1].0, 4, "records are counted from the header on");
    assert!(
        read.notes.contains("header comes again 1 times"),
        "{}",
        read.notes
    );
}

#[test]
fn missing_and_extra_last_cells() {
    let read =
        read("id,text,expert,area\na,Why?\nb,Who?,e1,x,,\nc,Where?,e1,x,more\nd;When?;e1;x\n");
    assert_eq!(read.column("text"), ["Why?", "Who?"]);
    assert_eq!(read.remarks, [(1, RemarkKind::ShortRow)]);
    let said: Vec<&str> = read
        .bad
        .iter()
        .map(|(_, message)| message.as_str())
        .collect();
    assert!(
        said[0].contains("5 columns and the header 4; put quotes"),
        "{said:?}"
    );
    assert!(said[1].contains("separated by ';'"), "{said:?}");
}

#[test]
fn a_row_by_another_delimiter_is_told_and_no_title() {
    let mut table = "id,text,label\n".to_owned();
    (1..9).for_each(|i| table.push_str(&format!("q{i},Who does matter {i},x\n")));
    table.push_str("q9;Who does the last matter;x\n");
    let found = read(&table);
    assert_eq!((found.titles.len(), found.bad.len()), (0, 1));
    assert!(
        found.bad[0].1.contains("separated by ';'"),
        "{:?}",
        found.bad
    );
}

#[test]
fn one_column_needs_no_quotes() {
    let read = read("Question\nWhy, how, and when?\n\"Who, \"\"exactly\"\"?\"\n");
    assert_eq!(
        read.column("text"),
        ["Why, how, and when?", "Who, \"exactly\"?"]
    );
}

#[test]
fn titles_of_sections_are_told_from_questions() {
    let table = "No.,Question,Answer\n\
        ,Access control,\n\
        1.1,Who may enter,yes\n\
        1.2,Is entry logged?,yes\n\
        2,Cryptography,\n\
        2.1,Which ciphers are used?,\n\
        ,What about keys?,\n\
        Annex A: suppliers,,\n\
        3.1,List your suppliers.,\n\
        Q-17,,\n";
    let found = read(table);
    assert_eq!(
        found.titles,
        ["Access control", "Cryptography", "Annex A: suppliers"]
    );
    assert_eq!(
        found.column("text"),
        [
            "Who may enter",
            "Is entry logged?",
            "Which ciphers are used?",
            "What about keys?",
            "List your suppliers.",
            ""
        ]
    );
    assert_eq!(found.column("area")[2], "Cryptography");
    assert!(
        found.notes.contains("3 rows are read as titles"),
        "{}",
        found.notes
    );
    // Without ids, a short line may well be a question.
    let plain = read("Question,Answer\nEncryption,\nBackups,yes\nLogs,yes\n");
    assert_eq!(plain.titles, [""; 0]);
}

#[test]
fn cells_take_the_value_above_where_that_is_asked() {
    let table = b"area,id,text\nAccess,a,Why?\n,b,Who?\nKeys,c,How?\n-,d,When?\n";
    let mapping = Mapping {
        fill_down: vec!["Area".to_owned()],
        ..Mapping::default()
    };
    let read = read_with(table, mapping);
    assert_eq!(read.column("area"), ["Access", "Access", "Keys", "Keys"]);
}

#[test]
fn encodings_are_read_and_told_and_two_of_them_are_rejected_row_by_row() {
    let latin = b"id;text;Pr\xfcfer\n1;Wie gro\xdf ist \x84gro\xdf\x93?;J\xf6rg\n";
    let read_latin = read_with(latin, Mapping::default());
    assert!(read_latin.bad.is_empty(), "{read_latin:?}");
    assert_eq!(read_latin.column("text"), ["Wie groß ist „groß“?"]);
    assert_eq!(read_latin.column("Prüfer"), ["Jörg"]);
    assert!(
        read_latin.notes.contains("windows-1252"),
        "{}",
        read_latin.notes
    );
    let mut mixed = "id,text\n1,Größe für Jörg?\n".as_bytes().to_vec();
    mixed.extend(b"2,Gr\xf6\xdfe?\n3,plain?\n");
    let read_mixed = read_with(&mixed, Mapping::default());
    assert_eq!(read_mixed.column("id"), ["1", "3"]);
    assert_eq!(read_mixed.bad[0].0, 2);
    assert!(
        read_mixed.bad[0].1.contains("--encoding"),
        "{:?}",
        read_mixed.bad
    );
}

#[test]
fn lists_in_cells_keep_quoted_separators() {
    let read = read("id,text,labels\n1,Why?,\"\"\"Access (SSO; MFA)\"\"; Billing\"\n");
    let labels = &read.rows[0].1["labels"];
    let texts = ["Access (SSO; MFA)", "Billing"].map(|text| Value::Text(text.to_owned()));
    assert_eq!(*labels, Value::List(texts.to_vec()));
}

#[test]
fn people_have_usual_names_too() {
    let table =
        "Team of 2026,,\nFull Name,E-Mail,Areas of expertise\nAnna Berg,anna@example.com,keys\n";
    let mut file = opened("people.csv", table.as_bytes(), Mapping::default(), &EXPERTS);
    let Content::Fields(fields) = file.next_record().unwrap().content else {
        panic!("a row is a row");
    };
    assert_eq!(fields["id"].scalar().unwrap(), "anna@example.com");
    assert_eq!(fields["display_name"].scalar().unwrap(), "Anna Berg");
    assert_eq!(fields["profile"].scalar().unwrap(), "keys");
}

#[test]
fn json_of_other_tools_is_read_by_usual_names_and_our_own_by_its_own() {
    let other = br#"[{"questionId": "A/1", "questionText": "Why?", "category": "x"}]"#;
    let mut file = opened("a.json", other, Mapping::default(), &ITEMS);
    let Content::Fields(fields) = file.next_record().unwrap().content else {
        panic!("an object is a row");
    };
    assert_eq!(fields["area"].scalar().unwrap(), "x");
    assert!(file.notes().join("\n").contains("usual names"));
    let own = br#"{"id": "a", "text": "Why?", "category": "x", "question": "no"}"#;
    let mut file = opened("a.jsonl", own, Mapping::default(), &ITEMS);
    let Content::Fields(fields) = file.next_record().unwrap().content else {
        panic!("an object is a row");
    };
    assert!(fields.contains_key("category") && fields.contains_key("question"));
    assert!(file.notes().is_empty());
}
