//! `cargo xtask demo`: the whole of Tenantry on one machine, seen from its clients.
//!
//! An operator, each customer's backend and each customer's administrator talk gRPC to a server
//! that this command starts on free ports with stores in a temporary folder.

mod answers;
mod by_hand;
mod costs;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use api::v1;
use clap::Args;

use crate::latency::Latencies;
use crate::quality::{self, METRICS, Measured, method_table, routed_table, score};
use crate::run::{block_on, interrupted};
use crate::scenario::{self, Asked, Loaded, Method, Onboard};
use crate::server::{Programs, with_server};
use crate::terminal::{Screen, Table, WIDTH, clip, count, time};
use testkit::ServerProcess;
use testkit::clients::{Answer, Operator, Trained};
use testkit::content::{self, Row, Split, Tenant};

/// Arguments of `cargo xtask demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Instead of the sample, a folder with one `<tenant>.jsonl.gz` a tenant, or with such a folder
    /// named `experts`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only these tenants, separated by commas.
    #[arg(long, value_name = "TENANTS", value_delimiter = ',')]
    tenants: Vec<String>,
    /// The part of the data that is asked; what lies before it is ingested.
    #[arg(long, value_parser = crate::split::parser(), default_value = "test", requires = "data")]
    split_test: Split,
    /// Ask the baselines and each model too, to compare; the sample always does.
    #[arg(long, requires = "data")]
    all_methods: bool,
    /// Build optimized: slower to build, faster to run, the same answers.
    #[arg(long)]
    release: bool,
    /// Leave the server running until Ctrl-C, to try things by hand.
    #[arg(long)]
    keep: bool,
}

