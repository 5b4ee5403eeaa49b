//! Questions while every tenant is retrained through the queue, against the same questions in quiet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use api::v1::job::State;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::{BenchArgs, TOP_K, millis};
use crate::latency::Latencies;
use crate::terminal::{LiveLine, Screen, Table, bar, count};
use testkit::ServerProcess;
use testkit::clients::{Admin, Backend, Operator, ROUTED};
use testkit::content::Tenant;

/// The p99 under load may be this many times the quiet one.
const BAR: f64 = 3.0;
/// Connections that questions are spread over.
const CONNECTIONS: usize = 4;
/// Between two looks at the job that is waited for.
const POLL: Duration = Duration::from_millis(250);
/// A queue that does not move for this long is stuck.
const STALL: Duration = Duration::from_secs(600);

/// What was measured, in milliseconds where nothing else is said.
#[derive(Debug, Serialize)]
pub struct Report {
    tenants: usize,
    items_of_a_tenant: usize,
    questions_per_second: u32,
    quiet: Series,
    retraining: Series,
    p99_ratio: f64,
    drained_after_seconds: f64,
    retrains_per_second: f64,
    failed_jobs: usize,
    failed_questions: usize,
    first_failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct Series {
    questions: usize,
    p50: f64,
    p90: f64,
    p99: f64,
    longest: f64,
}

/// Who asks, and what.
struct Asker {
    tenants: Vec<Tenant>,
    connections: Vec<Backend>,
    asked: AtomicUsize,
}

/// What came of questions.
struct Traffic {
    latencies: Latencies,
    failures: usize,
    first_failure: Option<String>,
}

/// Measures on a server of its own.
///
/// # Errors
/// The server's, but for failed questions and failed jobs: they are counted.
pub async fn measure(
    screen: Screen,
    server: &ServerProcess,
    operator: &Operator,
    tenants: Vec<Tenant>,
    args: &BenchArgs,
) -> Result<Report> {
    ensure!(args.rate > 0, "--rate must be at least 1");
    let mut line = screen.live();
    let (endpoint, key) = (&server.endpoint, &server.operator_key);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Backend::connect(endpoint, key, String::new()).await?);
    }
    fill(&connections[0], operator, &tenants, &mut line).await?;
    let asker = Arc::new(Asker {
        tenants,
        connections,
        asked: AtomicUsize::new(0),
    });
    // Every tenant is resident before the first question counts.
    for number in 0..asker.tenants.len() {
        asker.ask(number).await?;
    }
    line.update(&format!("  {} s in quiet", args.quiet));
    let resting = async {
        tokio::time::sleep(Duration::from_secs(args.quiet)).await;
        Ok(())
    };
    let (quiet, ()) = traffic_during(&asker, args.rate, resting).await?;
    let admin = Admin::connect(endpoint, key, String::new()).await?;
    let begin = Instant::now();
    let retraining = retrain_all(&admin, &asker.tenants, &mut line);
    let (busy, failed_jobs) = traffic_during(&asker, args.rate, retraining).await?;
    let drained = begin.elapsed().as_secs_f64();
    line.finish(&format!("  retrained {} tenants", asker.tenants.len()));
    Ok(Report {
        tenants: asker.tenants.len(),
        items_of_a_tenant: args.tenant_items,
        questions_per_second: args.rate,
        p99_ratio: millis(busy.latencies.at(0.99)) / millis(quiet.latencies.at(0.99)),
        quiet: quiet.series(),
        retraining: busy.series(),
        drained_after_seconds: drained,
        retrains_per_second: asker.tenants.len() as f64 / drained,
        failed_jobs,
        failed_questions: quiet.failures + busy.failures,
        first_failure: quiet.first_failure.or(busy.first_failure),
    })
}

/// Makes the tenants and waits until all their items can be found.
async fn fill(
    client: &Backend,
    operator: &Operator,
    tenants: &[Tenant],
    line: &mut LiveLine,
) -> Result<()> {
    let mut watermarks = Vec::with_capacity(tenants.len());
    for (number, tenant) in tenants.iter().enumerate() {
        operator.create_tenant(tenant).await?;
        let client = client.of(tenant.name());
        client.upsert_experts(&tenant.people).await?;
        let ingested = client.ingest("content", &tenant.items, |_| ()).await?;
        ensure!(
            ingested.rejected.is_empty(),
            "{} had rows rejected",
            tenant.id
        );
        watermarks.push(ingested.watermark);
        draw(line, "streamed", number + 1, tenants.len());
    }
    for (number, (tenant, watermark)) in tenants.iter().zip(watermarks).enumerate() {
        client
            .of(tenant.name())
            .wait_indexed(watermark, |_| ())
            .await?;
        draw(line, "indexed", number + 1, tenants.len());
    }
    Ok(())
}

