//! The reader against small cases, and against the malformed files of the project's data.

use std::io::Write as _;
use std::path::Path;

use api::v1;
use tables::Remark;
use tables::times::TimeRules;

use super::batch::{Batch, Batches, prefix_of};
use super::*;

mod malformed;
mod values;

fn rules() -> RowRules {
    RowRules {
        require: Require::Auto,
        duplicates: DuplicatePolicy::Reject,
        conflicts: ConflictPolicy::Keep,
        types: TypePolicy::Auto,
        filters: Vec::new(),
        times: TimeRules::default(),
    }
}

fn options(path: &Path) -> ReadOptions {
    ReadOptions {
        table: Options {
            path: path.to_owned(),
            ..Options::default()
        },
        rules: rules(),
        at: None,
    }
}

fn written(name: &str, text: &str) -> (tempfile::TempDir, ReadOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    (folder, options(&path))
}

#[derive(Debug, Default)]
struct Read {
    items: Vec<(u64, v1::Item)>,
    rejected: Vec<(u64, v1::UnreadableRow)>,
    filtered: usize,
    remarks: Vec<(u64, Remark)>,
    notes: Vec<String>,
    problem: Option<String>,
}

impl Read {
    fn reasons(&self) -> Vec<(u64, &str)> {
        self.rejected
            .iter()
            .map(|(line, row)| (*line, row.reason.as_str()))
            .collect()
    }

    fn remarked(&self) -> Vec<(u64, &str)> {
        self.remarks
            .iter()
            .map(|(line, remark)| (*line, remark.kind.code()))
            .collect()
    }

    fn kept(&self) -> Vec<u64> {
        self.items.iter().map(|(line, _)| *line).collect()
    }
}

fn read(options: &ReadOptions) -> Read {
    let mut file = ItemFile::open(options).unwrap();
    let mut read = Read::default();
    for checked in &mut file {
        match checked {
            Checked::Item(row, remarks) => {
                let v1::ingest_row::Row::Item(item) = row.row.unwrap() else {
                    panic!("an item is an item");
                };
                read.items.push((row.line, item));
                read.remarks
                    .extend(remarks.into_iter().map(|remark| (row.line, remark)));
            }
            Checked::Rejected(row) => {
                let v1::ingest_row::Row::Unreadable(bad) = row.row.unwrap() else {
                    panic!("a rejected row is unreadable to the server");
                };
                read.rejected.push((row.line, bad));
            }
            Checked::Filtered => read.filtered += 1,
            Checked::Passed => {}
        }
    }
    read.notes = file.notes();
    read.problem = file.problem();
    read
}

