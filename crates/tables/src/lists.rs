//! Several values in one cell, and the way back.

/// The values of a cell, separated by any of `separators`. A value in quotes keeps separators, and a
/// quote inside of it is written twice, as in CSV (RFC 4180).
#[must_use]
pub fn split(cell: &str, separators: &[char]) -> Vec<String> {
    let mut values = Vec::new();
    let mut rest = cell;
    loop {
        rest = rest.trim_start();
        let (value, after) = match quoted(rest, separators) {
            Some((value, after)) => (value, after),
            None => {
                let end = rest.find(separators).unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        if !value.is_empty() {
            values.push(value);
        }
        let mut after = after.chars();
        if after.next().is_none() {
            return values;
        }
        rest = after.as_str();
    }
}

/// A value in quotes at the beginning, and what follows it; none where the quotes are part of a text.
fn quoted<'a>(text: &'a str, separators: &[char]) -> Option<(String, &'a str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(further) => {
                value.push('"');
                rest = further;
            }
            None => {
                let after = after.trim_start();
                let ends = after.is_empty() || after.starts_with(separators);
                return ends.then(|| (value.trim().to_owned(), after));
            }
        }
    }
}

/// Values in one cell, so that [`split`] gives them again.
#[must_use]
pub fn join(values: &[String], separator: char, separators: &[char]) -> String {
    let written = values.iter().map(|value| {
        let plain = !value.contains(separators) && !value.starts_with('"');
        if plain {
            value.clone()
        } else {
            format!("\"{}\"", value.replace('"', "\"\""))
        }
    });
    written.collect::<Vec<_>>().join(&separator.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [char; 2] = [';', '|'];

    #[test]
    fn quotes_keep_separators() {
        let access = split("\"Access (SSO; MFA)\"; Billing|\"say \"\"hi\"\"\"", &BOTH);
        assert_eq!(access, ["Access (SSO; MFA)", "Billing", "say \"hi\""]);
        assert_eq!(split("5\" disk; a;;", &BOTH), ["5\" disk", "a"]);
        assert_eq!(split("\"quoted\" word;b", &BOTH), ["\"quoted\" word", "b"]);
        assert!(split(" ; ", &BOTH).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_again(
            values in prop::collection::vec("[a-z\";| ,]{0,6}[a-z\"]", 0..5)
        ) {
            let values: Vec<String> = values.iter().map(|v| v.trim().to_owned()).collect();
            prop_assert_eq!(split(&join(&values, ';', &BOTH), &BOTH), values);
        }
    }
}
