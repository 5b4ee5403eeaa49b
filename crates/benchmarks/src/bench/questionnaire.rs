//! A whole questionnaire in one stream, against the same number of single calls.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::TOP_K;
use crate::scenario::Onboard;
use crate::terminal::{Screen, time};
use testkit::clients::ROUTED;

/// Questions of a questionnaire.
const QUESTIONS: usize = 300;
/// A stream that takes longer than this share of the single calls has no reason to be.
const BAR: f64 = 1.0;

/// What both took.
#[derive(Debug, Serialize)]
pub struct Report {
    questions: usize,
    single_calls_ms: f64,
    questionnaire_ms: f64,
    /// The single calls' time over the questionnaire's.
    times_faster: f64,
}

/// Asks half of the single calls before the questionnaire and half after it, so that a machine that
/// gets slower or faster meanwhile favours neither. No text is asked twice.
///
/// # Errors
/// The server's.
pub async fn measure(screen: Screen, one: &Onboard) -> Result<Report> {
    let mut line = screen.live();
    let text = |series: &str, number: usize| {
        let questions = &one.tenant.questions;
        format!(
            "{} (question {number} of {series})",
            questions[number % questions.len()].text
        )
    };
    let texts = |series: &str, count| -> Vec<String> {
        (0..count).map(|number| text(series, number)).collect()
    };
    one.backend
        .questionnaire(&texts("the warm-up", 50), TOP_K)
        .await?;
    line.update("  asking one by one");
    let mut single = singly(one, &texts("the first half", QUESTIONS / 2)).await?;
    line.update("  asking a questionnaire");
    let whole = one
        .backend
        .questionnaire(&texts("the questionnaire", QUESTIONS), TOP_K)
        .await?;
    line.update("  asking one by one");
    single += singly(one, &texts("the other half", QUESTIONS - QUESTIONS / 2)).await?;
    line.finish(&format!("  asked {QUESTIONS} questions twice"));
    Ok(Report {
        questions: QUESTIONS,
        single_calls_ms: single.as_secs_f64() * 1e3,
        questionnaire_ms: whole.as_secs_f64() * 1e3,
        times_faster: single.as_secs_f64() / whole.as_secs_f64(),
    })
}

async fn singly(one: &Onboard, texts: &[String]) -> Result<Duration> {
    let begin = Instant::now();
    for text in texts {
        one.backend.recommend(text, TOP_K, ROUTED).await?;
    }
    Ok(begin.elapsed())
}

impl Report {
    /// Prints it, and returns the bar that was missed, if one was.
    pub fn print(&self, screen: Screen) -> Option<String> {
        screen.heading(
            "BatchRecommendExperts, one client",
            &format!("{} questions", self.questions),
        );
        let shown = |millis: f64| time(Duration::from_secs_f64(millis / 1e3));
        println!(
            "  one call after the other {}, one stream {}: {:.2} times faster",
            shown(self.single_calls_ms),
            shown(self.questionnaire_ms),
            self.times_faster
        );
        (self.times_faster < BAR).then(|| "a questionnaire is slower than its questions".to_owned())
    }
}
