//! `tenantry recommend --batch`: who should answer each question of a file.

use std::path::Path;

use api::v1;
use api::v1::batch_recommend_experts_response::Result as Outcome;
use serde::Serialize;
use tokio_stream::wrappers::ReceiverStream;

use self::file::{Line, Question, Questionnaire};
use crate::Context;
use crate::answers::recommend::RecommendationView;
use crate::answers::route::RouteView;
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::import::args::TableArgs;
use crate::output::progress::Progress;
use crate::output::{Row, note};

mod file;
mod workbook;

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
    /// How the file is read.
    pub table: &'a TableArgs,
    /// A workbook to write the answers to.
    pub out: Option<&'a Path>,
    /// How many experts for each.
    pub top_k: i32,
    /// What makes a canary sticky.
    pub routing_key: &'a str,
}

/// One row of the questionnaire with its answer, as it is printed.
#[derive(Debug, Serialize)]
struct QuestionView {
    id: String,
    text: String,
    /// The row is the title of a section and no question.
    heading: bool,
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

impl QuestionView {
    fn others(&self) -> String {
        let others = self.recommendations.iter().skip(1);
        let others: Vec<_> = others.map(|one| one.expert_id.as_str()).collect();
        others.join(";")
    }

    fn problem(&self) -> String {
        let error = self.error.as_ref();
        error
            .map(|error| format!("{}: {}", error.reason, error.message))
            .unwrap_or_default()
    }
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
        vec![
            self.id.clone(),
            first.map(|one| one.expert_id.clone()).unwrap_or_default(),
            first
                .map(|one| format!("{:.4}", one.probability))
                .unwrap_or_default(),
            self.others(),
            self.request_id.clone().unwrap_or_default(),
            self.problem(),
            self.text.clone(),
        ]
    }
}

/// Asks all questions of a file.
///
/// # Errors
/// What the person should be told.
pub async fn run(asked: Asked<'_>, context: &mut Context) -> Result<Exit, CliError> {
    workbook::check(asked.out)?;
    let options = asked.table.options(asked.file)?;
    let read = file::read(&options)?;
    asked.table.save(&options.mapping, &read.columns)?;
    for note_of_file in &read.notes {
        note(note_of_file);
    }
    let client = context.client().await?;
    let mut progress = Progress::of_job();
    let questions = read.questions();
    let mut answers = Vec::with_capacity(questions.len());
    for some in questions.chunks(QUESTIONS_A_STREAM) {
        ask(&client, asked, some, &mut answers, |done| {
            let share = done as f32 / questions.len().max(1) as f32;
            progress.at(share, &format!("answered {done} of {}", questions.len()));
        })
        .await?;
    }
    progress.finish();
    let views = in_order(&read, answers);
    if let Some(out) = asked.out {
        workbook::write(out, asked.file, &read, &views)?;
    } else {
        context.out.list(&views)?;
    }
    Ok(told(&read, &views))
}

/// Every line of the file, with its answer where it is a question.
fn in_order(read: &Questionnaire, answers: Vec<QuestionView>) -> Vec<QuestionView> {
    let mut answers = answers.into_iter();
    let lines = read.lines.iter().filter_map(|(_, line)| match line {
        Line::Question(_) => answers.next(),
        Line::Heading(title) => Some(without_answer(String::new(), title.clone(), None)),
        Line::Unasked {
            id,
            text,
            reason,
            message,
        } => {
            let error = ErrorView {
                reason: (*reason).to_owned(),
                message: message.clone(),
            };
            Some(without_answer(id.clone(), text.clone(), Some(error)))
        }
    });
    lines.collect()
}

fn without_answer(id: String, text: String, error: Option<ErrorView>) -> QuestionView {
    QuestionView {
        id,
        text,
        heading: error.is_none(),
        request_id: None,
        recommendations: Vec::new(),
        route: None,
        error,
    }
}

/// Says what came of it; how the program ends.
fn told(read: &Questionnaire, views: &[QuestionView]) -> Exit {
    let bad = |view: &&QuestionView| view.error.is_some();
    let failed = views.iter().filter(bad).count();
    for view in views.iter().filter(bad).take(TOLD) {
        if let Some(error) = &view.error {
            note(&format!("{}: {}", view.id, error.message));
        }
    }
    if let Some(problem) = &read.problem {
        note(problem);
    }
    let asked = views.iter().filter(|view| !view.heading).count();
    note(&format!(
        "{asked} questions, {} answered, {failed} without an answer",
        asked - failed
    ));
    match (failed, &read.problem) {
        (0, None) => Exit::Done,
        _ => Exit::RowsRejected,
    }
}

/// Sends questions in one stream and collects the answers, in order.
async fn ask(
    client: &Client,
    asked: Asked<'_>,
    questions: &[&Question],
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
        heading: false,
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

#[cfg(test)]
mod tests {
    use super::*;

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
