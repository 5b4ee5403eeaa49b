//! Rates up to saturation and beyond, for each kind of call: how many a second, how long, and what becomes of
//! what is too much.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1;
use prost::Message as _;
use serde::Serialize;
use testkit::ServerProcess;
use testkit::clients::{Client, Operator};
use testkit::content::{Row, Tenant};
use tonic::Status;

use super::BenchArgs;
use crate::echo::EchoProcess;
use crate::load::{Figures, closed_loop, open_loop};
use crate::scenario;
use crate::terminal::{LiveLine, Screen, Table, count};

/// Connections that calls are spread over.
const CONNECTIONS: usize = 8;
/// Callers that together saturate a server.
const CALLERS: usize = 64;
/// Shares of the peak that are asked for in an open loop; the last is the overload.
const SHARES: [f64; 4] = [0.5, 0.8, 1.0, 2.0];
const TOP_K: i32 = 5;
/// Items without an expert, whose answers are computed ahead.
const OPEN_ITEMS: usize = 150;
/// How long precomputing may take.
const PRECOMPUTED_IN: Duration = Duration::from_secs(120);
/// The embedding models, by name and for the table; no name: that of tenants that have chosen none.
const MODELS: [(&str, &str); 3] = [
    ("", "MiniLM"),
    ("minilm-static", "static"),
    ("none", "no vectors"),
];

type Call = Pin<Box<dyn Future<Output = Result<(), Status>> + Send>>;
/// Makes the call with a number.
type Caller = Arc<dyn Fn(usize) -> Call + Send + Sync>;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    items: usize,
    seconds: u64,
    series: Vec<Series>,
    /// Bytes of a question and of its answer, encoded.
    message_bytes: [usize; 2],
}

/// One kind of call.
#[derive(Debug, Serialize)]
struct Series {
    what: String,
    /// One caller, which waits for each answer.
    lone: Figures,
    /// As many callers as the server can do with.
    peak: Figures,
    /// At shares of the peak, open loop.
    rates: Vec<Rate>,
}

#[derive(Debug, Serialize)]
struct Rate {
    share: f64,
    asked_per_second: f64,
    #[serde(flatten)]
    figures: Figures,
}

/// Measures on a server of its own.
///
/// # Errors
/// The server's, and what keeps it from measuring.
pub async fn measure(
    screen: Screen,
    server: &ServerProcess,
    operator: &Operator,
    tenant: &Tenant,
    args: &BenchArgs,
) -> Result<Report> {
    let mut line = screen.live();
    let lasts = Duration::from_secs(args.seconds);
    let mut series = Vec::new();
    let mut answer = None;
    for (model, title) in MODELS {
        let world = World::new(server, operator, tenant, model, &mut line).await?;
        answer = Some(world.one().await?);
        for (what, caller) in world.callers(model.is_empty()) {
            let what = format!("{what}, {title}");
            if !what.contains(&args.only) {
                continue;
            }
            series.push(sweep(&mut line, what, caller, lasts).await?);
        }
    }
    let answer = answer.context("nothing was asked")?;
    let folder = tempfile::tempdir()?;
    let echo = EchoProcess::start(folder.path(), &answer)?;
    let question = question("tenants/bench", &tenant.questions[0].text, 0);
    let message_bytes = [question.encoded_len(), answer.encoded_len()];
    let caller = echo_caller(&echo.endpoint, question).await?;
    series.push(sweep(&mut line, "bare tonic echo".to_owned(), caller, lasts).await?);
    line.finish("  swept");
    Ok(Report {
        items: tenant.items.len(),
        seconds: args.seconds,
        series,
        message_bytes,
    })
}

async fn sweep(
    line: &mut LiveLine,
    what: String,
    caller: Caller,
    lasts: Duration,
) -> Result<Series> {
    // No number twice, in any series, so that nothing is remembered.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let call = move |_| caller(NEXT.fetch_add(1, Ordering::Relaxed));
    line.update(&format!("  {what}: one caller"));
    let lone = closed_loop(1, lasts, call.clone()).await?.figures();
    line.update(&format!("  {what}: {CALLERS} callers"));
    let peak = closed_loop(CALLERS, lasts, call.clone()).await?.figures();
    let mut rates = Vec::new();
    for share in SHARES {
        let asked = share * peak.answered_per_second;
        line.update(&format!("  {what}: {asked:.0} a second"));
        let figures = open_loop(asked, lasts, call.clone()).await?.figures();
        rates.push(Rate {
            share,
            asked_per_second: asked,
            figures,
        });
    }
    Ok(Series {
        what,
        lone,
        peak,
        rates,
    })
}

