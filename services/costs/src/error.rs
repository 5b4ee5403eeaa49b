//! A price book that cannot be kept.

use domain::cost::{PriceProblem, PriceReason};
use domain::{ErrorKind, Fault, FieldViolation};

/// Why a price book is refused: all that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("the price book is refused: {}", in_words(.0))]
pub(crate) struct BadPrices(Vec<Flaw>);

#[derive(Debug)]
struct Flaw {
    /// None where no text of the book is to blame alone.
    reason: Option<PriceReason>,
    violation: FieldViolation,
}

impl BadPrices {
    /// Nothing is wrong yet.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds problems of what lies under `prefix`.
    pub(crate) fn add(&mut self, prefix: &str, problems: Vec<PriceProblem>) {
        self.0.extend(problems.into_iter().map(|problem| Flaw {
            reason: Some(problem.reason),
            violation: FieldViolation {
                field: format!("{prefix}.{}", problem.field),
                message: format!("{}: {}", problem.reason.as_str(), problem.message),
            },
        }));
    }

    /// Adds a violation of what lies under `prefix`.
    pub(crate) fn add_violation(&mut self, prefix: &str, violation: FieldViolation) {
        let field = format!("{prefix}.{}", violation.field);
        self.0.push(Flaw {
            reason: None,
            violation: FieldViolation { field, ..violation },
        });
    }

    /// Nothing, or all that is wrong.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

fn in_words(flaws: &[Flaw]) -> String {
    let all: Vec<String> = flaws
        .iter()
        .map(|flaw| flaw.violation.to_string())
        .collect();
    all.join("; ")
}

impl Fault for BadPrices {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }

    /// The code of the problem where all have the same.
    fn reason(&self) -> &'static str {
        let first = self.0.first().and_then(|flaw| flaw.reason);
        let same = self.0.iter().all(|flaw| flaw.reason == first);
        first
            .filter(|_| same)
            .map_or("PRICE_BOOK_INVALID", PriceReason::as_str)
    }

    fn violations(&self) -> Vec<FieldViolation> {
        self.0.iter().map(|flaw| flaw.violation.clone()).collect()
    }
}
