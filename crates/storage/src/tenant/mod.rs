//! A transaction bound to one tenant, and its repositories.

use domain::{Change, TenantContext, TenantId};
use sea_orm::{ColumnTrait, QueryFilter, Select, UpdateMany};

use crate::Result;
use crate::rows::TenantRows;
use crate::session::Session;

mod answers;
mod answers_counted;
pub(crate) mod audit;
mod classifications;
mod corrections;
mod counters;
mod datasets;
mod embeddings;
mod experts;
mod feedback;
mod index_state;
mod inputs;
mod items;
mod jobs;
mod merges;
mod models;
mod precomputed;
pub(crate) mod prune;
mod rejections;
mod requests;
mod routing;
mod scores;
mod serving;
mod signals;
mod spaces;
mod tasks;
mod trials;
mod usage;
mod values;

pub use answers::{Answer, Answers, JudgedAnswer, NewAnswer, Shadow};
pub use answers_counted::{AnswersOfModel, CountedAnswers};
pub use audit::Audit;
pub use classifications::{Classification, Classifications, Outcome as ClassificationOutcome};
pub use corrections::{Corrections, CorrectionsStamp};
pub use datasets::{Datasets, NewDataset};
pub use embeddings::Embeddings;
pub use experts::Experts;
pub use feedback::{Feedback, FeedbackLog, NewFeedback};
pub use index_state::IndexState;
pub use inputs::TrainingInputs;
pub use items::{
    DeleteOutcome, ItemChange, ItemQuery, Items, OpenPosition, Rewritten, UpsertOutcome,
};
pub use jobs::{Jobs, NewJob};
pub use merges::{Merges, Moved, TakenBack};
pub use models::{AliasEvent, AliasMove, Models, NewModel};
pub use precomputed::{PrecomputedAnswer, PrecomputedAnswers};
pub use prune::{PruneNote, VersionSummary};
pub use rejections::{NewRejection, Rejections};
pub use requests::Requests;
pub use routing::{RoutingPolicies, StoredPolicy};
pub use scores::Scores;
pub use serving::ServingState;
pub use signals::{SharedSignal, Signal, Signals};
pub use spaces::{SpaceSwitch, Spaces};
pub use tasks::Tasks;
pub use trials::{StoredTrial, Trials};
pub use usage::{NoUsageKey, TenantUsage, UsageHour, UsageKey};
pub use values::{StoredVerdict, Values};

/// Values of one `IN (…)`.
const VALUES_PER_IN: usize = 5_000;

/// A transaction bound to one tenant.
///
/// Its repositories borrow it, so it cannot be committed while one is in use. Dropped without a
/// commit, everything done in it is undone and nobody is told.
#[derive(Debug)]
pub struct TenantTx {
    session: Session,
    ctx: TenantContext,
}

impl TenantTx {
    pub(crate) fn new(session: Session, ctx: TenantContext) -> Self {
        Self { session, ctx }
    }