/// A tenant in a space, and connections with its key.
struct World {
    parent: String,
    clients: Vec<Client>,
    questions: Vec<Row>,
    open: Vec<String>,
    experts: Vec<String>,
}

impl World {
    async fn new(
        server: &ServerProcess,
        operator: &Operator,
        tenant: &Tenant,
        model: &str,
        line: &mut LiveLine,
    ) -> Result<Arc<Self>> {
        let id = match model {
            "" => "sweep".to_owned(),
            model => format!("sweep-{model}"),
        };
        let tenant = Tenant {
            id,
            ..tenant.clone()
        };
        let one = scenario::welcome(&server.endpoint, operator, tenant, false).await?;
        if !model.is_empty() {
            let operator = Client::connect(&server.endpoint, Some(&server.operator_key)).await?;
            set_model(&operator, &one.tenant.name(), model).await?;
        }
        scenario::load(&one, line).await?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(&server.endpoint, Some(&one.backend_key)).await?);
        }
        let open: Vec<Row> = one.tenant.questions[..OPEN_ITEMS.min(one.tenant.questions.len())]
            .iter()
            .map(|row| Row {
                id: format!("open-{}", row.id),
                expert: String::new(),
                also: Vec::new(),
                ..row.clone()
            })
            .collect();
        one.backend.ingest("open", &open, |_| ()).await?;
        let people = one.tenant.people.iter();
        let world = Self {
            parent: one.tenant.name(),
            clients,
            experts: people.map(|person| person.id.clone()).collect(),
            questions: one.tenant.questions,
            open: open.into_iter().map(|row| row.id).collect(),
        };
        line.update("  waiting for answers that are computed ahead");
        world.precomputed().await?;
        Ok(Arc::new(world))
    }

    /// Waits until the answers of all open items are there.
    async fn precomputed(&self) -> Result<()> {
        let ready = async {
            for id in &self.open {
                while !self.is_precomputed(id).await? {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Ok(())
        };
        let ready = tokio::time::timeout(PRECOMPUTED_IN, ready).await;
        ready.context("the answers of open items were not computed ahead")?
    }

    async fn is_precomputed(&self, id: &str) -> Result<bool> {
        let request = item(&self.parent, id);
        let answer = self.clients[0].router().recommend_experts(request).await?;
        Ok(answer.into_inner().precompute_time.is_some())
    }

    async fn one(&self) -> Result<v1::RecommendExpertsResponse> {
        let request = question(&self.parent, &self.questions[0].text, 0);
        let answer = self.clients[0].router().recommend_experts(request).await?;
        let answer = answer.into_inner();
        ensure!(!answer.recommendations.is_empty(), "nobody is recommended");
        Ok(answer)
    }

    /// The kinds of calls; with `all`, also those that are the same in every space.
    fn callers(self: &Arc<Self>, all: bool) -> Vec<(&'static str, Caller)> {
        let mut callers = vec![
            ("recommend", self.caller(recommend)),
            ("similar", self.caller(similar)),
        ];
        if all {
            callers.push(("precomputed", self.caller(precomputed)));
            callers.push(("recommend, then feedback", self.caller(feedback)));
        }
        callers
    }

    fn caller<R>(self: &Arc<Self>, call: fn(Client, Arc<Self>, usize) -> R) -> Caller
    where
        R: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let world = Arc::clone(self);
        Arc::new(move |number| {
            let client = world.clients[number % CONNECTIONS].clone();
            Box::pin(call(client, Arc::clone(&world), number))
        })
    }
}

async fn recommend(client: Client, world: Arc<World>, number: usize) -> Result<(), Status> {
    let text = &world.questions[number % world.questions.len()].text;
    let request = question(&world.parent, text, number);
    client.router().recommend_experts(request).await.map(drop)
}

async fn similar(client: Client, world: Arc<World>, number: usize) -> Result<(), Status> {
    let text = &world.questions[number % world.questions.len()].text;
    let request = v1::FindSimilarItemsRequest {
        parent: world.parent.clone(),
        text: format!("{text} ({number})"),
        top_k: TOP_K,
    };
    client.router().find_similar_items(request).await.map(drop)
}

async fn precomputed(client: Client, world: Arc<World>, number: usize) -> Result<(), Status> {
    let request = item(&world.parent, &world.open[number % world.open.len()]);
    let answer = client.router().recommend_experts(request).await?;
    match answer.into_inner().precompute_time {
        Some(_) => Ok(()),
        None => Err(Status::internal("it was not computed ahead")),
    }
}

