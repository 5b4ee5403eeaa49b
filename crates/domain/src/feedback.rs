//! Feedback: what people did with an answer, and who answers by it.

use serde::{Deserialize, Serialize};

use crate::ExpertId;

/// What a person did with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FeedbackVerdict {
    /// The expert took the question.
    Accepted,
    /// The expert was wrong for it.
    Rejected,
    /// Somebody else took it.
    Reassigned,
}

impl FeedbackVerdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Rejected, Self::Reassigned];

    /// The stable text of the verdict, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
            Self::Reassigned => "REASSIGNED",
        }
    }

    /// The verdict that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
    }
}

/// One thing that was said about an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedbackEvent {
    /// What was done.
    pub verdict: FeedbackVerdict,
    /// The recommended expert it is about.
    pub expert: Option<ExpertId>,
    /// Who took the question instead.
    pub reassigned_to: Option<ExpertId>,
}

/// Who answered the question, by all that was said about its answer, in order: the first who took it
/// first. What is said later takes back what it contradicts.
#[must_use]
pub fn resolve_assignees<'a>(said: impl IntoIterator<Item = &'a FeedbackEvent>) -> Vec<ExpertId> {
    let mut takers: Vec<ExpertId> = Vec::new();
    for FeedbackEvent {
        verdict,
        expert,
        reassigned_to,
    } in said
    {
        let (gone, come) = match verdict {
            FeedbackVerdict::Accepted => (None, expert),
            FeedbackVerdict::Rejected => (expert.as_ref(), &None),
            FeedbackVerdict::Reassigned => (expert.as_ref(), reassigned_to),
        };
        takers.retain(|taker| Some(taker) != gone);
        if let Some(come) = come.as_ref().filter(|come| !takers.contains(come)) {
            takers.push(come.clone());
        }
    }
    takers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(verdict: FeedbackVerdict, expert: &str, to: &str) -> FeedbackEvent {
        let id = |text: &str| (!text.is_empty()).then(|| ExpertId::parse(text).unwrap());
        FeedbackEvent {
            verdict,
            expert: id(expert),
            reassigned_to: id(to),
        }
    }

    fn takers(all: &[FeedbackEvent]) -> Vec<String> {
        resolve_assignees(all)
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn who_takes_a_question_answers_it() {
        use FeedbackVerdict::{Accepted, Reassigned, Rejected};
        assert!(takers(&[]).is_empty());
        assert_eq!(takers(&[said(Accepted, "ada", "")]), ["ada"]);
        let two = [said(Accepted, "ada", ""), said(Accepted, "bob", "")];
        assert_eq!(takers(&two), ["ada", "bob"]);
        let moved = [said(Accepted, "ada", ""), said(Reassigned, "ada", "bob")];
        assert_eq!(takers(&moved), ["bob"]);
        assert_eq!(takers(&[said(Reassigned, "", "bob")]), ["bob"]);
        let refused = [said(Accepted, "ada", ""), said(Rejected, "ada", "")];
        assert!(takers(&refused).is_empty());
        let again = [said(Rejected, "ada", ""), said(Accepted, "ada", "")];
        assert_eq!(takers(&again), ["ada"]);
    }

    #[test]
    fn every_verdict_is_read_as_it_is_written() {
        for verdict in FeedbackVerdict::ALL {
            assert_eq!(FeedbackVerdict::parse(verdict.as_str()), Some(verdict));
        }
        assert_eq!(FeedbackVerdict::parse("MAYBE"), None);
    }
}
