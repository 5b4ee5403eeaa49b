//! `cargo xtask quality-labels`: how well tasks that tenants define are answered: labels, several
//! labels, numbers.
//!
//! Everything goes through the server as a customer's would: a task is made, items are ingested, a
//! head is trained, and the held-out part is asked.

mod score;
mod sets;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::v1;
use api::v1::api_key::Role;
use clap::Args;
use tokio::task::JoinSet;

use crate::run::block_on;
use crate::server::{Programs, with_server};
use crate::terminal::{Screen, Table, count, time};
use score::{Answered, Score};
use sets::{Customer, Goal, Row, SETS, Set};
use testkit::ServerProcess;
use testkit::clients::{Operator, Tasks};
use testkit::content::{Split, Tenant};

const TASK: &str = "task";
/// Calls under way at once.
const WORKERS: usize = 4;
/// What the routed answers are compared with.
const LABEL_METHODS: [&str; 3] = ["baseline:keywords", "baseline:zero-shot", "baseline:knn"];
const VALUE_METHODS: [&str; 2] = ["baseline:median", "baseline:knn"];

/// Arguments of `cargo xtask quality-labels`.
#[derive(Args, Debug)]
pub struct QualityLabelsArgs {
    /// The folder that holds `labels`, `regression` and `rfp`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only these sets, separated by commas.
    #[arg(long, value_name = "SETS", value_delimiter = ',')]
    sets: Vec<String>,
    /// The part of the data that is asked; what lies before it is ingested.
    #[arg(long, value_parser = crate::split::parser(), default_value = "test")]
    split_test: Split,
    /// Ask the methods without training too.
    #[arg(long)]
    baselines: bool,
    /// Build the server optimized: slower to build, faster to measure, the same answers.
    #[arg(long)]
    release: bool,
    /// Write the tables here.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// One set, measured.
struct Measured {
    set: &'static Set,
    known: usize,
    training: Duration,
    /// Customers served by their own head.
    heads: usize,
    customers: usize,
    answers: BTreeMap<&'static str, Vec<Answered>>,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps a set from being measured; a file that cannot be written.
pub fn run(args: &QualityLabelsArgs) -> Result<()> {
    let known = |name: &String| SETS.iter().any(|set| set.name == name);
    if let Some(unknown) = args.sets.iter().find(|name| !known(name)) {
        let names: Vec<_> = SETS.iter().map(|set| set.name).collect();
        anyhow::bail!("{unknown} is not a set; there are {}", names.join(", "));
    }
    let wanted = |set: &&Set| args.sets.is_empty() || args.sets.iter().any(|n| n == set.name);
    let programs = Programs::find(args.release)?;
    let measured = block_on(with_server(&programs, async |server, operator| {
        let mut measured = Vec::new();
        for set in SETS.iter().filter(wanted) {
            measured.push(measure(server, operator, set, args).await?);
        }
        Ok(measured)
    }))?;
    let page = page(&measured, args.split_test);
    println!("\n{page}");
    if let Some(file) = &args.markdown {
        fs::write(file, &page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

async fn measure(
    server: &ServerProcess,
    operator: &Operator,
    set: &'static Set,
    args: &QualityLabelsArgs,
) -> Result<Measured> {
    let asked = args.split_test.name();
    let mut measured = Measured {
        set,
        known: 0,
        training: Duration::ZERO,
        heads: 0,
        customers: 0,
        answers: BTreeMap::new(),
    };
    for customer in set.read(&args.data, asked)? {
        ensure!(
            !customer.known.is_empty(),
            "{} has nothing to learn from",
            customer.id
        );
        one(server, operator, customer, args.baselines, &mut measured).await?;
    }
    Ok(measured)
}

/// Takes one customer from nothing to its last answer.
async fn one(
    server: &ServerProcess,
    operator: &Operator,
    customer: Customer,
    baselines: bool,
    measured: &mut Measured,
) -> Result<()> {
    let screen = Screen::new();
    let mut line = screen.live();
    let set = measured.set;
    let tenant = Tenant {
        id: customer.id.clone(),
        display_name: customer.id.clone(),
        vertical: "general".to_owned(),
        people: Vec::new(),
        items: Vec::new(),
        questions: Vec::new(),
    };
    operator.create_tenant(&tenant).await?;
    let key = operator
        .create_key(&tenant, Role::TenantAdmin, "quality")
        .await?;
    let tasks = Tasks::connect(&server.endpoint, &key, tenant.name()).await?;
    tasks.create(TASK, set.task()).await?;
    let known = customer.known.iter().enumerate();
    let items = known
        .map(|(place, row)| row.to_item(set.kind, place))
        .collect();
    let all = count(customer.known.len());
    let begun = Instant::now();
    tasks
        .fill(items, |done| {
            line.update(&format!("  {:<28} indexed {done} of {all}", customer.id));
        })
        .await?;
    let indexed = begun.elapsed();
    let begun = Instant::now();
    let model = tasks
        .train(TASK, |step| {
            line.update(&format!("  {:<28} {step}", customer.id));
        })
        .await?;
    let training = begun.elapsed();
    let methods: &[&'static str] = match (baselines, set.kind) {
        (false, _) => &[],
        (true, v1::task::Kind::Regression) => &VALUE_METHODS,
        (true, _) => &LABEL_METHODS,
    };
    let asked: Arc<[Row]> = customer.asked.into();
    for method in [""].iter().chain(methods) {
        line.update(&format!("  {:<28} asking {method}", customer.id));
        let answers = ask(&tasks, Arc::clone(&asked), method).await?;
        measured.answers.entry(method).or_default().extend(answers);
    }
    let verdict = model
        .as_ref()
        .map_or("-", |model| model.verdict().short_name());
    let own = Score::of(
        &measured.answers[""][measured.answers[""].len() - asked.len()..],
        set.out_of_scope,
    );
    let (name, of, _) = set.goals[0];
    line.finish(&format!(
        "  {:<28} {:>6} items indexed in {:>8}, trained in {:>8}: {verdict}; {name} {:.3}",
        customer.id,
        all,
        time(indexed),
        time(training),
        of(&own),
    ));
    if let Some(model) = model.filter(|_| verdict != "PROMOTE") {
        println!("    {}", model.verdict_reason);
    }
    measured.known += customer.known.len();
    measured.training += training;
    measured.customers += 1;
    measured.heads += usize::from(verdict == "PROMOTE");
    Ok(())
}

/// Asks one method everything, several at once.
async fn ask(tasks: &Tasks, rows: Arc<[Row]>, model: &'static str) -> Result<Vec<Answered>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (tasks, rows, next) = (tasks.clone(), Arc::clone(&rows), Arc::clone(&next));
        workers.spawn(async move {
            let mut answers = Vec::new();
            while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = tasks.classify(TASK, &row.text, model).await?;
                answers.push((row.clone(), answer));
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = Vec::with_capacity(rows.len());
    while let Some(worker) = workers.join_next().await {
        answers.extend(worker??);
    }
    Ok(answers)
}

fn page(measured: &[Measured], asked: Split) -> String {
    let mut page = format!(
        "Texts of the {} part, asked through the server after everything before it was ingested and \
         trained on; nothing is learned while asking. Sets of many customers are scored over all \
         texts.\n\n",
        asked.name()
    );
    page.push_str(&goals(measured).markdown());
    page.push_str("\n### Confidence\n\n");
    page.push_str(&confidence(measured).markdown());
    if measured.iter().any(|one| one.answers.len() > 1) {
        page.push_str("\n### Methods\n\n");
        page.push_str(&methods(measured).markdown());
    }
    page
}

fn goals(measured: &[Measured]) -> Table {
    let head = [
        "set",
        "own heads",
        "items",
        "asked",
        "trained in",
        "measure",
        "found",
        "target",
        "",
    ];
    let mut table = Table::new(2, head);
    for one in measured {
        let answers = &one.answers[""];
        let score = Score::of(answers, one.set.out_of_scope);
        for (name, of, goal) in one.set.goals {
            let found = of(&score);
            let (target, met) = match *goal {
                Goal::Least(least) => (
                    format!("≥ {least}"),
                    if found >= least { "met" } else { "missed" },
                ),
                Goal::Most(most) => (
                    format!("≤ {most}"),
                    if found <= most { "met" } else { "missed" },
                ),
                Goal::Shown => (String::new(), ""),
            };
            table.row([
                one.set.name.to_owned(),
                format!("{} of {}", one.heads, one.customers),
                count(one.known),
                count(answers.len()),
                time(one.training),
                (*name).to_owned(),
                format!("{found:.4}"),
                target,
                met.to_owned(),
            ]);
        }
    }
    table
}

fn confidence(measured: &[Measured]) -> Table {
    let head = [
        "set",
        "calibration error",
        "answered",
        "of those right",
        "inside the interval",
    ];
    let mut table = Table::new(1, head);
    for one in measured {
        let score = Score::of(&one.answers[""], one.set.out_of_scope);
        let number = one.set.kind == v1::task::Kind::Regression;
        let show = |value: f64, shown: bool| {
            if shown {
                format!("{value:.3}")
            } else {
                "–".to_owned()
            }
        };
        table.row([
            one.set.name.to_owned(),
            show(score.calibration_error, !number),
            show(score.coverage, !number),
            show(score.precision, !number),
            show(score.inside, number),
        ]);
    }
    table
}

fn methods(measured: &[Measured]) -> Table {
    let mut table = Table::new(2, ["set", "measure", "method", "found"]);
    for one in measured {
        for (name, of, _) in one.set.goals {
            for (method, answers) in &one.answers {
                let score = Score::of(answers, one.set.out_of_scope);
                let method = if method.is_empty() { "routed" } else { method };
                let found = format!("{:.4}", of(&score));
                table.row([
                    one.set.name.to_owned(),
                    (*name).to_owned(),
                    method.to_owned(),
                    found,
                ]);
            }
        }
    }
    table
}
