//! `tenantry recommend --batch`: who should answer each question of a file.

use std::path::Path;

use api::v1;
use api::v1::batch_recommend_experts_response::Result as Outcome;
use serde::Serialize;
use serde_json::Value;
use tokio_stream::wrappers::ReceiverStream;

use super::Context;
use super::client::Client;
use super::error::{CliError, Exit};
use super::import::{self, Fields};
use super::output::{Row, note};
use super::progress::Progress;
use super::recommend::RecommendationView;
use super::route::RouteView;

/// The server takes so many questions in one stream.
const QUESTIONS_A_STREAM: usize = 2_000;
/// Questions on their way while earlier ones are answered.
const AHEAD: usize = 64;
/// So many bad questions are told one by one.
const TOLD: usize = 5;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `tenants/{tenant}`
    pub parent: &'a str,
    /// The questions.
    pub file: &'a Path,
    /// How many experts for each.
    pub top_k: i32,
    /// What makes a canary sticky.
    pub routing_key: &'a str,
}

/// One question of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    id: String,
    text: String,
    area: String,
}

/// One question with its answer, as it is printed.
#[derive(Debug, Serialize)]
struct QuestionView {
    id: String,
    text: String,
    request_id: Option<String>,
    recommendations: Vec<RecommendationView>,
    route: Option<RouteView>,
    error: Option<ErrorView>,
}

/// Why a question has no answer.
#[derive(Debug, Serialize)]
struct ErrorView {
    reason: String,
    message: String,
}

impl Row for QuestionView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "expert",
        "probability",
        "others",
        "request",
        "error",
        "text",
    ];
    fn cells(&self) -> Vec<String> {
        let first = self.recommendations.first();
        let others = self.recommendations.iter().skip(1);
        let others: Vec<_> = others.map(|one| one.expert_id.as_str()).collect();
        let error = self.error.as_ref();
        vec![
            self.id.clone(),
            first.map(|one| one.expert_id.clone()).unwrap_or_default(),
            first
                .map(|one| format!("{:.4}", one.probability))
                .unwrap_or_default(),
            others.join(";"),
            self.request_id.clone().unwrap_or_default(),
            error
                .map(|error| format!("{}: {}", error.reason, error.message))
                .unwrap_or_default(),
            self.text.clone(),
        ]
    }
}

/// Asks all questions of a file.
///
/// # Errors
/// What the person should be told.
pub async fn run(asked: Asked<'_>, context: &mut Context) -> Result<Exit, CliError> {
    let (questions, problem) = read(asked.file)?;
    let client = context.client().await?;
    let mut progress = Progress::of_job();
    let mut views = Vec::with_capacity(questions.len());
    for some in questions.chunks(QUESTIONS_A_STREAM) {
        ask(&client, asked, some, &mut views, |done| {
            let share = done as f32 / questions.len().max(1) as f32;
            progress.at(share, &format!("answered {done} of {}", questions.len()));
        })
        .await?;
    }
    progress.finish();
    let bad = |view: &&QuestionView| view.error.is_some();
    let failed = views.iter().filter(bad).count();
    for view in views.iter().filter(bad).take(TOLD) {
        if let Some(error) = &view.error {
            note(&format!("{}: {}", view.id, error.message));
        }
    }
    if let Some(problem) = &problem {
        note(problem);
    }
    note(&format!(
        "{} questions, {} answered, {failed} without an answer",
        views.len(),
        views.len() - failed
    ));
    context.out.list(&views)?;
    Ok(match (failed, problem) {
        (0, None) => Exit::Done,
        _ => Exit::RowsRejected,
    })
}

/// Sends questions in one stream and collects the answers, in order.
async fn ask(
    client: &Client,
    asked: Asked<'_>,
    questions: &[Question],
    views: &mut Vec<QuestionView>,
    mut answered: impl FnMut(usize),
) -> Result<(), CliError> {
    let (sender, receiver) = tokio::sync::mpsc::channel(AHEAD);
    let requests: Vec<_> = questions
        .iter()
        .map(|one| v1::BatchRecommendExpertsRequest {
            parent: asked.parent.to_owned(),
            correlation_id: one.id.clone(),
            text: one.text.clone(),
            area: one.area.clone(),
            top_k: asked.top_k,
            routing_key: asked.routing_key.to_owned(),
        })
        .collect();
    let sending = tokio::spawn(async move {
        for request in requests {
            // A closed channel means that the server ended the stream; it says why itself.
            if sender.send(request).await.is_err() {
                break;
            }
        }
    });
    // Takes as long as it needs: no deadline for the whole of it.
    let answers = client
        .router()
        .batch_recommend_experts(ReceiverStream::new(receiver))
        .await;
    let mut answers = client.answer(answers)?;
    let mut waiting = questions.iter();
    while let Some(answer) = answers
        .message()
        .await
        .map_err(|status| client.explain(status))?
    {
        let Some(question) = waiting.next() else {
            break;
        };
        views.push(view(question, answer));
        answered(views.len());
    }
    sending.abort();
    match waiting.len() {
        0 => Ok(()),
        missing => Err(CliError::new(
            Exit::Unreachable,
            format!("the server ended the stream with {missing} questions unanswered"),
        )),
    }
}

