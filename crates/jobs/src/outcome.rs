//! What a job says when it is done, as the pairs that are stored and shown.

use serde::Serialize;
use serde_json::Value;
use storage::Outcome;

/// The fields of `outcome` by name; those without a value are left out, a flattened map adds its own.
pub(crate) fn pairs(outcome: &impl Serialize) -> Outcome {
    // Outcomes are flat structs of texts, numbers and truths, which all have a form in JSON.
    let Ok(Value::Object(fields)) = serde_json::to_value(outcome) else {
        return Outcome::new();
    };
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, text(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Done {
        items: u64,
        whole: bool,
        reason: &'static str,
        left: Option<u32>,
        #[serde(flatten)]
        rows: BTreeMap<&'static str, u64>,
    }

    #[test]
    fn each_field_is_a_pair_and_what_is_missing_is_left_out() {
        let mut found = pairs(&Done {
            items: 3,
            whole: true,
            reason: "all \"of\" it",
            left: None,
            rows: BTreeMap::from([("answers", 7)]),
        });
        found.sort();
        let expected = [
            ("answers", "7"),
            ("items", "3"),
            ("reason", "all \"of\" it"),
            ("whole", "true"),
        ];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}
