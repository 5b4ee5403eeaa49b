//! `cargo xtask bench`: what one client waits for, against what the embedding model alone costs.

mod load;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use crate::clients::{Backend, ROUTED};
use crate::content::Row;
use crate::latency::Latencies;
use crate::platform::{self, with_server};
use crate::run::block_on;
use crate::show::{Screen, Table, bar, count, time};
use crate::trial::{self, Onboard};
use crate::workspace::Build;

/// A call may take this many times what the embedding takes, at the median.
const BAR: f64 = 1.6;
const WARM_UP: usize = 50;
/// As a person's screen would show them.
const TOP_K: i32 = 5;
const FRESH_ITEMS: usize = 40;
const FRESH_POLL: Duration = Duration::from_millis(5);
const FRESH_LIMIT: Duration = Duration::from_secs(60);
/// A slow machine asks fewer questions.
const SERIES_LIMIT: Duration = Duration::from_secs(60);

/// Arguments of `cargo xtask bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// A folder of data as for `demo`; the default is the sample, worded over and over.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Items of the tenant.
    #[arg(long, default_value_t = 4000)]
    items: usize,
    /// Questions of each series, which ends after a minute at the latest.
    #[arg(long, default_value_t = 1000)]
    questions: usize,
    /// Write the measurements here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when the bar is missed.
    #[arg(long)]
    strict: bool,
}

/// Everything that was measured, in milliseconds where nothing else is said.
#[derive(Debug, Serialize)]
struct Report {
    content: String,
    items: usize,
    ingest_items_per_second: f64,
    index_items_per_second: f64,
    series: Vec<Series>,
    searchable_p50: f64,
    searchable_p95: f64,
    bar: f64,
}