/// A question, and what somebody did with its answer.
async fn feedback(client: Client, world: Arc<World>, number: usize) -> Result<(), Status> {
    let text = &world.questions[number % world.questions.len()].text;
    let request = question(&world.parent, text, number);
    let answer = client.router().recommend_experts(request).await?;
    let expert = &world.experts[number % world.experts.len()];
    let request = v1::SendFeedbackRequest {
        parent: world.parent.clone(),
        request_id: answer.into_inner().request_id,
        verdict: v1::send_feedback_request::Verdict::Reassigned.into(),
        reassigned_to: expert.clone(),
        ..Default::default()
    };
    client.router().send_feedback(request).await.map(drop)
}

async fn echo_caller(endpoint: &str, question: v1::RecommendExpertsRequest) -> Result<Caller> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(endpoint, None).await?);
    }
    Ok(Arc::new(move |number| {
        let (client, request) = (clients[number % CONNECTIONS].clone(), question.clone());
        Box::pin(async move { client.router().recommend_experts(request).await.map(drop) })
    }))
}

fn question(parent: &str, text: &str, number: usize) -> v1::RecommendExpertsRequest {
    v1::RecommendExpertsRequest {
        parent: parent.to_owned(),
        text: format!("{text} ({number})"),
        top_k: TOP_K,
        ..Default::default()
    }
}

fn item(parent: &str, id: &str) -> v1::RecommendExpertsRequest {
    v1::RecommendExpertsRequest {
        parent: parent.to_owned(),
        item: format!("{parent}/items/{id}"),
        top_k: TOP_K,
        ..Default::default()
    }
}

/// Names the base model of a tenant that has no items yet.
pub async fn set_model(operator: &Client, name: &str, model: &str) -> Result<()> {
    let request = v1::UpdateTenantRequest {
        tenant: Some(v1::Tenant {
            name: name.to_owned(),
            settings: Some(v1::TenantSettings {
                embedding_model: model.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["settings.embedding_model".to_owned()],
        }),
    };
    let answer = operator
        .tenants()
        .update_tenant(request)
        .await?
        .into_inner();
    let space = answer.tenant.and_then(|tenant| tenant.embedding_space);
    let job = space.context("the tenant has a space")?.job;
    operator.watch_job(&job, |_| ()).await.map(drop)
}

impl Report {
    /// Prints it.
    pub fn print(&self, screen: Screen) -> Vec<String> {
        let [question, answer] = self.message_bytes;
        screen.heading(
            "Rates up to saturation and twice beyond",
            &format!(
                "{} items; {CALLERS} callers for the peak; {} s each; {question} bytes asked, {answer} answered",
                count(self.items),
                self.seconds
            ),
        );
        let head = [
            "milliseconds",
            "lone p50",
            "peak/s",
            "p99",
            "80 %: p50",
            "p99",
            "2 x: of peak",
            "refused",
            "its p99",
        ];
        let mut table = Table::new(1, head);
        for series in &self.series {
            let (steady, over) = (at(&series.rates, 0.8), at(&series.rates, 2.0));
            table.row([
                series.what.clone(),
                format!("{:.2}", series.lone.p50),
                format!("{:.0}", series.peak.answered_per_second),
                format!("{:.1}", series.peak.p99),
                format!("{:.2}", steady.p50),
                format!("{:.1}", steady.p99),
                format!(
                    "{:.2}",
                    over.answered_per_second / series.peak.answered_per_second
                ),
                count(over.refused + over.unsent),
                format!("{:.1}", over.refusal_p99),
            ]);
        }
        print!("{}", table.render(screen));
        let failed = self.series.iter().flat_map(|series| {
            let all = series.rates.iter().map(|rate| &rate.figures);
            let first = all
                .chain([&series.lone, &series.peak])
                .find(|one| one.failed > 0);
            first.map(|one| {
                let why = one.first_failure.as_deref().unwrap_or_default();
                format!("{}: {} calls failed: {why}", series.what, one.failed)
            })
        });
        let failed: Vec<String> = failed.collect();
        failed.iter().for_each(|line| println!("  {line}"));
        failed
    }
}

fn at(rates: &[Rate], share: f64) -> &Figures {
    let found = rates.iter().find(|rate| rate.share == share);
    &found.unwrap_or(&rates[0]).figures
}
