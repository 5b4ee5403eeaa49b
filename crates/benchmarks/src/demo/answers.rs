//! One recommendation as a person reads it: who, how sure, why, on what evidence, by which model.

use anyhow::Result;
use api::v1;

use super::is_right;
use crate::scenario::Onboard;
use crate::terminal::{Screen, WIDTH, clip};
use testkit::clients::Answer;
use testkit::content::Row;

const EXPERTS: usize = 3;
const REASONS: usize = 3;
const EVIDENCE: usize = 2;
/// Where the lines under an expert begin.
const INDENT: usize = 7;

/// Shows one answer of a tenant: the first whose first expert is right, if there is one.
///
/// # Errors
/// When an item of the evidence cannot be read.
pub async fn show_one(screen: Screen, one: &Onboard, answers: &[Answer]) -> Result<()> {
    let pairs = || one.tenant.questions.iter().zip(answers);
    let right = |(question, answer): &(&Row, &Answer)| {
        answer
            .ranked()
            .next()
            .is_some_and(|first| is_right(question, first))
    };
    let Some((question, answer)) = pairs().find(right).or_else(|| pairs().next()) else {
        return Ok(());
    };
    println!("\n  {} asks", screen.bold(&one.tenant.display_name));
    println!("  “{}”", clip(&question.text, WIDTH - 4));
    let recommendations = answer.response.recommendations.iter().enumerate();
    for (place, found) in recommendations.take(EXPERTS) {
        let mark = if is_right(question, &found.expert_id) {
            screen.good("✓ this is who answered it")
        } else {
            String::new()
        };
        let name = format!("{:<28}", clip(&found.display_name, 28));
        let sure = format!("{:>3.0} %", found.probability * 100.0);
        let line = format!("  {:>3}  {} {sure}  {mark}", place + 1, screen.bold(&name));
        println!("{}", line.trim_end());
        println!(
            "{:INDENT$}{}",
            "",
            screen.dim(&clip(&reasons(found), WIDTH - INDENT))
        );
        for evidence in found.evidence.iter().take(EVIDENCE) {
            let item = one.backend.item(&evidence.item).await?;
            let line = evidence_line(evidence, &item);
            println!("{:INDENT$}{}", "", clip(&line, WIDTH - INDENT));
        }
    }
    println!("  {}", screen.dim(&route_line(answer)));
    Ok(())
}

/// What added most to the score.
fn reasons(found: &v1::Recommendation) -> String {
    let strongest = found.contributions.iter().take(REASONS);
    let reasons: Vec<_> = strongest
        .map(|part| format!("{} {:+.2}", part.feature, part.contribution))
        .collect();
    format!("why  {}", reasons.join(" · "))
}

fn evidence_line(evidence: &v1::Evidence, item: &v1::Item) -> String {
    let day = evidence.occur_time.as_ref().and_then(|time| {
        let time = chrono::DateTime::from_timestamp(time.seconds, 0)?;
        Some(time.format("%Y-%m-%d").to_string())
    });
    let near = if evidence.similarity == 0.0 {
        "by words".to_owned()
    } else {
        format!("{:.2} alike", evidence.similarity)
    };
    let day = day.map(|day| format!(", {day}")).unwrap_or_default();
    format!("{} ({near}{day}): “{}”", item.item_id, item.text)
}

fn route_line(answer: &Answer) -> String {
    let Some(route) = &answer.response.route else {
        return "no route was told".to_owned();
    };
    let skipped = if route.fallbacks.is_empty() {
        String::new()
    } else {
        format!(", instead of {}", route.fallbacks.join(", "))
    };
    format!(
        "answered by {}, because {}{skipped}",
        route.model, route.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_explains_itself() {
        let part = |feature: &str, contribution| v1::Contribution {
            feature: feature.to_owned(),
            value: 1.0,
            contribution,
        };
        let contributions = vec![part("similar answers", 1.25), part("recent activity", -0.5)];
        let found = v1::Recommendation {
            contributions,
            ..Default::default()
        };
        assert_eq!(
            reasons(&found),
            "why  similar answers +1.25 · recent activity -0.50"
        );

        let evidence = v1::Evidence {
            similarity: 0.71,
            ..Default::default()
        };
        let item = v1::Item {
            item_id: "q-1".into(),
            text: "Why?".into(),
            ..Default::default()
        };
        assert_eq!(evidence_line(&evidence, &item), "q-1 (0.71 alike): “Why?”");
    }
}