#[test]
fn all_fields_of_a_row_arrive() {
    let row = r#"{"id":"q1","text":"Do you encrypt?","answer":"Yes","area":"sec","labels":["a"],
        "label":"b","expert":"e1","also":["e2","e1"],"at":"2024-05-01T09:00:00+02:00",
        "attributes":{"k":"v","n":1},"split":"train","score":0.5,"urgent":true,"none":null}"#;
    let (_folder, options) = written("a.jsonl", &row.replace('\n', " "));
    let read = read(&options);
    assert_eq!(read.reasons(), []);
    let item = &read.items[0].1;
    assert_eq!((item.item_id.as_str(), item.answer.as_str()), ("q1", "Yes"));
    assert_eq!(item.experts, ["e1", "e2"]);
    assert_eq!(item.labels, ["a", "b"]);
    assert_eq!(item.occur_time.as_ref().unwrap().seconds, 1_714_546_800);
    let attributes: std::collections::BTreeMap<_, _> = item
        .attributes
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let expected = [
        ("k", "v"),
        ("n", "1"),
        ("score", "0.5"),
        ("split", "train"),
        ("urgent", "true"),
    ];
    assert_eq!(attributes.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn csv_columns_are_read_by_header_and_lists_are_split() {
    let text = "ID,Text,Expert,Also,Labels,split\nq1,\" One? \",e1,e2;e3,a|b, train \n";
    let (_folder, options) = written("a.csv", text);
    let item = read(&options).items.remove(0).1;
    assert_eq!(
        (item.item_id.as_str(), item.text.as_str()),
        ("q1", " One? ")
    );
    assert_eq!(item.experts, ["e1", "e2", "e3"]);
    assert_eq!(item.labels, ["a", "b"]);
    assert_eq!(item.attributes["split"], "train");
}

#[test]
fn what_nine_rows_of_ten_have_is_remarked_or_asked_for() {
    let mut text: String = (1..=19)
        .map(|i| format!("{{\"id\":\"q{i}\",\"text\":\"question {i}\",\"area\":\"a\"}}\n"))
        .collect();
    text.push_str(
        "{\"id\":\"q20\",\"text\":\"question 20\"}\n{\"text\":\"no id\",\"area\":\"a\"}\n",
    );
    let (_folder, mut options) = written("a.jsonl", &text);
    let taken = read(&options);
    assert_eq!(taken.reasons(), [(21, "MISSING_FIELD")]);
    assert_eq!(taken.remarked(), [(20, "USUALLY_FILLED")]);
    options.rules.require = Require::Usual;
    let strict = read(&options);
    assert_eq!(
        strict.reasons(),
        [(20, "MISSING_FIELD"), (21, "MISSING_FIELD")]
    );
    let message = &strict.rejected[0].1.message;
    assert!(
        message.contains("95 %") && message.contains("--require id,text"),
        "{message}"
    );
    options.rules.require = Require::Fields(vec!["expert".to_owned()]);
    assert_eq!(read(&options).items.len(), 0);
}

#[test]
fn a_row_that_nobody_has_answered_is_an_open_question() {
    let mut text = "id,text,expert,at\n".to_owned();
    for i in 1..=18 {
        text.push_str(&format!("o{i},Matter {i}?,mira,2025-03-01T08:00:00Z\n"));
    }
    for (id, nobody) in [
        ("e", ""),
        ("n", "N/A"),
        ("t", "TBD"),
        ("d", "-"),
        ("x", "#N/A"),
    ] {
        text.push_str(&format!("{id},Open matter {id}?,{nobody},\n"));
    }
    let (_folder, options) = written("a.csv", &text);
    let read = read(&options);
    assert_eq!(read.reasons(), []);
    let open = read
        .items
        .iter()
        .filter(|(_, item)| item.experts.is_empty());
    assert_eq!(open.count(), 5);
    let last = read.items.last().unwrap().1.occur_time.unwrap();
    assert_eq!(last.seconds, 1_740_816_000, "the time of the row before");
    assert!(read.remarked().contains(&(23, "NO_TIME")));
    assert!(
        read.notes
            .iter()
            .any(|note| note.starts_with("4 rows have a word for nobody"))
    );
}

#[test]
fn repeated_ids_are_rejected_and_repeated_texts_remarked_unless_told_otherwise() {
    let text = r#"{"id":"a","text":"Do you encrypt?","expert":"e1"}
{"id":"a","text":"Do you log?","expert":"e1"}
{"id":"b","text":"do you ENCRYPT","expert":"e2"}
{"id":"c","text":"do you encrypt!","expert":"e1"}
{"id":"d","text":"?!","expert":"e1"}
{"id":"e","text":"…","expert":"e2"}
{"id":"f","text":"Do you back up?","expert":"e2","at":"2024-05-01T09:00:00Z"}
{"id":"g","text":"Do you back up?","expert":"e2","at":"2024-05-02T09:00:00Z"}
{"id":"h","text":"Do you back up?","expert":"e2","at":"2024-05-01T09:00:00Z"}
"#;
    let (_folder, mut options) = written("a.jsonl", text);
    let usual = read(&options);
    assert_eq!(usual.reasons(), [(2, "DUPLICATE_ID")]);
    let repeated: Vec<_> = usual
        .remarked()
        .into_iter()
        .filter(|r| r.1 == "REPEATED_TEXT")
        .collect();
    assert_eq!(repeated, [(3, "REPEATED_TEXT"), (9, "REPEATED_TEXT")]);
    options.rules.conflicts = ConflictPolicy::Reject;
    let strict = read(&options);
    assert_eq!(
        strict.reasons(),
        [(2, "DUPLICATE_ID"), (3, "CONFLICT"), (9, "CONFLICT")]
    );
    assert!(
        strict.rejected[0].1.message.contains("line 1"),
        "{:?}",
        strict.rejected[0]
    );
    options.rules.duplicates = DuplicatePolicy::Revise;
    options.rules.conflicts = ConflictPolicy::Keep;
    assert_eq!(read(&options).kept(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let file = ItemFile::open(&options).unwrap();
    let batches: Vec<Batch> = Batches::new(file, "tenants/t".into(), "p".into(), 200).collect();
    let sizes: Vec<_> = batches
        .iter()
        .map(|batch| batch.request.rows.len())
        .collect();
    assert_eq!(sizes, [1, 8], "a batch takes an id once");
}

#[test]
fn a_file_whose_ids_are_all_numbers_is_taken_so() {
    let text = "{\"id\":1,\"text\":\"a question\"}\n{\"id\":2,\"text\":\"another one\"}\n";
    let (_folder, options) = written("a.jsonl", text);
    assert_eq!(read(&options).items[1].1.item_id, "2");
}

#[test]
fn rows_without_times_get_the_order_of_the_file_and_the_same_times_again() {
    let text = "{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"b\",\"text\":\"two\"}\n";
    let (_folder, mut options) = written("a.jsonl", text);
    let seconds = |read: &Read| -> Vec<i64> {
        read.items
            .iter()
            .map(|(_, item)| item.occur_time.as_ref().unwrap().seconds)
            .collect()
    };
    let first = read(&options);
    assert_eq!(seconds(&first)[1] - seconds(&first)[0], 1);
    assert_eq!(seconds(&first), seconds(&read(&options)));
    assert!(
        first.notes[0].contains("2 rows say no time"),
        "{:?}",
        first.notes
    );
    options.at = Some("2020-01-01T00:00:10Z".parse().unwrap());
    assert_eq!(seconds(&read(&options)), [1_577_836_809, 1_577_836_810]);
}

#[test]
fn filters_keep_wanted_rows_and_do_not_hide_broken_ones() {
    let mut text: String = (1..=20)
        .map(|i| {
            let split = if i % 2 == 0 { "train" } else { "test" };
            format!("{{\"id\":\"q{i}\",\"text\":\"question {i}\",\"split\":\"{split}\"}}\n")
        })
        .collect();
    text.push_str("{\"id\":\"q21\",\"text\":\"question 21\"}\nbroken\n");
    let (_folder, mut options) = written("a.jsonl", &text);
    options.rules.filters = vec!["split=train,valid".parse().unwrap()];
    let read = read(&options);
    assert_eq!((read.items.len(), read.filtered), (10, 10));
    assert_eq!(read.reasons(), [(21, "MISSING_FIELD"), (22, "UNREADABLE")]);
    assert!("split".parse::<Filter>().is_err());
}

#[test]
fn the_same_command_repeats_its_batch_names() {
    let (_folder, mut options) = written("a.jsonl", "{\"id\":\"a\",\"text\":\"one\"}\n");
    let prefix = prefix_of(&options, 200).unwrap();
    assert_eq!(prefix, prefix_of(&options, 200).unwrap());
    assert!(prefix.starts_with("a-"), "{prefix}");
    options.rules.require = Require::Fields(vec![]);
    assert_ne!(prefix, prefix_of(&options, 200).unwrap());
}

#[test]
fn batches_stay_below_the_size_of_a_message() {
    use prost::Message as _;
    let long = "words ".repeat(100_000);
    let text: String = (0..10)
        .map(|i| format!("{{\"id\":\"q{i}\",\"text\":\"{i} {long}\"}}\n"))
        .collect();
    let (_folder, options) = written("a.jsonl", &text);
    let file = ItemFile::open(&options).unwrap();
    let batches: Vec<Batch> = Batches::new(file, "tenants/t".into(), "p".into(), 200).collect();
    assert_eq!(
        batches.iter().map(|b| b.request.rows.len()).sum::<usize>(),
        10
    );
    assert!(batches.len() > 1);
    assert!(
        batches
            .iter()
            .all(|batch| batch.request.encoded_len() < 3 << 20)
    );
    assert_eq!(batches[1].request.request_id, "p-2");
}

#[test]
fn files_of_something_else_are_refused_at_once() {
    let rows = |row: &str| format!("{row}\n").repeat(12);
    for (name, text, said) in [
        (
            "a.jsonl",
            rows("{\"colour\":\"x\"}"),
            "none of the first 12 rows",
        ),
        ("a.csv", "id,text,id\n".to_owned(), "twice"),
        ("a.xlsx", "PK\u{3}\u{4}x".to_owned(), "save it again"),
    ] {
        let (_folder, options) = written(name, &text);
        let error = ItemFile::open(&options).err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
    let missing = ItemFile::open(&options(Path::new("/nowhere/a.jsonl")))
        .err()
        .unwrap();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}

#[test]
fn content_decides_where_the_name_does_not() {
    let (_folder, options) = written("export", "id;text\na;one\n");
    assert_eq!(read(&options).kept(), [1]);
    let (_folder, options) = written("export", "{\"id\":\"a\",\"text\":\"one\"}");
    assert_eq!(read(&options).kept(), [1]);
    let rows = "broken\n{\"id\":\"a\",\"text\":\"one\"}\n{\"id\":\"b\",\"text\":\"two\"}\n";
    let (_folder, options) = written("export", rows);
    assert_eq!(read(&options).kept(), [2, 3]);
}

#[test]
fn what_is_exported_is_read_as_it_stands() {
    let exported = r##"{"record":"tenant","id":"acme"}
{"record":"expert","id":"None","display_name":"None"}
{"record":"item","id":"TBD","text":"N/A","answer":"-","area":"#REF!","labels":["nan"],"attributes":{"revision":"3"},"experts":["None"],"at":"2024-05-01T09:00:00Z","name":"tenants/a/items/TBD","revision":2,"ingest_time":"2024-05-01T09:00:00Z"}
"##;
    let (_folder, options) = written("a.jsonl", exported);
    let read = read(&options);
    assert_eq!(read.reasons(), []);
    let item = &read.items[0].1;
    assert_eq!((item.item_id.as_str(), item.text.as_str()), ("TBD", "N/A"));
    assert_eq!((item.area.as_str(), item.answer.as_str()), ("#REF!", "-"));
    assert_eq!(
        (&item.labels[..], &item.experts[..]),
        (&["nan".to_owned()][..], &["None".to_owned()][..])
    );
    assert_eq!(item.attributes.len(), 1);
}
