//! Other names of the fields of items, as [`super::plain`] writes them, the more certain first.

/// Of `id`.
#[rustfmt::skip]
pub(super) const ID: &[&str] = &[
    "item id", "question id", "original id", "question no", "question number", "question nr", "ques num",
    "question num", "q no", "q id", "qid", "question ref", "question reference", "requirement id",
    "requirement no", "requirement number", "req id", "req no", "entry id", "library entry id", "content id",
    "record id", "external id", "unique id", "control id", "ccm control id", "reference", "reference no",
    "reference number", "ref", "ref no", "ref id", "item no", "item number", "item", "serial no",
    "serial number", "s no", "sl no", "sr no", "line no", "row id", "key", "no", "nr", "num", "number",
    "lfd nr", "frage nr", "fragen nr", "numero", "n", "nummer", "id frage", "section no", "section ref",
    "clause", "clause no", "paragraph", "ziffer", "index",
];

/// Of `text`.
#[rustfmt::skip]
pub(super) const TEXT: &[&str] = &[
    "question", "questions", "question text", "question request", "questions requests", "control question",
    "control assessment question", "consensus assessment question", "consensus assessment questions",
    "assessment question", "assessment questions", "caiq question", "question s", "question description",
    "question body", "security question", "rfp question", "bidder question", "vendor question",
    "supplier question", "questionnaire question", "request", "requests", "query", "requirement",
    "requirements", "requirement text", "requirement description", "requirement statement",
    "description of requirement", "functional requirement", "mandatory requirement", "specification",
    "specifications", "control specification", "control description", "control", "prompt", "item text",
    "question prompt", "statement", "frage", "fragen", "fragetext", "anforderung", "anforderungen",
    "anforderungstext", "pregunta", "preguntas", "requisito", "exigence", "domanda", "vraag", "fraga",
    "pergunta", "otazka", "pytanie", "content", "description", "beschreibung", "task",
];

/// Of `answer`.
#[rustfmt::skip]
pub(super) const ANSWER: &[&str] = &[
    "answers", "response", "responses", "reply", "answer text", "response text", "vendor answer",
    "vendor answers", "vendor response", "supplier response", "supplier answer", "bidder response",
    "bidder s response", "offeror response", "tenderer response", "contractor response", "provider response",
    "proposer response", "respondent answer", "csp caiq answer", "caiq answer",
    "consensus assessment answers", "consensus assessment answer", "your answer", "your response",
    "our response", "our answer", "company response", "final answer", "final response", "approved answer",
    "standard answer", "answer value", "narrative response", "compliance response", "response comments",
    "antwort", "antworten", "reponse", "reponses", "respuesta", "respuestas", "risposta", "antwoord",
    "resposta", "svar", "odpowiedz", "odpoved",
];

/// Of `area`.
#[rustfmt::skip]
pub(super) const AREA: &[&str] = &[
    "category", "categories", "section", "section heading", "section name", "section title", "domain",
    "domain name", "control domain", "ccm domain", "ccm domain title", "security domain", "risk domain",
    "control family", "family", "control group", "question category", "question group", "topic", "subject",
    "subject area", "functional area", "department", "team", "business area", "group", "module", "chapter",
    "theme", "pillar", "business unit", "stack", "library", "project", "bereich", "kategorie", "thema",
    "themenbereich", "abschnitt", "kapitel", "abteilung", "domaine", "categorie", "rubrique",
    "area tematica", "categoria", "seccion", "ambito", "onderwerp", "sub category", "subcategory",
    "control heading",
];

/// Of `expert`.
#[rustfmt::skip]
pub(super) const EXPERT: &[&str] = &[
    "sme", "subject matter expert", "answered by", "answer owner", "response owner", "content owner",
    "question owner", "owner", "assigned to", "assignee", "assigned", "responsible", "responsible person",
    "responsible party", "responder", "respondent", "answer author", "author", "completed by", "prepared by",
    "provided by", "responded by", "primary sme", "primary owner", "primary expert", "control owner",
    "contact", "contact person", "answered by user", "who", "person responsible", "reviewer", "approved by",
    "moderator", "last updated by", "last edited by", "modified by", "created by", "bearbeiter",
    "verantwortlich", "verantwortlicher", "zustandig", "ansprechpartner", "beantwortet von", "responsable",
    "repondu par", "respondido por", "responsabile", "verantwoordelijke", "ansvarig",
];

/// Of `at`.
#[rustfmt::skip]
pub(super) const AT: &[&str] = &[
    "answered at", "answered on", "date answered", "answer date", "response date", "date of response",
    "responded on", "completed on", "date completed", "completion date", "submitted at", "submitted on",
    "date submitted", "submission date", "timestamp", "date time", "datetime", "date", "time", "occurred at",
    "occur time", "created at", "created on", "date created", "creation date", "created", "updated at",
    "updated on", "last updated", "last update", "last modified", "modified at", "modified on", "modified",
    "modified date", "last modified date", "last edited", "last reviewed", "last review date", "review date",
    "last used", "datum", "beantwortet am", "erstellt am", "geandert am", "date de reponse", "fecha",
];
