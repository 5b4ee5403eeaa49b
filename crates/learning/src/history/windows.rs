//! Windows over the past: what training asks itself, as of which day.
//!
//! Rolling origin (Tashman, "Out-of-sample tests of forecasting accuracy", 2000): each window's
//! questions see only the items before it, as they would have on that day. Windows are short,
//! because a served tenant's index is never far behind its newest item.

/// Share of the items in one window.
const SHARE: f64 = 0.03;
/// Shorter windows would each need a look at the whole past for a handful of questions.
const LEAST_QUESTIONS: usize = 5;
/// A window needs this many items before it, or its questions say nothing.
const LEAST_HISTORY: usize = 20;
/// Longer windows, and more of them, would tell little more, and all of their questions are in memory at once.
const MOST_QUESTIONS: usize = 250;
const MOST_WINDOWS: usize = 24;
/// What is older than this share of the history is only looked back at.
const OLDEST: f64 = 0.28;

/// Part of the past: questions `from..to`, seen with the items before `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first question.
    pub from: usize,
    /// After the last question.
    pub to: usize,
}

/// Questions of one window in a history of `n` items.
pub(crate) fn length(n: usize) -> usize {
    ((n as f64 * SHARE).round() as usize).clamp(LEAST_QUESTIONS, MOST_QUESTIONS)
}

/// The windows of a history of `n` items, the newest first.
pub(crate) fn windows(n: usize) -> Vec<Window> {
    let length = length(n);
    let oldest = ((n as f64 * OLDEST) as usize).max(LEAST_HISTORY);
    let mut all = Vec::new();
    let mut to = n;
    while all.len() < MOST_WINDOWS
        && let Some(from) = to.checked_sub(length).filter(|&from| from >= oldest)
    {
        all.push(Window { from, to });
        to = from;
    }
    all
}

/// The fewest items that give one window.
pub(crate) fn least_items() -> usize {
    LEAST_HISTORY + LEAST_QUESTIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_newest_first_without_gaps_and_leave_a_past() {
        let all = windows(1000);
        assert_eq!(all.len(), 24);
        assert_eq!(
            all[0],
            Window {
                from: 970,
                to: 1000
            }
        );
        assert!(all.windows(2).all(|pair| pair[0].from == pair[1].to));
        assert!(all.iter().all(|window| window.from >= 280));
    }

    #[test]
    fn large_tenants_have_no_more_questions_than_others() {
        let all = windows(100_000);
        let questions: usize = all.iter().map(|window| window.to - window.from).sum();
        assert_eq!((all.len(), questions), (24, 6_000));
        assert_eq!(all[0].to, 100_000);
    }

    #[test]
    fn thin_tenants_have_few_windows_or_none() {
        assert!(windows(0).is_empty());
        assert!(windows(least_items() - 1).is_empty());
        assert_eq!(windows(least_items()).len(), 1);
        assert_eq!(windows(49).len(), 5);
        assert!(windows(49).iter().all(|window| window.from >= 20));
    }
}
