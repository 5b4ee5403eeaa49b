//! What is exported goes back in as it was, in every format.

use std::collections::BTreeMap;

use api::v1;
use proptest::prelude::*;
use tables::times::TimeRules;

use super::*;
use crate::import::{
    Checked, ConflictPolicy, DuplicatePolicy, ItemFile, ReadOptions, Require, RowRules, TypePolicy,
};
use crate::output::{Captured, Format};

fn read(name: &str, content: &[u8]) -> Vec<v1::Item> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let options = ReadOptions {
        table: tables::Options {
            path,
            ..tables::Options::default()
        },
        rules: RowRules {
            require: Require::Auto,
            duplicates: DuplicatePolicy::Reject,
            conflicts: ConflictPolicy::Keep,
            types: TypePolicy::Auto,
            filters: Vec::new(),
            times: TimeRules::default(),
        },
        at: None,
    };
    let file = ItemFile::open(&options).unwrap();
    file.filter_map(|checked| match checked {
        Checked::Item(row, _) => match row.row {
            Some(v1::ingest_row::Row::Item(item)) => Some(item),
            _ => None,
        },
        Checked::Rejected(row) => panic!("{row:?}"),
        Checked::Filtered | Checked::Passed => None,
    })
    .collect()
}

/// What the server keeps of texts: nothing at either end, no NUL.
fn stored(text: &str) -> String {
    api::rules::clean_text(text)
}

fn words() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "N/A",
        "nan",
        "#REF!",
        "-",
        "TBD",
        "a;b",
        "x|y",
        "\"quoted\" text",
        "line\none\r\ntwo",
        "1.0",
        "1,5",
        "=SUM(A1)",
        "Überprüfung",
        "日本語?",
        "sep=;",
        "{\"a\": 1}",
        "id",
        "2024-05-01",
        "true",
        "tab\there",
    ]);
    prop_oneof![odd.prop_map(str::to_owned), "[ -~äöü\n,;|\"]{1,12}"]
        .prop_map(|text| stored(&text))
        .prop_filter("something to read", |text| {
            api::rules::has_usable_text(text)
        })
}

/// Ids and labels are on one line.
fn line() -> impl Strategy<Value = String> {
    words().prop_map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn maybe(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::option::of(text).prop_map(Option::unwrap_or_default)
}

prop_compose! {
    fn item()(
        id in line(),
        text in words(),
        answer in maybe(words()),
        area in maybe(line()),
        labels in prop::collection::btree_set(line(), 0..3),
        experts in prop::collection::btree_set(line(), 0..3),
        attributes in prop::collection::btree_map(line(), words(), 0..3),
        seconds in 0_i64..2_000_000_000,
        nanos in prop::sample::select(vec![0, 120_000_000, 1]),
    ) -> v1::Item {
        v1::Item {
            item_id: id,
            text,
            answer,
            area,
            labels: labels.into_iter().collect(),
            experts: experts.into_iter().collect(),
            attributes: attributes.into_iter().collect(),
            occur_time: Some(prost_types::Timestamp { seconds, nanos }),
            name: "tenants/acme/items/x".to_owned(),
            revision: 2,
            ingest_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        }
    }
}

fn content(item: v1::Item) -> v1::Item {
    v1::Item {
        name: String::new(),
        revision: 0,
        ingest_time: None,
        ..item
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn an_export_goes_back_in_unchanged(items in prop::collection::vec(item(), 1..12)) {
        let by_id: BTreeMap<String, v1::Item> =
            items.into_iter().map(|item| (item.item_id.clone(), item)).collect();
        let items: Vec<v1::Item> = by_id.into_values().collect();
        let expected: Vec<v1::Item> = items.iter().cloned().map(content).collect();
        let views = || items.iter().cloned().map(ItemView::from);
        for (name, format) in [("list.json", Format::Json), ("list.csv", Format::Csv)] {
            let printed = Captured::default();
            printed.output(format).list(&views().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(&read(name, printed.text().as_bytes()), &expected, "{}", printed.text());
        }
        let lines = |views: Vec<ItemView>| {
            let lines: Vec<_> = views.iter().map(|v| serde_json::to_string(v).unwrap()).collect();
            lines.join("\n")
        };
        let whole = lines(views().collect());
        prop_assert_eq!(&read("all.jsonl", whole.as_bytes()), &expected);
        let only = lines(views().map(ItemView::without_history).collect());
        prop_assert_eq!(&read("only.jsonl", only.as_bytes()), &expected);
    }
}