/// Enqueues a retrain for each tenant and waits for the last; how many failed.
async fn retrain_all(admin: &Admin, tenants: &[Tenant], line: &mut LiveLine) -> Result<usize> {
    let mut jobs = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        jobs.push(admin.of(tenant.name()).begin_retrain().await?);
    }
    let mut failed = 0;
    for (number, job) in jobs.iter().enumerate() {
        let begin = Instant::now();
        loop {
            match admin.job(job).await?.state() {
                State::Succeeded => break,
                State::Failed | State::Cancelled => {
                    failed += 1;
                    break;
                }
                _ if begin.elapsed() > STALL => bail!("{job} does not end"),
                _ => tokio::time::sleep(POLL).await,
            }
        }
        draw(line, "retrained", number + 1, jobs.len());
    }
    Ok(failed)
}

fn draw(line: &mut LiveLine, what: &str, done: usize, all: usize) {
    let share = bar(done as f64, all as f64);
    line.update(&format!(
        "  {share} {what} {} of {}",
        count(done),
        count(all)
    ));
}

/// Asks `rate` questions a second for as long as `work` takes, whether earlier ones are answered or
/// not. A question's time counts from when it was due.
async fn traffic_during<T>(
    asker: &Arc<Asker>,
    rate: u32,
    work: impl Future<Output = Result<T>>,
) -> Result<(Traffic, T)> {
    let mut traffic = Traffic {
        latencies: Latencies::new()?,
        failures: 0,
        first_failure: None,
    };
    let mut under_way = JoinSet::new();
    let mut timer = tokio::time::interval(Duration::from_secs(1) / rate);
    timer.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut work = std::pin::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome?,
            due = timer.tick() => {
                let asker = Arc::clone(asker);
                under_way.spawn(async move {
                    let outcome = asker.ask_next().await;
                    (due.elapsed(), outcome)
                });
            }
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => traffic.count(ended?),
        }
    };
    while let Some(ended) = under_way.join_next().await {
        traffic.count(ended?);
    }
    Ok((traffic, outcome))
}

impl Asker {
    /// A new question to a tenant that follows from its number, and to no tenant in a row.
    async fn ask_next(&self) -> Result<()> {
        self.ask(self.asked.fetch_add(1, Ordering::Relaxed)).await
    }

    async fn ask(&self, number: usize) -> Result<()> {
        // A step that shares no divisor with most counts of tenants visits all of them.
        let tenant = &self.tenants[number * 7_919 % self.tenants.len()];
        let question = &tenant.questions[number % tenant.questions.len()];
        let text = format!("{} (case {number})", question.text);
        let client = self.connections[number % self.connections.len()].of(tenant.name());
        let answer = client.recommend(&text, TOP_K, ROUTED).await?;
        ensure!(
            !answer.response.recommendations.is_empty(),
            "{} got nobody recommended",
            tenant.id
        );
        Ok(())
    }
}

impl Traffic {
    fn count(&mut self, (took, outcome): (Duration, Result<()>)) {
        match outcome {
            Ok(()) => self.latencies.record(took),
            Err(error) => {
                self.failures += 1;
                self.first_failure
                    .get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    fn series(&self) -> Series {
        Series {
            questions: self.latencies.len(),
            p50: millis(self.latencies.at(0.5)),
            p90: millis(self.latencies.at(0.9)),
            p99: millis(self.latencies.at(0.99)),
            longest: millis(self.latencies.at(1.0)),
        }
    }
}

impl Report {
    /// Prints it, and returns the bars that were missed.
    pub fn print(&self, screen: Screen) -> Vec<String> {
        screen.heading(
            "RecommendExperts while every tenant is retrained",
            &format!(
                "{} tenants of {} items, {} questions a second",
                count(self.tenants),
                count(self.items_of_a_tenant),
                self.questions_per_second
            ),
        );
        let mut table = Table::new(1, ["milliseconds", "N", "p50", "p90", "p99", "longest"]);
        for (what, series) in [("quiet", &self.quiet), ("retraining", &self.retraining)] {
            table.row([
                what.to_owned(),
                count(series.questions),
                format!("{:.1}", series.p50),
                format!("{:.1}", series.p90),
                format!("{:.1}", series.p99),
                format!("{:.1}", series.longest),
            ]);
        }
        print!("{}", table.render(screen));
        let met = self.p99_ratio <= BAR;
        let ratio = format!("{:.2}", self.p99_ratio);
        println!(
            "  p99 under load is {} times the quiet one; the bar of {BAR} is {}",
            if met {
                screen.good(&ratio)
            } else {
                screen.warn(&ratio)
            },
            if met { "met" } else { "missed" },
        );
        println!(
            "  the queue was empty after {:.0} s, {:.1} retrains a second; {} jobs and {} questions failed",
            self.drained_after_seconds,
            self.retrains_per_second,
            self.failed_jobs,
            self.failed_questions
        );
        if let Some(failure) = &self.first_failure {
            println!("  the first failure: {failure}");
        }
        let mut missed = Vec::new();
        if !met {
            missed.push(format!("p99 under load is {ratio} times the quiet one"));
        }
        if self.failed_jobs + self.failed_questions > 0 {
            missed.push("something failed under load".to_owned());
        }
        missed
    }
}
