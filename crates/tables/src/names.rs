//! The names that people give to columns, and the fields they stand for.
//!
//! The usual ones of questionnaires are from the public templates of CAIQ, SIG, HECVAT and VSAQ, of
//! plain tender sheets, and of the exports of response management tools, in English and the other
//! languages that tenders in Europe are written in.

use unicode_normalization::UnicodeNormalization as _;

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

const ID: &[&str] = &[
    "item id",
    "question id",
    "original id",
    "question no",
    "question number",
    "question nr",
    "ques num",
    "question num",
    "q no",
    "q id",
    "qid",
    "question ref",
    "question reference",
    "requirement id",
    "requirement no",
    "requirement number",
    "req id",
    "req no",
    "entry id",
    "library entry id",
    "content id",
    "record id",
    "external id",
    "unique id",
    "control id",
    "ccm control id",
    "reference",
    "reference no",
    "reference number",
    "ref",
    "ref no",
    "ref id",
    "item no",
    "item number",
    "item",
    "serial no",
    "serial number",
    "s no",
    "sl no",
    "sr no",
    "line no",
    "row id",
    "key",
    "no",
    "nr",
    "num",
    "number",
    "lfd nr",
    "frage nr",
    "fragen nr",
    "numero",
    "n",
    "nummer",
    "id frage",
    "section no",
    "section ref",
    "clause",
    "clause no",
    "paragraph",
    "ziffer",
    "index",
];

const TEXT: &[&str] = &[
    "question",
    "questions",
    "question text",
    "question request",
    "questions requests",
    "control question",
    "control assessment question",
    "consensus assessment question",
    "consensus assessment questions",
    "assessment question",
    "assessment questions",
    "caiq question",
    "question s",
    "question description",
    "question body",
    "security question",
    "rfp question",
    "bidder question",
    "vendor question",
    "supplier question",
    "questionnaire question",
    "request",
    "requests",
    "query",
    "requirement",
    "requirements",
    "requirement text",
    "requirement description",
    "requirement statement",
    "description of requirement",
    "functional requirement",
    "mandatory requirement",
    "specification",
    "specifications",
    "control specification",
    "control description",
    "control",
    "prompt",
    "item text",
    "question prompt",
    "statement",
    "frage",
    "fragen",
    "fragetext",
    "anforderung",
    "anforderungen",
    "anforderungstext",
    "pregunta",
    "preguntas",
    "requisito",
    "exigence",
    "domanda",
    "vraag",
    "fraga",
    "pergunta",
    "otazka",
    "pytanie",
    "content",
    "description",
    "beschreibung",
    "task",
];

const ANSWER: &[&str] = &[
    "answers",
    "response",
    "responses",
    "reply",
    "answer text",
    "response text",
    "vendor answer",
    "vendor answers",
    "vendor response",
    "supplier response",
    "supplier answer",
    "bidder response",
    "bidder s response",
    "offeror response",
    "tenderer response",
    "contractor response",
    "provider response",
    "proposer response",
    "respondent answer",
    "csp caiq answer",
    "caiq answer",
    "consensus assessment answers",
    "consensus assessment answer",
    "your answer",
    "your response",
    "our response",
    "our answer",
    "company response",
    "final answer",
    "final response",
    "approved answer",
    "standard answer",
    "answer value",
    "narrative response",
    "compliance response",
    "response comments",
    "antwort",
    "antworten",
    "reponse",
    "reponses",
    "respuesta",
    "respuestas",
    "risposta",
    "antwoord",
    "resposta",
    "svar",
    "odpowiedz",
    "odpoved",
];

const AREA: &[&str] = &[
    "category",
    "categories",
    "section",
    "section heading",
    "section name",
    "section title",
    "domain",
    "domain name",
    "control domain",
    "ccm domain",
    "ccm domain title",
    "security domain",
    "risk domain",
    "control family",
    "family",
    "control group",
    "question category",
    "question group",
    "topic",
    "subject",
    "subject area",
    "functional area",
    "department",
    "team",
    "business area",
    "group",
    "module",
    "chapter",
    "theme",
    "pillar",
    "business unit",
    "stack",
    "library",
    "project",
    "bereich",
    "kategorie",
    "thema",
    "themenbereich",
    "abschnitt",
    "kapitel",
    "abteilung",
    "domaine",
    "categorie",
    "rubrique",
    "area tematica",
    "categoria",
    "seccion",
    "ambito",
    "onderwerp",
    "sub category",
    "subcategory",
    "control heading",
];

const EXPERT: &[&str] = &[
    "sme",
    "subject matter expert",
    "answered by",
    "answer owner",
    "response owner",
    "content owner",
    "question owner",
    "owner",
    "assigned to",
    "assignee",
    "assigned",
    "responsible",
    "responsible person",
    "responsible party",
    "responder",
    "respondent",
    "answer author",
    "author",
    "completed by",
    "prepared by",
    "provided by",
    "responded by",
    "primary sme",
    "primary owner",
    "primary expert",
    "control owner",
    "contact",
    "contact person",
    "answered by user",
    "who",
    "person responsible",
    "reviewer",
    "approved by",
    "moderator",
    "last updated by",
    "last edited by",
    "modified by",
    "created by",
    "bearbeiter",
    "verantwortlich",
    "verantwortlicher",
    "zustandig",
    "ansprechpartner",
    "beantwortet von",
    "responsable",
    "repondu par",
    "respondido por",
    "responsabile",
    "verantwoordelijke",
    "ansvarig",
];

const AT: &[&str] = &[
    "answered at",
    "answered on",
    "date answered",
    "answer date",
    "response date",
    "date of response",
    "responded on",
    "completed on",
    "date completed",
    "completion date",
    "submitted at",
    "submitted on",
    "date submitted",
    "submission date",
    "timestamp",
    "date time",
    "datetime",
    "date",
    "time",
    "occurred at",
    "occur time",
    "created at",
    "created on",
    "date created",
    "creation date",
    "created",
    "updated at",
    "updated on",
    "last updated",
    "last update",
    "last modified",
    "modified at",
    "modified on",
    "modified",
    "modified date",
    "last modified date",
    "last edited",
    "last reviewed",
    "last review date",
    "review date",
    "last used",
    "datum",
    "beantwortet am",
    "erstellt am",
    "geandert am",
    "date de reponse",
    "fecha",
];

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
