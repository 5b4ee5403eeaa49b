//! One tenant's way through the platform: welcomed, filled, trained, asked. What demo and quality
//! share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::v1::api_key::Role;
use tokio::task::JoinSet;

use crate::metrics::{Quality, Tally};
use crate::terminal::{LiveLine, bar, count};
use testkit::clients::{Admin, Answer, Backend, Ingested, Operator, ROUTED, Trained};
use testkit::content::{Row, Tenant};

/// The shared model that ships with the server.
const GLOBAL_MODEL: &str = "global/models/experts/versions/0";
/// As many experts as the contract returns, so that a late right one still counts.
const TOP_K: i32 = 100;
/// Parts of the questions when a tenant learns in between.
const STEPS: usize = 5;
/// Calls under way at once where nobody looks at how long one takes.
const WORKERS: usize = 4;

/// Who answers a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// The experts with the most items.
    MostPopular,
    /// The experts with the most recent items.
    RecentlyActive,
    /// Words that stand out in what each expert answered.
    KeywordRules,
    /// Votes of the items nearest by words.
    LexicalKnn,
    /// Votes of the items nearest by meaning.
    DenseKnn,
    /// The shared ranker.
    Global,
    /// That of the tenant's vertical, where enough tenants gave what it takes.
    Vertical,
    /// The tenant's own, just trained, whether it serves or not.
    Tenant,
    /// Whatever the server chooses: what a customer gets.
    Routed,
}

/// A tenant with its clients.
#[derive(Debug, Clone)]
pub struct Onboard {
    /// The content.
    pub tenant: Tenant,
    /// Holds the BACKEND key.
    pub backend: Backend,
    /// Holds the TENANT_ADMIN key.
    pub admin: Admin,
    /// Asks with the administrator's key, as comparing models needs.
    pub comparer: Backend,
    /// The BACKEND key's secret.
    pub backend_key: String,
    /// The TENANT_ADMIN key's secret.
    pub admin_key: String,
    /// The model of the tenant's vertical, once one was trained.
    pub vertical_model: Option<String>,
}

/// What it took to fill a tenant.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The stream's end.
    pub ingested: Ingested,
    /// From the last acknowledgement until everything could be found.
    pub indexed_after: Duration,
}

/// Answers to a tenant's questions.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The routed ones, in the questions' order.
    pub answers: Vec<Answer>,
    /// How good each method was; without the ones that could not be asked.
    pub quality: BTreeMap<Method, Quality>,
    /// What the qualities were made of.
    tallies: BTreeMap<Method, Tally>,
}

impl Asked {
    fn new(answers: Vec<Answer>, tallies: BTreeMap<Method, Tally>) -> Self {
        let quality = |(method, tally): (&Method, &Tally)| (*method, tally.quality());
        Self {
            answers,
            quality: tallies.iter().map(quality).collect(),
            tallies,
        }
    }

    /// Both, as one; of the methods that both were asked.
    fn and(mut self, more: Self) -> Self {
        self.answers.extend(more.answers);
        self.tallies.retain(|method, tally| {
            let known = more.tallies.get(method);
            known.inspect(|other| tally.merge(**other)).is_some()
        });
        Self::new(self.answers, self.tallies)
    }
}

impl Method {
    /// All, the routed one last.
    pub const ALL: [Self; 9] = [
        Self::MostPopular,
        Self::RecentlyActive,
        Self::KeywordRules,
        Self::LexicalKnn,
        Self::DenseKnn,
        Self::Global,
        Self::Vertical,
        Self::Tenant,
        Self::Routed,
    ];

    /// For a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::MostPopular => "popular",
            Self::RecentlyActive => "recent",
            Self::KeywordRules => "keywords",
            Self::LexicalKnn => "lexical",
            Self::DenseKnn => "dense",
            Self::Global => "global",
            Self::Vertical => "vertical",
            Self::Tenant => "tenant",
            Self::Routed => "routed",
        }
    }

    /// For a list.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::MostPopular => "baseline: most popular",
            Self::RecentlyActive => "baseline: recently active",
            Self::KeywordRules => "baseline: keyword rules",
            Self::LexicalKnn => "baseline: lexical kNN",
            Self::DenseKnn => "baseline: dense kNN (a plain vector store)",
            Self::Global => "global ranker (from the first day)",
            Self::Vertical => "vertical's ranker",
            Self::Tenant => "tenant's own ranker (just trained)",
            Self::Routed => "routed: what the customer gets",
        }
    }

    /// What to send as the override; none when there is no such model.
    fn model<'a>(self, one: &'a Onboard, trained: &'a Trained) -> Option<&'a str> {
        match self {
            Self::MostPopular => Some("baseline:most-popular"),
            Self::RecentlyActive => Some("baseline:recently-active"),
            Self::KeywordRules => Some("baseline:keyword-rules"),
            Self::LexicalKnn => Some("baseline:lexical-knn"),
            Self::DenseKnn => Some("baseline:dense-knn"),
            Self::Global => Some(GLOBAL_MODEL),
            Self::Vertical => one.vertical_model.as_deref(),
            Self::Tenant => trained.model.as_ref().map(|model| model.name.as_str()),
            Self::Routed => Some(ROUTED),
        }
    }
}

/// Creates the tenant with a key for its backend and one for its administrator. Where it shares, the
/// tiers above may learn from it.
///
/// # Errors
/// The server's.
pub async fn welcome(
    endpoint: &str,
    operator: &Operator,
    tenant: Tenant,
    share: bool,
) -> Result<Onboard> {
    operator.create_sharing_tenant(&tenant, share).await?;
    let backend_key = operator
        .create_key(&tenant, Role::Backend, "backend")
        .await?;
    let admin_key = operator
        .create_key(&tenant, Role::TenantAdmin, "administrator")
        .await?;
    Ok(Onboard {
        backend: Backend::connect(endpoint, &backend_key, tenant.name()).await?,
        admin: Admin::connect(endpoint, &admin_key, tenant.name()).await?,
        comparer: Backend::connect(endpoint, &admin_key, tenant.name()).await?,
        tenant,
        backend_key,
        admin_key,
        vertical_model: None,
    })
}

