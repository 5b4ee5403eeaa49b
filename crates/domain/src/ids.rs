//! Identifiers: each its own type, so that an expert's id can never stand where a tenant's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{printable, slug};

/// The most bytes (UTF-8) of a name that a tenant gives: the id of an item or an expert, a label, an area.
pub const NAME_MAX_BYTES: usize = 256;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("the {what} is empty")]
    Empty {
        /// Which identifier.
        what: &'static str,
    },
    /// The text is longer than the identifier may be.
    #[error("the {what} is longer than {max} characters")]
    TooLong {
        /// Which identifier.
        what: &'static str,
        /// The most characters it may have.
        max: usize,
    },
    /// The text has a character the identifier may not have.
    #[error("the {what} may have {allowed}, but has {found:?}")]
    BadCharacter {
        /// Which identifier.
        what: &'static str,
        /// What it may have.
        allowed: &'static str,
        /// The first character it may not have.
        found: char,
    },
    /// The text has more bytes than the identifier may have.
    #[error("the {what} has {found} bytes in UTF-8, more than the {max} that are kept; shorten it")]
    TooManyBytes {
        /// Which identifier.
        what: &'static str,
        /// The most bytes it may have.
        max: usize,
        /// How many it has.
        found: usize,
    },
    /// The text has a character that cannot be seen.
    #[error("the {what} has U+{:04X}, which cannot be seen in print; remove it", u32::from(*found))]
    Unprintable {
        /// Which identifier.
        what: &'static str,
        /// The first such character.
        found: char,
    },
    /// The text is not made of lower-case letters, digits and '-'.
    #[error("the {what} {problem}{}", slug::suggestion(.proposal.as_deref()))]
    NotASlug {
        /// Which identifier.
        what: &'static str,
        /// What is wrong with it; reads on from its name.
        problem: String,
        /// What it could be instead, where the caller chooses it.
        proposal: Option<String>,
    },
}

/// Which characters an identifier may have.
struct Alphabet {
    allowed: &'static str,
    accepts: fn(char) -> bool,
    /// The first character must be a letter or a digit, so that ids never look like flags or paths.
    first: fn(char) -> bool,
    max: usize,
}

const REQUEST: Alphabet = Alphabet {
    allowed: "letters, digits, '-', '_', '.', ':', '@' and '+', and starts with a letter or a digit",
    accepts: |c| c.is_ascii_alphanumeric() || "-_.:@+".contains(c),
    first: |c| c.is_ascii_alphanumeric(),
    max: 128,
};

/// How a text becomes an identifier of one type.
enum Rule {
    /// Our own: lower-case letters, digits and '-', at most so many characters; kept as it is.
    Slug(usize),
    /// Our own: of an alphabet, kept as it is.
    Of(Alphabet),
    /// The tenant's: any printable text of at most [`NAME_MAX_BYTES`], trimmed and in NFC.
    Printable,
}

impl Rule {
    fn apply(&self, text: String, what: &'static str) -> Result<String, IdError> {
        match self {
            Self::Slug(max) => slug::check(&text, what, *max).map(|()| text),
            Self::Of(alphabet) => alphabet.check(&text, what).map(|()| text),
            Self::Printable => printable::id(text, what),
        }
    }
}

