//! Identifiers: each its own type, so that an expert's id can never stand where a tenant's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::slug;

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
}

const SLUG: Alphabet = Alphabet {
    allowed: "lower-case letters, digits and '-'",
    accepts: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    first: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
};

const LABEL: Alphabet = Alphabet {
    allowed: "letters, digits, '-', '_', '.', ':', '@' and '+', and starts with a letter or a digit",
    accepts: |c| c.is_ascii_alphanumeric() || "-_.:@+".contains(c),
    first: |c| c.is_ascii_alphanumeric(),
};

fn check(text: &str, what: &'static str, max: usize, alphabet: &Alphabet) -> Result<(), IdError> {
    if alphabet.allowed == SLUG.allowed {
        return slug::check(text, what, max);
    }
    let Some(first) = text.chars().next() else {
        return Err(IdError::Empty { what });
    };
    if text.chars().count() > max {
        return Err(IdError::TooLong { what, max });
    }
    let bad = text.chars().find(|c| !(alphabet.accepts)(*c));
    match bad.or_else(|| Some(first).filter(|c| !(alphabet.first)(*c))) {
        Some(found) => Err(IdError::BadCharacter {
            what,
            allowed: alphabet.allowed,
            found,
        }),
        None => Ok(()),
    }
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $alphabet:expr) => {
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
                let text = text.into();
                check(&text, $what, $max, &$alphabet)?;
                Ok(Self(text))
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
    TenantId, "tenant id", 63, SLUG
);
string_id!(
    /// An industry group of tenants, for example `healthcare`.
    VerticalId, "vertical id", 63, SLUG
);
string_id!(
    /// One piece of a tenant's content, unique inside the tenant.
    ItemId, "item id", 128, LABEL
);
string_id!(
    /// A person who can answer, unique inside the tenant.
    ExpertId, "expert id", 128, LABEL
);
string_id!(
    /// An API key's public half.
    KeyId, "key id", 63, SLUG
);
string_id!(
    /// A unit of long work.
    JobId, "job id", 63, SLUG
);
string_id!(
    /// What is predicted: `experts`, or a task that the tenant defined.
    TaskId, "task id", 63, SLUG
);
string_id!(
    /// The caller's id of a mutation, which makes a repeat harmless.
    RequestId, "request id", 128, LABEL
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
        for id in ["q-17", "kafka-00001", "anna.berg@acme.com", "JIRA:12"] {
            assert_eq!(ItemId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn refuses_the_rest_with_a_sentence() {
        let empty = TenantId::parse("").unwrap_err();
        assert_eq!(empty.to_string(), "the tenant id is empty");
        let slash = ItemId::parse("a/b").unwrap_err();
        assert!(slash.to_string().contains("'/'"), "{slash}");
        assert!(TenantId::parse("Acme").is_err());
        assert!(TenantId::parse("-acme").is_err());
        assert!(TenantId::parse("a".repeat(64)).is_err());
        assert!(ItemId::parse("../etc").is_err());
    }

    #[test]
    fn json_cannot_smuggle_a_bad_id() {
        assert!(serde_json::from_str::<TenantId>("\"a/../b\"").is_err());
    }
}