/// Questions of one kind, asked one after the other by one client.
#[derive(Debug, Serialize)]
struct Series {
    what: &'static str,
    questions: usize,
    mean_characters: usize,
    call_p50: f64,
    call_p90: f64,
    call_p99: f64,
    server_p50: f64,
    embedding_p50: f64,
    call_to_embedding: f64,
    server_to_embedding: f64,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from measuring; with `--strict`, a missed bar.
pub fn run(args: &BenchArgs) -> Result<()> {
    let screen = Screen::new();
    let prepared = platform::prepare(Build::ReleaseServer)?;
    let (what, tenant) = load::tenant(&prepared.root, args.data.as_deref(), args.items)?;
    println!("  {} items: {what}", count(tenant.items.len()));
    let report = block_on(with_server(&prepared, async |server, operator| {
        let one = trial::welcome(&server.endpoint, operator, tenant).await?;
        measure(screen, &one, what, args.questions).await
    }))?;
    print_report(screen, &report);
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed = report
        .series
        .iter()
        .any(|series| series.call_to_embedding > BAR);
    ensure!(
        !(args.strict && missed),
        "a call takes more than {BAR} times its embedding"
    );
    Ok(())
}

async fn measure(screen: Screen, one: &Onboard, content: String, asked: usize) -> Result<Report> {
    let mut line = screen.live();
    let loaded = trial::load(one, &mut line).await?;
    trial::train(one, "first", &mut line).await?;
    line.finish("  loaded, indexed and trained");
    let items = one.tenant.items.len();
    let ingest = loaded.ingested.took.as_secs_f64();
    let all = ingest + loaded.indexed_after.as_secs_f64();

    // No question is asked twice, so that no answer and no vector is remembered.
    let (warm_up, rest) = one
        .tenant
        .questions
        .split_at(WARM_UP.min(one.tenant.questions.len()));
    let (whole, short) = load::two_series(rest, asked);
    for question in warm_up {
        one.backend.recommend(&question.text, TOP_K, ROUTED).await?;
    }
    let series = vec![
        ask(screen, one, "questions as they come", &whole).await?,
        ask(screen, one, "first line only", &short).await?,
    ];
    let searchable = time_to_searchable(screen, &one.backend, &one.tenant.items).await?;
    Ok(Report {
        content,
        items,
        ingest_items_per_second: items as f64 / ingest,
        index_items_per_second: items as f64 / all,
        series,
        searchable_p50: millis(searchable.at(0.5)),
        searchable_p95: millis(searchable.at(0.95)),
        bar: BAR,
    })
}

async fn ask(
    screen: Screen,
    one: &Onboard,
    what: &'static str,
    texts: &[String],
) -> Result<Series> {
    ensure!(!texts.is_empty(), "there is no question left to ask");
    let (mut call, mut server) = (Latencies::new()?, Latencies::new()?);
    let (mut embedding, mut characters) = (Latencies::new()?, 0);
    let mut line = screen.live();
    let begin = Instant::now();
    for text in texts {
        if begin.elapsed() > SERIES_LIMIT {
            break;
        }
        let answer = one.backend.recommend(text, TOP_K, ROUTED).await?;
        ensure!(
            !answer.embedding().is_zero(),
            "an embedding was remembered: {text:?} is not new"
        );
        call.record(answer.took);
        server.record(answer.inside());
        embedding.record(answer.embedding());
        characters += text.chars().count();
        let done = call.len();
        line.update(&format!(
            "  {} {done} {what}",
            bar(done as f64, texts.len() as f64)
        ));
    }
    line.finish(&format!("  asked {} {what}", count(call.len())));
    let embedding_p50 = millis(embedding.at(0.5));
    Ok(Series {
        what,
        questions: call.len(),
        mean_characters: characters / call.len(),
        call_p50: millis(call.at(0.5)),
        call_p90: millis(call.at(0.9)),
        call_p99: millis(call.at(0.99)),
        server_p50: millis(server.at(0.5)),
        embedding_p50,
        call_to_embedding: millis(call.at(0.5)) / embedding_p50,
        server_to_embedding: millis(server.at(0.5)) / embedding_p50,
    })
}

/// From an item's acknowledgement until a search names it, while nothing else runs.
async fn time_to_searchable(screen: Screen, backend: &Backend, items: &[Row]) -> Result<Latencies> {
    let mut latencies = Latencies::new()?;
    let mut line = screen.live();
    for (number, item) in items.iter().cycle().take(FRESH_ITEMS).enumerate() {
        let fresh = Row {
            id: format!("fresh-{number}"),
            text: format!(
                "Fresh question number {number}, about something new: {}",
                item.text
            ),
            ..item.clone()
        };
        backend
            .ingest(&fresh.id, std::slice::from_ref(&fresh), |_| ())
            .await?;
        let begin = Instant::now();
        loop {
            let found = backend.similar(&fresh.text, TOP_K).await?;
            if found
                .iter()
                .any(|found| found.item.ends_with(&format!("/{}", fresh.id)))
            {
                break;
            }
            if begin.elapsed() > FRESH_LIMIT {
                bail!(
                    "{} was acknowledged and not found in {}",
                    fresh.id,
                    time(FRESH_LIMIT)
                );
            }
            tokio::time::sleep(FRESH_POLL).await;
        }
        latencies.record(begin.elapsed());
        line.update(&format!(
            "  {} fresh items",
            bar((number + 1) as f64, FRESH_ITEMS as f64)
        ));
    }
    line.finish(&format!("  found {FRESH_ITEMS} fresh items"));
    Ok(latencies)
}

fn print_report(screen: Screen, report: &Report) {
    screen.heading(
        "RecommendExperts, one client, one question after the other",
        &report.content,
    );
    let mut table = Table::new(
        1,
        [
            "milliseconds",
            "N",
            "chars",
            "p50",
            "p90",
            "p99",
            "server p50",
            "embedding p50",
            "ratio",
        ],
    );
    for series in &report.series {
        let ratio = format!("{:.2}", series.call_to_embedding);
        let met = series.call_to_embedding <= BAR;
        table.row([
            series.what.to_owned(),
            count(series.questions),
            series.mean_characters.to_string(),
            format!("{:.2}", series.call_p50),
            format!("{:.2}", series.call_p90),
            format!("{:.2}", series.call_p99),
            format!("{:.2}", series.server_p50),
            format!("{:.2}", series.embedding_p50),
            if met {
                screen.good(&ratio)
            } else {
                screen.warn(&ratio)
            },
        ]);
    }
    print!("{}", table.render(screen));
    for series in &report.series {
        let verdict = if series.call_to_embedding <= BAR {
            "met"
        } else {
            "missed"
        };
        println!(
            "  {}: call / embedding {:.2}, server / embedding {:.2}; the bar of {BAR} is {verdict}",
            series.what, series.call_to_embedding, series.server_to_embedding
        );
    }
    println!(
        "  ingest {:.0} items a second; {:.0} a second until all could be found",
        report.ingest_items_per_second, report.index_items_per_second
    );
    println!(
        "  a single item is found {:.0} ms (p50), {:.0} ms (p95) after its acknowledgement",
        report.searchable_p50, report.searchable_p95
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
