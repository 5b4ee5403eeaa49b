//! Retrieval: the tenant's items nearest to a question, by meaning and by words.

use std::time::{Duration, Instant};

use domain::TenantContext;
use domain::cost::Meter;
use learning::Hits;
use metering::usage;
use vectors::SparseVector;

use super::{Experts, ExpertsView, QueryVector};
use crate::deadline::within;
use crate::{Result, StageTimes};

/// What is looked for.
pub(super) struct Wanted<'a> {
    pub text: &'a str,
    /// Its words, counted.
    pub words: &'a [(u32, f32)],
    pub vector: QueryVector,
    /// Time until the caller's deadline.
    pub remaining: Option<Duration>,
}

/// The nearest items of a question.
pub(super) struct Retrieved {
    pub hits: Hits,
    /// What the ridge scorers expect of each expert; empty without an embedding.
    pub ridge: Vec<Vec<f32>>,
    /// The embedding did not come in time.
    pub late: bool,
}

impl Experts {
    /// The words are searched while the model embeds; when the caller's deadline comes first, the words
    /// alone have to do.
    pub(super) async fn retrieve(
        &self,
        ctx: &TenantContext,
        view: &ExpertsView,
        wanted: Wanted<'_>,
        times: &mut StageTimes,
    ) -> Result<Retrieved> {
        let (space, tenant) = (view.encoder.space(), ctx.tenant());
        let ((indices, values), searched) = {
            let history = view.history();
            let statistics = &history.statistics;
            let weights = statistics.query_weights(&history.corpus, wanted.words);
            (weights, history.searched())
        };
        let query = SparseVector { indices, values };
        let encoding = async {
            match wanted.vector {
                QueryVector::Encoded(encoded) => Some(Ok(encoded)),
                QueryVector::Late => None,
                QueryVector::Wanted => {
                    let encoding = view.encoder.query(tenant, wanted.text);
                    within(wanted.remaining, encoding).await
                }
            }
        };
        let lexical = self.vectors.search_sparse(space, tenant, query, searched);
        let (encoded, lexical) = tokio::join!(encoding, lexical);
        let lexical = lexical?;
        usage::add(Meter::SearchCpu, usage::micros(lexical.cpu));
        let lexical = view.history().positions(&lexical.hits);
        let Some(encoded) = encoded.transpose()? else {
            return Ok(Retrieved {
                hits: Hits {
                    dense: Vec::new(),
                    lexical,
                },
                ridge: Vec::new(),
                late: true,
            });
        };
        (times.embedding_queued, times.embedding) = (encoded.queued, encoded.computed);
        let searching = Instant::now();
        let ridge = view.history().predict_by_embedding(&encoded.vector);
        let dense = self
            .vectors
            .search_dense(space, tenant, encoded.vector, searched)
            .await?;
        times.search = searching.elapsed();
        usage::add(Meter::SearchCpu, usage::micros(dense.cpu));
        Ok(Retrieved {
            hits: Hits {
                dense: view.history().positions(&dense.hits),
                lexical,
            },
            ridge,
            late: false,
        })
    }
}