/// A tenant on its way through the demo.
struct Stage {
    one: Onboard,
    loaded: Loaded,
    trained: Trained,
    asked: Asked,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps the demo from its end.
pub fn run(args: &DemoArgs) -> Result<()> {
    let screen = Screen::new();
    screen.heading(
        "Tenantry: each customer gets the model that serves it best",
        "demo",
    );
    let programs = Programs::find(args.release)?;
    let tenants = match &args.data {
        Some(folder) => content::data(folder, &args.tenants, args.split_test)?,
        None => content::sample(&programs.workspace, &args.tenants)?,
    };
    let begin = Instant::now();
    block_on(with_server(&programs, async |server, operator| {
        let folder = server.folder().display();
        println!(
            "  Serving on {} with its database, vectors and models in {folder}",
            server.endpoint
        );
        let boarded = if args.data.is_some() {
            on_data(screen, server, operator, tenants, args.all_methods).await?
        } else {
            on_sample(screen, server, operator, tenants).await?
        };
        let ended = Ended { boarded, begin };
        finish(screen, &programs, server, operator, &ended, args).await
    }))
}

/// What is there when all was played.
struct Ended {
    boarded: Vec<Onboard>,
    begin: Instant,
}

async fn finish(
    screen: Screen,
    programs: &Programs,
    server: &ServerProcess,
    operator: &Operator,
    Ended { boarded, begin }: &Ended,
    args: &DemoArgs,
) -> Result<()> {
    screen.heading(
        "What each customer costs, and what it earns",
        "the operator",
    );
    costs::show(screen, operator, boarded).await?;
    screen.heading("Try it by hand", "you");
    if args.keep {
        by_hand::while_it_runs(screen, programs, server, boarded)?;
        println!("\n  The server stays up until Ctrl-C.");
        interrupted().await?;
        println!("\n  Stopping.");
    } else {
        by_hand::afterwards(screen, programs);
        println!(
            "\n  Done in {}; the server is stopped, its folder removed.",
            time(begin.elapsed())
        );
    }
    Ok(())
}

/// Tenant after tenant, a line each, then the tables.
async fn on_data(
    screen: Screen,
    server: &ServerProcess,
    operator: &Operator,
    tenants: Vec<Tenant>,
    all_methods: bool,
) -> Result<Vec<Onboard>> {
    screen.heading(
        "Content in, index, retrain, questions asked",
        "operator, backends, administrators",
    );
    let methods = if all_methods {
        &Method::ALL[..]
    } else {
        &[Method::Routed]
    };
    let mut measured: Vec<Measured> = Vec::new();
    for tenant in tenants {
        let ready = quality::prepare(screen, server, operator, tenant, false).await?;
        measured.push(quality::ask(screen, ready, methods, false).await?);
    }
    screen.heading(
        "Was the right expert named?",
        "frozen: nothing is learned while asking",
    );
    print!("{}", routed_table(&measured).render(screen));
    for metric in METRICS.into_iter().filter(|_| all_methods) {
        println!("\n  {} by method", screen.bold(metric.name));
        print!("{}", method_table(&measured, metric).render(screen));
    }
    Ok(measured.into_iter().map(|measured| measured.one).collect())
}

/// The sample, step by step, with everything a person would want to see.
async fn on_sample(
    screen: Screen,
    server: &ServerProcess,
    operator: &Operator,
    tenants: Vec<Tenant>,
) -> Result<Vec<Onboard>> {
    let boarded = welcome(screen, server, operator, tenants).await?;
    screen.heading("2  Their content streams in", "each customer's backend");
    let mut loaded = Vec::new();
    for one in &boarded {
        let mut line = screen.live();
        let done = scenario::load(one, &mut line).await?;
        line.finish(&loaded_line(one, &done));
        loaded.push(done);
    }
    screen.heading(
        "3  A model for each, measured before it serves",
        "each customer's administrator",
    );
    let mut trained = Vec::new();
    for one in &boarded {
        let mut line = screen.live();
        let done = scenario::train(one, "first", &mut line).await?;
        line.finish(&trained_line(screen, one, &done));
        trained.push(done);
    }
    let mut stages = Vec::new();
    screen.heading(
        "4  Questions that nobody has seen",
        "each customer's backend",
    );
    for ((one, loaded), trained) in boarded.into_iter().zip(loaded).zip(trained) {
        let mut line = screen.live();
        let asked = scenario::ask(&one, &trained, &Method::ALL, &mut line).await?;
        line.finish(&asked_line(screen, &one, &asked));
        stages.push(Stage {
            one,
            loaded,
            trained,
            asked,
        });
    }
    for stage in &stages {
        compare(screen, stage);
    }
    screen.heading("5  Some answers in full", "each customer's backend");
    for stage in &stages {
        answers::show_one(screen, &stage.one, &stage.asked.answers).await?;
    }
    screen.heading(
        "6  What people did with the answers",
        "each customer's backend",
    );
    for stage in &stages {
        feedback(&stage.one, &stage.asked.answers).await?;
    }
    screen.heading("7  How long it took", "as the clients saw it");
    print!("{}", timings(&stages)?.render(screen));
    Ok(stages.into_iter().map(|stage| stage.one).collect())
}

async fn welcome(
    screen: Screen,
    server: &ServerProcess,
    operator: &Operator,
    tenants: Vec<Tenant>,
) -> Result<Vec<Onboard>> {
    screen.heading("1  Customers come on board", "the operator");
    let mut table = Table::new(
        3,
        [
            "tenant",
            "name",
            "vertical",
            "experts",
            "items",
            "questions",
        ],
    );
    let mut boarded = Vec::new();
    for tenant in tenants {
        let sizes = [
            tenant.people.len(),
            tenant.items.len(),
            tenant.questions.len(),
        ]
        .map(count);
        let words = [&tenant.id, &tenant.display_name, &tenant.vertical].map(String::clone);
        table.row(words.into_iter().chain(sizes));
        boarded.push(scenario::welcome(&server.endpoint, operator, tenant, false).await?);
    }
    print!("{}", table.render(screen));
    println!("  Each has a key for its backend and one for its administrator, good for it alone.");
    Ok(boarded)
}

fn loaded_line(one: &Onboard, loaded: &Loaded) -> String {
    let Loaded {
        ingested,
        indexed_after,
    } = loaded;
    format!(
        "  {:<18} {:>5} items durable in {:>8} ({:>6} a second), all found {:>8} later",
        one.tenant.id,
        count(one.tenant.items.len()),
        time(ingested.took),
        rate(one.tenant.items.len(), loaded),
        time(*indexed_after),
    )
}

fn rate(items: usize, loaded: &Loaded) -> String {
    count((items as f64 / loaded.ingested.took.as_secs_f64().max(1e-6)) as usize)
}

fn trained_line(screen: Screen, one: &Onboard, trained: &Trained) -> String {
    let id = &one.tenant.id;
    let Some(model) = &trained.model else {
        let said: Vec<_> = trained
            .outcome
            .iter()
            .map(|(name, what)| format!("{name}: {what}"))
            .collect();
        return format!("  {id:<18} no model of its own; {}", said.join(", "));
    };
    let verdict = match model.verdict() {
        v1::Verdict::Promote => screen.good("promoted"),
        other => screen.warn(&other.short_name().replace('_', " ").to_lowercase()),
    };
    let evaluation = model.evaluation.clone().unwrap_or_default();
    let gain = format!(
        "MRR {:+.3} [{:+.3}, {:+.3}] over the tier above",
        evaluation.gain, evaluation.gain_low, evaluation.gain_high
    );
    let why = format!(
        "on {} held-out questions; {}",
        evaluation.queries, model.verdict_reason
    );
    let why = screen.dim(&clip(&why, WIDTH - 21));
    format!(
        "  {id:<18} {verdict} in {}: {gain}\n  {:<18} {why}",
        time(trained.took),
        ""
    )
}

fn asked_line(screen: Screen, one: &Onboard, asked: &Asked) -> String {
    let (tier, reason) = quality::served_by(asked);
    let routed = asked
        .quality
        .get(&Method::Routed)
        .copied()
        .unwrap_or_default();
    format!(
        "  {:<18} {} questions, right first {}, MRR {}; served by the {tier} model ({reason})",
        one.tenant.id,
        count(asked.answers.len()),
        screen.bold(&format!("{:.0} %", routed.hit_at_1 * 100.0)),
        screen.bold(&score(routed.mrr)),
    )
}

/// One tenant's methods against each other, the best of each column in bold.
fn compare(screen: Screen, stage: &Stage) {
    let id = &stage.one.tenant.id;
    let mut table = Table::new(1, [id.as_str(), "hit@1", "hit@5", "MRR"]);
    let quality = &stage.asked.quality;
    for (method, found) in quality {
        let columns = [METRICS[1], METRICS[2], METRICS[0]].map(|metric| {
            let value = (metric.of)(found);
            let best = quality.values().map(metric.of).fold(0.0, f64::max);
            if value >= best {
                screen.bold(&score(value))
            } else {
                score(value)
            }
        });
        table.row(std::iter::once(method.title().to_owned()).chain(columns));
    }
    println!("\n{}", table.render(screen).trim_end());
    if let Some(model) = &stage.trained.model {
        println!("  {}", screen.dim(&format!("its own: {}", model.name)));
    }
}

/// Says of each answer whether the first expert took the question, or who did.
async fn feedback(one: &Onboard, answers: &[Answer]) -> Result<()> {
    let mut accepted = 0;
    for (question, answer) in one.tenant.questions.iter().zip(answers) {
        let request = &answer.response.request_id;
        match answer
            .ranked()
            .next()
            .filter(|first| is_right(question, first))
        {
            Some(first) => {
                one.backend.accepted(request, first).await?;
                accepted += 1;
            }
            None => one.backend.reassigned(request, &question.expert).await?,
        }
    }
    let reassigned = answers.len() - accepted;
    println!(
        "  {:<18} {accepted} accepted, {reassigned} reassigned to who knew",
        one.tenant.id
    );
    Ok(())
}

fn is_right(question: &Row, expert: &str) -> bool {
    question.right().any(|right| right == expert)
}

fn timings(stages: &[Stage]) -> Result<Table> {
    let mut table = Table::new(
        1,
        [
            "tenant",
            "ingest items/s",
            "index",
            "retrain",
            "recommend p50",
            "p99",
            "in the server p50",
        ],
    );
    for Stage {
        one,
        loaded,
        trained,
        asked,
    } in stages
    {
        let (mut calls, mut inside) = (Latencies::new()?, Latencies::new()?);
        for answer in &asked.answers {
            calls.record(answer.took);
            inside.record(answer.inside());
        }
        table.row([
            one.tenant.id.clone(),
            rate(one.tenant.items.len(), loaded),
            time(loaded.indexed_after),
            time(trained.took),
            time(calls.at(0.5)),
            time(calls.at(0.99)),
            time(inside.at(0.5)),
        ]);
    }
    Ok(table)
}
