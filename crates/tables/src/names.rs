//! The names that people give to columns, and the fields they stand for.
//!
//! The usual ones of questionnaires are from the public templates of CAIQ, SIG, HECVAT and VSAQ, of
//! plain tender sheets, and of the exports of response management tools, in English and the other
//! languages that tenders in Europe are written in.

mod aliases;

use unicode_normalization::UnicodeNormalization as _;

use self::aliases::{ANSWER, AREA, AT, EXPERT, ID, TEXT};

/// A field that has a meaning of its own.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// It holds several values: in CSV separated by `;` or `|`.
    pub many: bool,
    /// Other names of it as [`plain`] writes them, the more certain first.
    pub aliases: &'static [&'static str],
}

/// The fields that rows of one kind have.
#[derive(Debug)]
pub struct Schema {
    /// All of them.
    pub fields: &'static [Field],
    /// Without these a row says nothing: a line that names one of them can be the header.
    pub telling: &'static [&'static str],
}

impl Schema {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// How certain `header` names `field`: 0 is by its own name; none when it does not.
    #[must_use]
    pub fn rank(field: &Field, header: &str) -> Option<usize> {
        let plain = plain(header);
        if plain == self::plain(field.name) {
            return Some(0);
        }
        let alias = field.aliases.iter().position(|alias| *alias == plain);
        alias.map(|place| place + 1)
    }

    /// Whether any field goes by that name.
    #[must_use]
    pub fn knows(&self, header: &str) -> bool {
        self.fields
            .iter()
            .any(|field| Self::rank(field, header).is_some())
    }
}

const fn one(name: &'static str, aliases: &'static [&'static str]) -> Field {
    Field {
        name,
        many: false,
        aliases,
    }
}

const fn many(name: &'static str, aliases: &'static [&'static str]) -> Field {
    Field {
        name,
        many: true,
        aliases,
    }
}

/// Items and questionnaires.
pub static ITEMS: Schema = Schema {
    fields: &[
        one("id", ID),
        one("text", TEXT),
        one("answer", ANSWER),
        one("area", AREA),
        many(
            "labels",
            &["tags", "tag", "keywords", "schlagworte", "etiquetas"],
        ),
        one("label", &["intent", "class"]),
        one("expert", EXPERT),
        many(
            "also",
            &[
                "other experts",
                "additional experts",
                "secondary owner",
                "secondary sme",
                "collaborators",
                "contributors",
            ],
        ),
        many(
            "experts",
            &[
                "smes",
                "subject matter experts",
                "owners",
                "assignees",
                "responders",
            ],
        ),
        one("at", AT),
        one("attributes", &[]),
    ],
    telling: &["text", "id"],
};

/// Experts.
pub static EXPERTS: Schema = Schema {
    fields: &[
        one(
            "id",
            &[
                "expert id",
                "user id",
                "employee id",
                "login",
                "username",
                "user name",
                "e mail",
                "email",
                "email address",
                "mail",
            ],
        ),
        one(
            "display_name",
            &[
                "name",
                "full name",
                "expert",
                "person",
                "sme",
                "subject matter expert",
                "user",
                "nom",
                "nombre",
                "mitarbeiter",
            ],
        ),
        one(
            "profile",
            &[
                "bio",
                "about",
                "expertise",
                "skills",
                "knows",
                "areas of expertise",
                "subjects",
                "topics",
                "job title",
                "title",
                "role",
                "description",
            ],
        ),
        one("active", &["is active", "enabled", "aktiv"]),
        one("available", &["is available", "availability", "verfugbar"]),
    ],
    telling: &["id", "display_name"],
};

/// A column's name as it is compared: lower case, without accents, punctuation and units in
/// parentheses, words apart. `Question ID*`, `question_id` and `questionId` are the same.
#[must_use]
pub fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut lower_before = false;
    let mut depth = 0_u32;
    for c in name.nfkd() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '#' | '№' => text.push_str(" no "),
            // Accents, taken off their letters by the decomposition.
            '\u{300}'..='\u{36F}' => continue,
            _ if depth > 0 => {}
            c if c.is_alphanumeric() => {
                if c.is_uppercase() && lower_before {
                    text.push(' ');
                }
                text.extend(c.to_lowercase());
                lower_before = c.is_lowercase();
                continue;
            }
            _ => text.push(' '),
        }
        lower_before = false;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_writing_a_name_are_one() {
        for name in [
            "Question ID*",
            "question_id",
            "questionId",
            " Question-ID: ",
            "QUESTION ID (internal)",
        ] {
            assert_eq!(plain(name), "question id", "{name}");
        }
        assert_eq!(plain("Q#"), "q no");
        assert_eq!(plain("№"), "no");
        assert_eq!(plain("Réponse"), "reponse");
        assert_eq!(plain("Question/Request"), "question request");
    }

    #[test]
    fn every_alias_is_plain_and_means_one_field() {
        for schema in [&ITEMS, &EXPERTS] {
            let mut seen = std::collections::BTreeSet::new();
            for field in schema.fields {
                for alias in field.aliases {
                    assert_eq!(plain(alias), *alias, "{}", field.name);
                    assert!(seen.insert(*alias), "{alias} stands twice");
                    let own = schema
                        .fields
                        .iter()
                        .any(|other| plain(other.name) == *alias);
                    assert!(!own, "{alias} is a field's own name");
                }
            }
        }
    }
}
