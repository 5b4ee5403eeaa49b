//! Fitting rankers to windows of past questions.

use std::ops::Range;

use super::conditional_logit::{FitSettings, PreparedQuery, Query, Ranker, WarmStart};
use super::recipe::RankerRecipe;
use crate::parallel::each;

/// A ranker for each of `newest`: fitted on the questions of the windows from that one on,
/// which are newest first.
///
/// Two neighbours learn from nearly the same questions, so each begins where the one before ended. There
/// are always so many such chains, as bytes must not depend on how many cores there are.
pub(crate) fn fit_each(
    windows: &[&[Query]],
    newest: Range<usize>,
    towards: &Ranker,
    recipe: &RankerRecipe,
) -> Vec<Ranker> {
    const CHAINS: usize = 2;
    let prepare = |window: &&[Query]| window.iter().filter_map(PreparedQuery::new).collect();
    let prepared: Vec<Vec<PreparedQuery>> = windows[newest.start..].iter().map(prepare).collect();
    let settings = FitSettings {
        prior_strength: recipe.prior_strength,
        towards: Some(towards),
    };
    let fit = |from: usize, nearby: &mut WarmStart| {
        let known = prepared[from..].iter().enumerate();
        let queries = known.flat_map(|(back, window)| {
            let decay = recipe.window_decay.powi(back as i32);
            window.iter().map(move |query| (query, decay))
        });
        Ranker::fit_prepared(queries.collect(), settings, nearby)
    };
    let places: Vec<usize> = (0..newest.len()).collect();
    let chains: Vec<&[usize]> = places
        .chunks(places.len().div_ceil(CHAINS).max(1))
        .collect();
    let fitted = each(chains.len(), CHAINS, |at| {
        let mut nearby = WarmStart::default();
        let oldest_first = chains[at].iter().rev();
        let mut fitted: Vec<Ranker> = oldest_first.map(|&from| fit(from, &mut nearby)).collect();
        fitted.reverse();
        fitted
    });
    fitted.concat()
}
