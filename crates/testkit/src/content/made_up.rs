//! Made-up content for tenants.

use api::v1;

/// A row with one item.
#[must_use]
pub fn row(line: u64, id: &str, text: &str, expert: &str, minutes: i64) -> v1::IngestRow {
    let item = v1::Item {
        item_id: id.to_owned(),
        text: text.to_owned(),
        experts: vec![expert.to_owned()],
        occur_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000 + minutes * 60,
            nanos: 0,
        }),
        ..Default::default()
    };
    v1::IngestRow {
        line,
        row: Some(v1::ingest_row::Row::Item(item)),
    }
}

/// Made-up but readable content: three experts, each with subjects of their own.
#[must_use]
pub fn content(n: u64) -> Vec<v1::IngestRow> {
    const SUBJECTS: [(&str, [&str; 4]); 3] = [
        (
            "sofia",
            [
                "encryption of data at rest",
                "key rotation",
                "penetration tests",
                "firewall rules",
            ],
        ),
        (
            "li",
            [
                "invoice terms",
                "volume discounts",
                "payment in euro",
                "price increases",
            ],
        ),
        (
            "omar",
            [
                "onboarding of users",
                "training for administrators",
                "help desk hours",
                "migration of content",
            ],
        ),
    ];
    (0..n)
        .map(|at| {
            let (expert, subjects) = SUBJECTS[(at % 3) as usize];
            let subject = subjects[(at / 3 % 4) as usize];
            let text = format!(
                "Question {at}: please describe how you handle {subject} for customer group {}",
                at % 7
            );
            row(at + 1, &format!("q-{at}"), &text, expert, at as i64)
        })
        .collect()
}
