//! `cargo xtask bench`: what a client waits for, alone, with a whole questionnaire, and while every
//! tenant is retrained; how many calls of each kind a server can do, and what becomes of twice as many; how
//! long one retrain takes; what a tenant costs as it grows; and what it costs to know what all that costs.

mod baseline;
mod growth;
mod load;
mod metering;
mod questionnaire;
mod retrain;
mod sweep;
mod under_load;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::latency::Latencies;
use crate::run::block_on;
use crate::scenario::{self, Onboard};
use crate::server::{Programs, with_server};
use crate::terminal::{Screen, Table, bar, count, time};
use testkit::clients::{Backend, ROUTED};
use testkit::content::Row;

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
    /// Tell what got worse since the report that `--json` wrote here
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Fail when a bar is missed, or something got worse than the baseline.
    #[arg(long)]
    strict: bool,
    /// What to measure; may be given more than once [default: all]
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// Part `load`: tenants that are retrained in one go.
    #[arg(long, default_value_t = 300)]
    tenants: usize,
    /// Part `load`: items of each.
    #[arg(long, default_value_t = 200)]
    tenant_items: usize,
    /// Part `load`: questions a second.
    #[arg(long, default_value_t = 25)]
    rate: u32,
    /// Part `load`: seconds of questions before the retrains.
    #[arg(long, default_value_t = 60)]
    quiet: u64,
    /// Part `sweep`: seconds at each rate.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Part `sweep`: only calls whose name holds this, as `precomputed` or `static`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Part `growth`: items of the tenant at each step, of which the first and the last are compared; a million
    /// takes a minute or two.
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        default_value = "10000,100000"
    )]
    sizes: Vec<usize>,
    /// Part `retrain`: the Python that is asked for scikit-learn.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// The development profile: to try this command, not to measure.
    #[arg(long)]
    dev: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One question after the other, against the embedding alone.
    Calls,
    /// A whole questionnaire, against one question after the other.
    Questionnaire,
    /// A retrain of one tenant, against scikit-learn where it is there.
    Retrain,
    /// The same questions to a server that meters and to one that does not.
    Metering,
    /// Questions while all tenants are retrained, against quiet ones.
    Load,
    /// Each kind of call at rates up to saturation and twice beyond, and a bare echo beside.
    Sweep,
    /// One tenant as it grows, and what one more item, question and retrain of it take.
    Growth,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
struct Measured {
    calls: Option<Report>,
    questionnaire: Option<questionnaire::Report>,
    retrain: Option<retrain::Report>,
    metering: Option<metering::Report>,
    load: Option<under_load::Report>,
    sweep: Option<sweep::Report>,
    growth: Option<growth::Report>,
}

/// What calls take, in milliseconds where nothing else is said.
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
    let programs = Programs::find(!args.dev)?;
    let wants = |part| args.parts.is_empty() || args.parts.contains(&part);
    let mut all = Measured::default();
    if wants(Part::Calls) || wants(Part::Questionnaire) {
        let (what, tenant) = load::tenant(&programs.workspace, args.data.as_deref(), args.items)?;
        println!("  {} items: {what}", count(tenant.items.len()));
        (all.calls, all.questionnaire) =
            block_on(with_server(&programs, async |server, operator| {
                let one = scenario::welcome(&server.endpoint, operator, tenant, false).await?;
                let calls = match wants(Part::Calls) {
                    true => Some(measure(screen, &one, what, args.questions).await?),
                    false => {
                        scenario::load(&one, &mut screen.live()).await?;
                        None
                    }
                };
                let whole = match wants(Part::Questionnaire) {
                    true => Some(questionnaire::measure(screen, &one).await?),
                    false => None,
                };
                Ok((calls, whole))
            }))?;
    }
    if wants(Part::Retrain) {
        let (_, tenant) = load::tenant(&programs.workspace, args.data.as_deref(), args.items)?;
        let tenant = load::with_experts(tenant, retrain::EXPERTS);
        all.retrain = Some(retrain::measure(screen, &programs, args, tenant)?);
    }
    if wants(Part::Metering) {
        let (_, tenant) = load::tenant(&programs.workspace, args.data.as_deref(), args.items)?;
        let measuring = metering::measure(screen, &programs, tenant, args.questions);
        all.metering = Some(block_on(measuring)?);
    }
    if wants(Part::Load) {
        let size = (args.tenants, args.tenant_items);
        let tenants = load::many(&programs.workspace, args.data.as_deref(), size)?;
        all.load = Some(block_on(with_server(
            &programs,
            async |server, operator| {
                let measuring = under_load::measure(screen, server, operator, tenants, args);
                measuring.await
            },
        ))?);
    }
    if wants(Part::Sweep) {
        let (_, tenant) = load::tenant(&programs.workspace, args.data.as_deref(), args.items)?;
        let sweeping = with_server(&programs, async |server, operator| {
            sweep::measure(screen, server, operator, &tenant, args).await
        });
        all.sweep = Some(block_on(sweeping)?);
    }
    if wants(Part::Growth) {
        all.growth = Some(block_on(growth::measure(screen, &programs, args))?);
    }
    conclude(screen, args, &all)
}

/// Prints what was measured, keeps it where that is wanted, and says whether the bars were met.
fn conclude(screen: Screen, args: &BenchArgs, all: &Measured) -> Result<()> {
    let mut missed = Vec::new();
    if let Some(report) = &all.calls {
        print_report(screen, report);
        let over = |series: &Series| series.call_to_embedding > BAR;
        if report.series.iter().any(over) {
            missed.push(format!("a call takes more than {BAR} times its embedding"));
        }
    }
    if let Some(report) = &all.questionnaire {
        missed.extend(report.print(screen));
    }
    if let Some(report) = &all.retrain {
        missed.extend(report.print(screen));
    }
    if let Some(report) = &all.metering {
        missed.extend(report.print(screen));
    }
    if let Some(report) = &all.load {
        missed.extend(report.print(screen));
    }
    if let Some(report) = &all.sweep {
        missed.extend(report.print(screen));
    }
    if let Some(report) = &all.growth {
        missed.extend(report.print(screen));
    }
    if let Some(file) = &args.baseline {
        for one in baseline::worse_than(file, &serde_json::to_value(all)?)? {
            let line = format!("{}: {:.2}, was {:.2}", one.figure, one.now, one.before);
            println!("  worse: {line}");
            missed.push(line);
        }
    }
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_vec_pretty(all)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(
        !args.strict || missed.is_empty(),
        "missed: {}",
        missed.join("; ")
    );
    Ok(())
}

async fn measure(screen: Screen, one: &Onboard, content: String, asked: usize) -> Result<Report> {
    let mut line = screen.live();
    let loaded = scenario::load(one, &mut line).await?;
    scenario::train(one, "first", &mut line).await?;
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
