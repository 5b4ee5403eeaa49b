//! Several labels in one text: separated by commas, quoted where a label has one itself.

/// The labels in `text`, each trimmed; empty ones are left out. A label that begins with `"` runs to the
/// quote before the next comma or the end, and `""` in it is one quote: `"Access (SSO, MFA)", Billing`.
/// A quote that nothing closes is a character like any other.
#[must_use]
pub fn split_labels(text: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        let (label, after) = quoted(rest.trim_start()).unwrap_or_else(|| plain(rest));
        let label = label.trim();
        if !label.is_empty() {
            labels.push(label.to_owned());
        }
        match after {
            Some(after) => rest = after,
            None => return labels,
        }
    }
}

/// The text that [`split_labels`] reads these labels from.
#[must_use]
pub fn join_labels<T: AsRef<str>>(labels: &[T]) -> String {
    let quoted = labels.iter().map(|label| {
        let label = label.as_ref();
        match label.contains(',') || label.starts_with('"') {
            true => format!("\"{}\"", label.replace('"', "\"\"")),
            false => label.to_owned(),
        }
    });
    quoted.collect::<Vec<_>>().join(", ")
}

/// What stands before the next comma, and what after it; none without one.
fn plain(text: &str) -> (String, Option<&str>) {
    match text.split_once(',') {
        Some((label, rest)) => (label.to_owned(), Some(rest)),
        None => (text.to_owned(), None),
    }
}

fn quoted(text: &str) -> Option<(String, Option<&str>)> {
    let mut rest = text.strip_prefix('"')?;
    let mut label = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        label.push_str(before);
        if let Some(after) = after.strip_prefix('"') {
            label.push('"');
            rest = after;
            continue;
        }
        let after = after.trim_start();
        return match after.strip_prefix(',') {
            Some(after) => Some((label, Some(after))),
            None => after.is_empty().then_some((label, None)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_keep_commas() {
        for (text, labels) in [
            ("a, b,,", &["a", "b"][..]),
            (
                "\"Einkauf (Inland, EU)\",Recht",
                &["Einkauf (Inland, EU)", "Recht"],
            ),
            ("x , \"say \"\"when\"\"\" ", &["x", "say \"when\""]),
            ("5\" disk, b", &["5\" disk", "b"]),
            ("\"open, b", &["\"open", "b"]),
            ("\"a\" b, c", &["\"a\" b", "c"]),
            (" , ", &[]),
            ("", &[]),
        ] {
            assert_eq!(split_labels(text), labels, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_joined_splits_into_the_same(labels in prop::collection::vec("[a\", ]{0,6}|\\PC{0,5}", 0..6)) {
            let labels: Vec<String> = labels
                .iter()
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty())
                .collect();
            prop_assert_eq!(split_labels(&join_labels(&labels)), labels);
        }
    }
}