/// Brings experts and items, and waits until all of them can be found.
///
/// # Errors
/// The server's; a row that was not taken.
pub async fn load(one: &Onboard, line: &mut LiveLine) -> Result<Loaded> {
    let (id, items) = (&one.tenant.id, &one.tenant.items);
    let mut draw = |what: &str, done: usize| {
        let (bar, all) = (bar(done as f64, items.len() as f64), count(items.len()));
        line.update(&format!("  {id:<18} {bar} {what} {} of {all}", count(done)));
    };
    one.backend.upsert_experts(&one.tenant.people).await?;
    let ingested = one
        .backend
        .ingest("content", items, |done| draw("streamed", done))
        .await?;
    if let Some(row) = ingested.rejected.first() {
        ensure!(
            ingested.rejected.is_empty(),
            "{} of {id}'s rows were rejected; the first, in line {}: {}",
            ingested.rejected.len(),
            row.line,
            row.message
        );
    }
    let indexed = |done| draw("indexed", usize::try_from(done).unwrap_or(items.len()));
    let indexed_after = one
        .backend
        .wait_indexed(ingested.watermark, indexed)
        .await?;
    Ok(Loaded {
        ingested,
        indexed_after,
    })
}

/// Retrains the tenant's model.
///
/// # Errors
/// The server's, and the job's.
pub async fn train(one: &Onboard, label: &str, line: &mut LiveLine) -> Result<Trained> {
    let id = &one.tenant.id;
    let draw = |step: &str, fraction: f32| {
        let bar = bar(f64::from(fraction), 1.0);
        line.update(&format!(
            "  {id:<18} {bar} {:>3.0} % {step}",
            fraction * 100.0
        ));
    };
    one.admin.retrain(label, draw).await
}

/// Asks every question of every method. Nothing is learned meanwhile: no feedback is sent.
///
/// # Errors
/// The server's.
pub async fn ask(
    one: &Onboard,
    trained: &Trained,
    methods: &[Method],
    line: &mut LiveLine,
) -> Result<Asked> {
    ask_some(one, &one.tenant.questions, trained, methods, line).await
}

/// [`ask`], of some of the questions.
///
/// # Errors
/// The server's.
pub async fn ask_some(
    one: &Onboard,
    questions: &[Row],
    trained: &Trained,
    methods: &[Method],
    line: &mut LiveLine,
) -> Result<Asked> {
    let id = &one.tenant.id;
    let mut draw = |what: &str, done: usize| {
        let (bar, all) = (
            bar(done as f64, questions.len() as f64),
            count(questions.len()),
        );
        line.update(&format!(
            "  {id:<18} {bar} asked {what} {} of {all}",
            count(done)
        ));
    };
    let (mut answers, mut tally) = (Vec::with_capacity(questions.len()), Tally::default());
    for question in questions {
        let answer = one.backend.recommend(&question.text, TOP_K, ROUTED).await?;
        tally.add(answer.ranked(), &question.right().collect::<Vec<_>>());
        answers.push(answer);
        draw(Method::Routed.label(), answers.len());
    }
    let mut tallies = BTreeMap::from([(Method::Routed, tally)]);
    let shared: Arc<[Row]> = questions.into();
    for method in methods.iter().filter(|method| **method != Method::Routed) {
        if let Some(model) = method.model(one, trained) {
            draw(method.label(), 0);
            let tally = compare(&one.comparer, Arc::clone(&shared), model).await?;
            tallies.insert(*method, tally);
        }
    }
    Ok(Asked::new(answers, tallies))
}

/// Asks the questions in [`STEPS`] parts, in order of time; after each part its truth is ingested and
/// the tenant retrained, as a customer's month goes by.
///
/// # Errors
/// The server's, and the jobs'.
pub async fn ask_live(
    one: &Onboard,
    trained: Trained,
    methods: &[Method],
    line: &mut LiveLine,
) -> Result<Asked> {
    let questions = &one.tenant.questions;
    let (mut trained, mut all) = (trained, None::<Asked>);
    for step in 0..STEPS {
        let part = questions.len() * step / STEPS..questions.len() * (step + 1) / STEPS;
        let asked = ask_some(one, &questions[part.clone()], &trained, methods, line).await?;
        all = Some(match all {
            Some(before) => before.and(asked),
            None => asked,
        });
        if step + 1 == STEPS {
            break;
        }
        let label = format!("step-{step}");
        let ingested = one.backend.ingest(&label, &questions[part], |_| ()).await?;
        one.backend.wait_indexed(ingested.watermark, |_| ()).await?;
        trained = train(one, &label, line).await?;
    }
    all.context("there are no questions")
}

/// Asks one model all questions, several at once.
async fn compare(client: &Backend, questions: Arc<[Row]>, model: &str) -> Result<Tally> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (client, model) = (client.clone(), model.to_owned());
        let (questions, next) = (Arc::clone(&questions), Arc::clone(&next));
        workers.spawn(async move {
            let mut tally = Tally::default();
            while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = client.recommend(&question.text, TOP_K, &model).await?;
                tally.add(answer.ranked(), &question.right().collect::<Vec<_>>());
            }
            anyhow::Ok(tally)
        });
    }
    let mut tally = Tally::default();
    while let Some(worker) = workers.join_next().await {
        tally.merge(worker??);
    }
    Ok(tally)
}