impl Alphabet {
    fn check(&self, text: &str, what: &'static str) -> Result<(), IdError> {
        let Some(first) = text.chars().next() else {
            return Err(IdError::Empty { what });
        };
        if text.chars().count() > self.max {
            return Err(IdError::TooLong {
                what,
                max: self.max,
            });
        }
        let bad = text.chars().find(|c| !(self.accepts)(*c));
        match bad.or_else(|| Some(first).filter(|c| !(self.first)(*c))) {
            Some(found) => Err(IdError::BadCharacter {
                what,
                allowed: self.allowed,
                found,
            }),
            None => Ok(()),
        }
    }
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and makes the identifier of it.
            ///
            /// # Errors
            /// [`IdError`] when the text is empty, too long, or has a character it may not have.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                const RULE: Rule = $rule;
                RULE.apply(text.into(), $what).map(Self)
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

string_id!(
    /// One customer, for example `acme`.
    TenantId, "tenant id", Rule::Slug(63)
);
string_id!(
    /// An industry group of tenants, for example `healthcare`.
    VerticalId, "vertical id", Rule::Slug(63)
);
string_id!(
    /// One piece of a tenant's content, unique inside the tenant: any printable text, for example `A&A-01.1`.
    ItemId, "item id", Rule::Printable
);
string_id!(
    /// A person who can answer, unique inside the tenant: any printable text, for example `Özlem Kaya`.
    ExpertId, "expert id", Rule::Printable
);
string_id!(
    /// An API key's public half.
    KeyId, "key id", Rule::Slug(63)
);
string_id!(
    /// A unit of long work.
    JobId, "job id", Rule::Slug(63)
);
string_id!(
    /// What is predicted: `experts`, or a task that the tenant defined.
    TaskId, "task id", Rule::Slug(63)
);
string_id!(
    /// The caller's id of a mutation, which makes a repeat harmless.
    RequestId, "request id", Rule::Of(REQUEST)
);

impl TaskId {
    /// The task that every tenant has: rank experts for a text.
    #[must_use]
    pub fn experts() -> Self {
        Self("experts".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_write() {
        for id in ["acme", "acme-2", "0x", "a"] {
            assert_eq!(TenantId::parse(id).unwrap().as_str(), id);
        }
        for id in [
            "q-17",
            "anna.berg@acme.com",
            "JIRA:12",
            "A&A-01.1",
            "§ 4 (b) / 2",
            "../etc",
            "#7",
            "Prüfung 3",
            "設問１２",
            "-",
        ] {
            assert_eq!(ItemId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn refuses_the_rest_with_a_sentence() {
        let empty = TenantId::parse("").unwrap_err();
        assert_eq!(empty.to_string(), "the tenant id is empty");
        let slash = RequestId::parse("a/b").unwrap_err();
        assert!(slash.to_string().contains("'/'"), "{slash}");
        let dash = TenantId::parse("-acme").unwrap_err().to_string();
        assert!(dash.contains("must begin with"), "{dash}");
        assert!(TenantId::parse("Acme").is_err());
        assert!(TenantId::parse("a".repeat(64)).is_err());
    }

    #[test]
    fn customers_ids_have_one_spelling() {
        let parse = |text: &str| ItemId::parse(text).unwrap();
        assert_eq!(parse(" Pru\u{308}fung 3\t"), parse("Pr\u{fc}fung 3"));
        assert_eq!(parse("\u{feff}q-1"), parse("q-1"));
        // Width and case tell two ids apart.
        assert_ne!(parse("Ａ-1"), parse("A-1"));
        assert_ne!(parse("a-1"), parse("A-1"));
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_an_id() {
        for bad in [
            "a\0b",
            "a\nb",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{e000}b",
            "a\u{ffff}b",
            "a\u{378}b",
            "a\u{3164}b",
        ] {
            let error = ItemId::parse(bad).unwrap_err();
            assert!(
                matches!(error, IdError::Unprintable { .. }),
                "{bad:?}: {error}"
            );
        }
        let error = ExpertId::parse("a\u{200b}b").unwrap_err().to_string();
        assert_eq!(
            error,
            "the expert id has U+200B, which cannot be seen in print; remove it"
        );
        for blank in ["", " \u{a0}\t", "\u{feff}"] {
            assert_eq!(
                ItemId::parse(blank).unwrap_err().to_string(),
                "the item id is empty"
            );
        }
    }

    #[test]
    fn the_length_of_customers_ids_is_in_bytes() {
        assert!(ItemId::parse("ü".repeat(128)).is_ok());
        let error = ItemId::parse("ü".repeat(129)).unwrap_err().to_string();
        assert!(
            error.contains("258 bytes") && error.contains("256"),
            "{error}"
        );
    }

    #[test]
    fn json_cannot_smuggle_a_bad_id() {
        assert!(serde_json::from_str::<TenantId>("\"a/../b\"").is_err());
        assert!(serde_json::from_str::<ItemId>("\"a\\u0000b\"").is_err());
    }
}