fn view(question: &Question, answer: v1::BatchRecommendExpertsResponse) -> QuestionView {
    let mut view = QuestionView {
        id: question.id.clone(),
        text: question.text.clone(),
        request_id: None,
        recommendations: Vec::new(),
        route: None,
        error: None,
    };
    match answer.result {
        Some(Outcome::Answer(answer)) => {
            let experts = answer.recommendations.into_iter().enumerate();
            view.recommendations = experts.map(RecommendationView::of).collect();
            view.request_id = Some(answer.request_id);
            view.route = answer.route.map(RouteView::from);
        }
        Some(Outcome::Error(error)) => {
            view.error = Some(ErrorView {
                reason: error.reason,
                message: error.message,
            });
        }
        None => {
            view.error = Some(ErrorView {
                reason: "EMPTY".to_owned(),
                message: "the server sent neither an answer nor an error".to_owned(),
            });
        }
    }
    view
}

/// The questions of a file, and what is wrong with the file itself. A row that cannot be read is a
/// question without words, so that the answers stay beside their rows.
fn read(path: &Path) -> Result<(Vec<Question>, Option<String>), CliError> {
    let mut file = import::open(path, None, None)?;
    let mut questions = Vec::new();
    while let Some(record) = file.records.next_record() {
        let number = record.number;
        let question = match record.fields {
            Ok(fields) => question_of(&fields, number),
            Err(issue) => {
                note(&format!(
                    "{} {number}: {}",
                    file.records.unit(),
                    issue.message
                ));
                Question {
                    id: number.to_string(),
                    text: String::new(),
                    area: String::new(),
                }
            }
        };
        questions.push(question);
    }
    if questions.is_empty() {
        let name = import::source::display_name(path);
        return Err(CliError::usage(format!("{name} has no questions")));
    }
    if questions.iter().all(|one| one.text.is_empty()) {
        let name = import::source::display_name(path);
        let message = format!("no row of {name} has a text");
        return Err(CliError::usage(message).hint("name the column of the questions `text`"));
    }
    Ok((questions, file.records.problem()))
}

/// The question that a row holds; its number in the file names it where it has no id.
fn question_of(fields: &Fields, number: u64) -> Question {
    let text = |names: &[&str]| {
        let found = fields
            .iter()
            .find(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)));
        match found {
            Some((_, Value::String(text))) => text.trim().to_owned(),
            Some((_, Value::Number(number))) => number.to_string(),
            _ => String::new(),
        }
    };
    let id = text(&["id"]);
    Question {
        id: if id.is_empty() {
            number.to_string()
        } else {
            id
        },
        text: text(&["text", "question"]),
        area: text(&["area"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn csv_and_jsonl_are_read_and_rows_keep_their_places() {
        let (_csv, path) = file("q.csv", "id,Question,area\n7,Why?,law\n,How?,\n");
        let (questions, problem) = read(&path).unwrap();
        let ids: Vec<_> = questions.iter().map(|one| one.id.as_str()).collect();
        assert_eq!((ids, problem), (vec!["7", "2"], None));
        assert_eq!(
            (questions[0].text.as_str(), questions[0].area.as_str()),
            ("Why?", "law")
        );
        let (_jsonl, path) = file("q.jsonl", "{\"text\": \"Why?\"}\nnot json\n");
        let (questions, _) = read(&path).unwrap();
        assert_eq!(
            (questions[0].text.as_str(), questions[1].text.as_str()),
            ("Why?", "")
        );
    }

    #[test]
    fn a_file_without_questions_is_refused_with_a_hint() {
        let (_csv, path) = file("q.csv", "id,words\n7,Why?\n");
        let error = read(&path).unwrap_err();
        assert!(error.report().contains("`text`"), "{}", error.report());
        let (_empty, path) = file("q.csv", "id,text\n");
        assert_eq!(read(&path).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn an_error_stands_where_the_answer_would() {
        let question = Question {
            id: "q".to_owned(),
            text: String::new(),
            area: String::new(),
        };
        let answer = v1::BatchRecommendExpertsResponse {
            result: Some(Outcome::Error(v1::QuestionError {
                reason: "INVALID_FIELD".to_owned(),
                message: "text: is empty".to_owned(),
            })),
            ..Default::default()
        };
        let cells = view(&question, answer).cells();
        assert_eq!(
            (cells[0].as_str(), cells[5].as_str()),
            ("q", "INVALID_FIELD: text: is empty")
        );
    }
}
