//! Ids of lower-case letters, digits and '-': what is wrong with a text that is none, and the id that
//! was probably meant.

use crate::IdError;

/// Ids that the caller makes up: for these another one is proposed. The others are copied from an answer.
const CHOSEN: [&str; 3] = ["tenant id", "vertical id", "task id"];

fn inside(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

fn begins(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Whether `text` is such an id of at most `max` characters.
///
/// # Errors
/// [`IdError`] with what is wrong, and an id for what was given.
pub(crate) fn check(text: &str, what: &'static str, max: usize) -> Result<(), IdError> {
    let Some(first) = text.chars().next() else {
        return Err(IdError::Empty { what });
    };
    if text.chars().count() > max {
        return Err(IdError::TooLong { what, max });
    }
    let problem = match text.chars().find(|c| !inside(*c)) {
        Some(found) => {
            format!("may have lower-case letters, digits and '-', but has {found:?}")
        }
        None if !begins(first) => {
            format!("must begin with a lower-case letter or a digit, but begins with {first:?}")
        }
        None => return Ok(()),
    };
    let chosen = CHOSEN.contains(&what);
    Err(IdError::NotASlug {
        what,
        problem,
        proposal: chosen.then(|| propose(text)).flatten(),
    })
}

/// The id nearest to `text`: in lower case, with one '-' for all between two runs of letters and digits.
/// None where nothing is left.
fn propose(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !begins(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    Some(words.join("-")).filter(|id| !id.is_empty())
}

/// The proposal as the end of a sentence.
pub(crate) fn suggestion(proposal: Option<&str>) -> String {
    proposal.map_or_else(String::new, |id| format!("; {id:?} could be it"))
}

#[cfg(test)]
mod tests {
    use crate::{KeyId, TaskId, TenantId};

    #[test]
    fn the_sentence_says_what_is_wrong_and_what_could_be_meant() {
        let said = |id: &str| TenantId::parse(id).unwrap_err().to_string();
        assert_eq!(
            said("Globex"),
            "the tenant id may have lower-case letters, digits and '-', but has 'G'; \
             \"globex\" could be it"
        );
        assert_eq!(
            said("-globex"),
            "the tenant id must begin with a lower-case letter or a digit, but begins with '-'; \
             \"globex\" could be it"
        );
        assert!(said("globex_gmbh").ends_with("; \"globex-gmbh\" could be it"));
        assert!(said("globex.example").ends_with("; \"globex-example\" could be it"));
        assert!(said("Globex  & Söhne ").ends_with("; \"globex-s-hne\" could be it"));
        // There is nothing to make an id of.
        assert!(said("--").ends_with("begins with '-'"));
        assert!(said("株式会社").ends_with("but has '株'"));
    }

    #[test]
    fn what_is_proposed_is_an_id_and_what_is_copied_has_no_proposal() {
        for text in ["A B", "_x_", "9.Lives!", "X--y"] {
            let error = TaskId::parse(text).unwrap_err().to_string();
            let proposed = error.split('"').nth(1).unwrap();
            assert!(TaskId::parse(proposed).is_ok(), "{error}");
        }
        let key = KeyId::parse("ABC").unwrap_err().to_string();
        assert!(key.ends_with("but has 'A'"), "{key}");
    }
}