    /// The tenant that everything here belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        self.ctx.tenant()
    }

    /// The people who can answer.
    #[must_use]
    pub fn experts(&self) -> Experts<'_> {
        Experts { tx: self }
    }

    /// Experts who became others.
    #[must_use]
    pub fn merges(&self) -> Merges<'_> {
        Merges { tx: self }
    }

    /// The tenant's content.
    #[must_use]
    pub fn items(&self) -> Items<'_> {
        Items { tx: self }
    }

    /// Rows that could not become items.
    #[must_use]
    pub fn rejections(&self) -> Rejections<'_> {
        Rejections { tx: self }
    }

    /// Numbered versions of the items.
    #[must_use]
    pub fn datasets(&self) -> Datasets<'_> {
        Datasets { tx: self }
    }

    /// Vectors by the hash of their text.
    #[must_use]
    pub fn embeddings(&self) -> Embeddings<'_> {
        Embeddings { tx: self }
    }

    /// How far the index has followed the items.
    #[must_use]
    pub fn index(&self) -> IndexState<'_> {
        IndexState { tx: self }
    }

    /// The embedding spaces.
    #[must_use]
    pub fn spaces(&self) -> Spaces<'_> {
        Spaces { tx: self }
    }

    /// Long work.
    #[must_use]
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs {
            session: &self.session,
            owner: Some(self.ctx.tenant()),
        }
    }

    /// Model versions and aliases.
    #[must_use]
    pub fn models(&self) -> Models<'_> {
        Models { tx: self }
    }

    /// How versions do after their training.
    #[must_use]
    pub fn scores(&self) -> Scores<'_> {
        Scores { tx: self }
    }

    /// What people did with answers.
    #[must_use]
    pub fn feedback(&self) -> FeedbackLog<'_> {
        FeedbackLog { tx: self }
    }

    /// What was answered.
    #[must_use]
    pub fn answers(&self) -> Answers<'_> {
        Answers { tx: self }
    }

    /// What is to be predicted.
    #[must_use]
    pub fn tasks(&self) -> Tasks<'_> {
        Tasks { tx: self }
    }

    /// What was answered to tasks.
    #[must_use]
    pub fn classifications(&self) -> Classifications<'_> {
        Classifications { tx: self }
    }

    /// What people said is right.
    #[must_use]
    pub fn corrections(&self) -> Corrections<'_> {
        Corrections { tx: self }
    }

    /// Answers that were computed before they were asked for.
    #[must_use]
    pub fn precomputed(&self) -> PrecomputedAnswers<'_> {
        PrecomputedAnswers { tx: self }
    }

    /// First answers of mutations, for those who ask again.
    #[must_use]
    pub fn requests(&self) -> Requests<'_> {
        Requests { tx: self }
    }

    /// How requests are routed.
    #[must_use]
    pub fn routing(&self) -> RoutingPolicies<'_> {
        RoutingPolicies { tx: self }
    }

    /// What is given for training the tiers above.
    #[must_use]
    pub fn signals(&self) -> Signals<'_> {
        Signals { tx: self }
    }

    /// What trainings read besides their dataset.
    #[must_use]
    pub fn inputs(&self) -> TrainingInputs<'_> {
        TrainingInputs { tx: self }
    }

    /// What searches tried.
    #[must_use]
    pub fn trials(&self) -> Trials<'_> {
        Trials { tx: self }
    }

    /// What its own model earns against what it costs.
    #[must_use]
    pub fn values(&self) -> Values<'_> {
        Values { tx: self }
    }

    /// What it consumed.
    #[must_use]
    pub fn usage(&self) -> TenantUsage<'_> {
        TenantUsage { tx: self }
    }

    /// The record of administrative acts.
    #[must_use]
    pub fn audit(&self) -> Audit<'_> {
        Audit { tx: self }
    }

    /// Keeps everything, durably, and then tells those who subscribed to the changes.
    ///
    /// # Errors
    /// When the database cannot commit; then nothing is kept.
    pub async fn commit(self) -> Result<()> {
        self.session.commit().await
    }

    fn session(&self) -> &Session {
        &self.session
    }

    fn id(&self) -> &str {
        self.ctx.tenant().as_str()
    }

    fn actor(&self) -> &str {
        self.ctx.actor()
    }

    fn note(&self, change: impl FnOnce(TenantId) -> Change) {
        self.session.note(change(self.ctx.tenant().clone()));
    }

    /// A query over this tenant's rows.
    fn find<E: TenantRows>(&self) -> Select<E> {
        E::find().filter(E::TENANT.eq(self.id()))
    }

    /// An update of this tenant's rows.
    fn update<E: TenantRows>(&self) -> UpdateMany<E> {
        E::update_many().filter(E::TENANT.eq(self.id()))
    }
}

/// Turns rows into values of `domain`.
fn all<R, T: TryFrom<R, Error = crate::StorageError>>(rows: Vec<R>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}
