//! What cells and JSON values mean.

use std::collections::BTreeSet;

use super::*;

#[test]
fn types_and_times_say_how_to_mend_them() {
    let text = r#"{"id":7,"text":"a question"}
{"id":"b","text":"a question","expert":["e1"]}
{"id":"c","text":"a question","at":"05/04/2024 09:00"}
{"id":"d","text":"a question","at":1714546800}
{"id":"e","text":"a question","also":"e2"}
{"id":"f","text":"  "}
"#;
    let (_folder, mut options) = written("a.jsonl", text);
    let strict = read(&options);
    let reasons = [
        "WRONG_TYPE",
        "WRONG_TYPE",
        "INVALID_TIME",
        "WRONG_TYPE",
        "WRONG_TYPE",
        "EMPTY_TEXT",
    ];
    assert_eq!(strict.reasons(), (1..=6).zip(reasons).collect::<Vec<_>>());
    assert!(strict.rejected[2].1.message.contains("day/month"));
    options.rules.types = TypePolicy::Any;
    assert_eq!(read(&options).kept(), [1, 5]);
    options.rules.times.format = Some("%d/%m/%Y %H:%M".parse().unwrap());
    assert_eq!(read(&options).kept(), [1, 3, 5]);
}

#[test]
fn dates_between_slashes_are_read_as_one_of_them_must_be() {
    let text = "id,text,at\na,one,03/04/2025\nb,two,25/04/2025\nc,three,01.05.2025 07:30\n";
    let (_folder, options) = written("a.csv", text);
    let read = read(&options);
    let days: Vec<i64> = read
        .items
        .iter()
        .map(|(_, item)| item.occur_time.unwrap().seconds / 86_400 - 20_180)
        .collect();
    assert_eq!(
        days,
        [1, 23, 29],
        "the third of April, 2025-04-25, 2025-05-01"
    );
    assert!(
        read.notes
            .iter()
            .any(|note| note.contains("day/month or month/day"))
    );
    assert!(
        read.notes
            .iter()
            .any(|note| note.contains("3 times name no zone"))
    );
}

#[test]
fn labels_that_are_numbers_in_every_list_are_taken_so() {
    let text: String = (0..12)
        .map(|i| {
            format!(
                "{{\"id\":\"l{i}\",\"text\":\"question {i}\",\"labels\":[{}, 7]}}\n",
                i % 3
            )
        })
        .collect();
    let (_folder, options) = written("a.jsonl", &text);
    assert_eq!(read(&options).items[4].1.labels, ["1", "7"]);
}

#[test]
fn ids_that_a_table_has_made_floats_of_are_whole_again() {
    let (_folder, options) = written("a.csv", "id,text\n1.0,one\n2.0,two\n");
    assert_eq!(read(&options).items[1].1.item_id, "2");
    // Numbers of sections are no floats.
    let (_folder, options) = written("a.csv", "id,text\n1.0,one\n1.1,two\n");
    assert_eq!(read(&options).items[0].1.item_id, "1.0");
    let (_folder, options) = written(
        "a.jsonl",
        "{\"id\":1.0,\"text\":\"one\"}\n{\"id\":1,\"text\":\"two\"}\n",
    );
    assert_eq!(read(&options).reasons(), [(2, "DUPLICATE_ID")]);
}

#[test]
fn a_file_without_ids_gets_the_same_ones_in_any_order() {
    let rows = [
        "Do you encrypt?,sec",
        "Do you log?,ops",
        "do you log,ops",
        "Do you log?,sec",
    ];
    let ids = |rows: &[&str]| {
        let (_folder, options) = written("a.csv", &format!("Question,area\n{}\n", rows.join("\n")));
        let mut ids: Vec<_> = read(&options)
            .items
            .into_iter()
            .map(|(_, item)| item.item_id)
            .collect();
        ids.sort();
        ids
    };
    let found = ids(&rows);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 4, "{found:?}");
    let mut turned = rows;
    turned.reverse();
    assert_eq!(ids(&turned), found);
}

#[test]
fn too_many_and_too_long_columns_are_named_with_the_remedy() {
    let names: Vec<String> = (0..80).map(|i| format!("c{i}")).collect();
    let wide = format!("id,text,{}\na,one{}\n", names.join(","), ",v".repeat(80));
    let (_folder, mut options) = written("a.csv", &wide);
    let refused = read(&options);
    assert_eq!(refused.reasons(), [(1, "TOO_MANY")]);
    assert!(refused.rejected[0].1.message.contains("--columns"));
    options.table.mapping.keep = ["id", "text", "c7"].map(str::to_owned).to_vec();
    assert_eq!(read(&options).items[0].1.attributes.len(), 1);
    let long = format!("id,text,notes\na,one,{}\n", "x".repeat(5_000));
    let (_folder, options) = written("a.csv", &long);
    let refused = read(&options);
    assert_eq!(refused.reasons(), [(1, "TOO_LONG")]);
    assert!(
        refused.rejected[0].1.message.contains("`notes`"),
        "{:?}",
        refused.rejected
    );
}
