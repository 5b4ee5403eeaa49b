//! `cargo xtask quality`: how well experts are named, tenant by tenant and method by method.
//!
//! Everything goes through the server as a customer's would, frozen after what was ingested.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::letor;
use crate::metrics::Quality;
use crate::run::block_on;
use crate::scenario::{self, Asked, Loaded, Method, Onboard};
use crate::server::{Programs, with_server};
use crate::terminal::{Screen, Table, clip, count, time};
use testkit::ServerProcess;
use testkit::clients::{Admin, Operator, Trained};
use testkit::content::{self, Split};

/// Arguments of `cargo xtask quality`.
#[derive(Args, Debug)]
pub struct QualityArgs {
    /// A folder with one `<tenant>.jsonl.gz` a tenant, or with such a folder named `experts`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only these tenants, separated by commas.
    #[arg(long, value_name = "TENANTS", value_delimiter = ',')]
    tenants: Vec<String>,
    /// The part of the data that is asked; what lies before it is ingested.
    #[arg(long, value_parser = crate::split::parser(), default_value = "test")]
    split_test: Split,
    /// After that, ask the same questions again in five steps; each step's truth is ingested and the
    /// tenant retrained before the next.
    #[arg(long)]
    live: bool,
    /// Build the server optimized: slower to build, faster to measure, the same answers.
    #[arg(long)]
    release: bool,
    /// Write each question's candidates, with their features and the truth, to this folder in the form
    /// of LETOR, for other rankers to be fitted on the same.
    #[arg(long, value_name = "DIR")]
    letor: Option<PathBuf>,
    /// Write the measurements here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables here, for a page such as docs/quality.md.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// One tenant, measured.
#[derive(Debug)]
pub struct Measured {
    /// The tenant with its clients.
    pub one: Onboard,
    /// What filling it took.
    pub loaded: Loaded,
    /// What its retrain gave.
    pub trained: Trained,
    /// What its questions were answered.
    pub asked: Asked,
    /// The same in steps, each learning from the ones before it; where that was wanted.
    pub live: Option<Asked>,
}

/// What is measured, in the tables' order.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// For a heading.
    pub name: &'static str,
    /// Picks it out.
    pub of: fn(&Quality) -> f64,
}

/// MRR first: it is the one that the project is judged by.
pub const METRICS: [Metric; 3] = [
    Metric {
        name: "MRR",
        of: |quality| quality.mrr,
    },
    Metric {
        name: "hit@1",
        of: |quality| quality.hit_at_1,
    },
    Metric {
        name: "hit@5",
        of: |quality| quality.hit_at_5,
    },
];

/// A tenant that is ready to be asked.
#[derive(Debug)]
pub struct Ready {
    one: Onboard,
    loaded: Loaded,
    trained: Trained,
}

/// Runs the command.
///
/// # Errors
/// Whatever keeps a tenant from being measured; a file that cannot be written.
pub fn run(args: &QualityArgs) -> Result<()> {
    let screen = Screen::new();
    let tenants = content::data(&args.data, &args.tenants, args.split_test)?;
    let programs = Programs::find(args.release)?;
    if let Some(folder) = &args.letor {
        block_on(letor::write(folder, &tenants))?;
    }
    let measured = block_on(with_server(&programs, async |server, operator| {
        let mut ready = Vec::new();
        for tenant in tenants {
            ready.push(prepare(screen, server, operator, tenant, true).await?);
        }
        let verticals = train_verticals(screen, server, &ready).await?;
        let mut measured = Vec::new();
        for mut tenant in ready {
            let vertical = verticals.get(&tenant.one.tenant.vertical);
            tenant.one.vertical_model = vertical.cloned();
            measured.push(ask(screen, tenant, &Method::ALL, args.live).await?);
            // A long run that ends early has lost nothing.
            write(args, &measured)?;
        }
        Ok(measured)
    }))?;
    println!("\n{}", page(&measured, args.split_test));
    Ok(())
}

fn write(args: &QualityArgs, measured: &[Measured]) -> Result<()> {
    if let Some(file) = &args.markdown {
        fs::write(file, page(measured, args.split_test))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.json {
        let rows: Vec<_> = measured.iter().map(Record::of).collect();
        fs::write(file, serde_json::to_vec_pretty(&rows)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Takes one tenant from nothing to a model of its own.
///
/// # Errors
/// The server's.
pub async fn prepare(
    screen: Screen,
    server: &ServerProcess,
    operator: &Operator,
    tenant: content::Tenant,
    share: bool,
) -> Result<Ready> {
    let mut line = screen.live();
    let one = scenario::welcome(&server.endpoint, operator, tenant, share).await?;
    let loaded = scenario::load(&one, &mut line).await?;
    let trained = scenario::train(&one, "first", &mut line).await?;
    Ok(Ready {
        one,
        loaded,
        trained,
    })
}

/// Trains the rankers of the verticals that have enough tenants; their names, by vertical.
async fn train_verticals(
    screen: Screen,
    server: &ServerProcess,
    tenants: &[Ready],
) -> Result<BTreeMap<String, String>> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for one in tenants {
        *counts.entry(&one.one.tenant.vertical).or_default() += 1;
    }
    let mut models = BTreeMap::new();
    for (vertical, _) in counts.into_iter().filter(|(_, tenants)| *tenants > 1) {
        let owner = format!("verticals/{vertical}");
        let admin = Admin::connect(&server.endpoint, &server.operator_key, owner).await?;
        let mut line = screen.live();
        let drawn = format!("  {vertical:<18} the vertical's ranker");
        let trained = admin.retrain("first", |_, _| line.update(&drawn)).await?;
        if let Some(model) = trained.model {
            line.finish(&format!("{drawn}, trained in {}", time(trained.took)));
            models.insert(vertical.to_owned(), model.name);
        }
    }
    Ok(models)
}

/// Asks one tenant's questions, and says what came of all of it on one line.
///
/// # Errors
/// The server's.
pub async fn ask(screen: Screen, ready: Ready, methods: &[Method], live: bool) -> Result<Measured> {
    let Ready {
        one,
        loaded,
        trained,
    } = ready;
    let mut line = screen.live();
    let asked = scenario::ask(&one, &trained, methods, &mut line).await?;
    let live = match live {
        true => Some(scenario::ask_live(&one, trained.clone(), methods, &mut line).await?),
        false => None,
    };
    let routed = asked
        .quality
        .get(&Method::Routed)
        .copied()
        .unwrap_or_default();
    line.finish(&format!(
        "  {:<18} {:>6} items in {:>8}, indexed {:>8} later, retrained in {:>8}; MRR {}{}",
        one.tenant.id,
        count(one.tenant.items.len()),
        time(loaded.ingested.took),
        time(loaded.indexed_after),
        time(trained.took),
        screen.bold(&score(routed.mrr)),
        live.as_ref().map_or_else(String::new, |live| {
            let found = live.quality.get(&Method::Routed).copied();
            format!(", live {}", score(found.unwrap_or_default().mrr))
        }),
    ));
    Ok(Measured {
        one,
        loaded,
        trained,
        asked,
        live,
    })
}

/// What each tenant's customers get: the routed answers, tenants down.
#[must_use]
pub fn routed_table(measured: &[Measured]) -> Table {
    let header = [
        "tenant",
        "served by",
        "why",
        "items",
        "asked",
        "hit@1",
        "hit@5",
        "MRR",
    ];
    let mut table = Table::new(3, header);
    let line = |begin: [String; 5], quality: Option<Quality>| {
        let quality = quality.unwrap_or_default();
        let scores = [quality.hit_at_1, quality.hit_at_5, quality.mrr].map(score);
        begin.into_iter().chain(scores).collect::<Vec<_>>()
    };
    let (mut items, mut questions) = (0, 0);
    for Measured { one, asked, .. } in measured {
        let (tier, reason) = served_by(asked);
        let (had, was_asked) = (one.tenant.items.len(), one.tenant.questions.len());
        (items, questions) = (items + had, questions + was_asked);
        let begin = [
            one.tenant.id.clone(),
            tier,
            reason,
            count(had),
            count(was_asked),
        ];
        table.row(line(begin, asked.quality.get(&Method::Routed).copied()));
    }
    table.rule();
    let begin = [
        "mean".into(),
        String::new(),
        String::new(),
        count(items),
        count(questions),
    ];
    table.row(line(begin, mean(measured, Method::Routed)));
    table
}

/// One metric, tenants down and methods across, with the mean of each method that all have.
#[must_use]
pub fn method_table(measured: &[Measured], metric: Metric) -> Table {
    table_of(measured, metric, |one| Some(&one.asked))
}

fn table_of(
    measured: &[Measured],
    metric: Metric,
    asked: fn(&Measured) -> Option<&Asked>,
) -> Table {
    let labels = Method::ALL.iter().map(|method| method.label());
    let mut table = Table::new(1, std::iter::once("tenant").chain(labels));
    let cell =
        |found: Option<Quality>| found.map_or("–".to_owned(), |found| score((metric.of)(&found)));
    let found = |one: &Measured, method: &Method| {
        let asked = asked(one)?;
        asked.quality.get(method).copied()
    };
    for tenant in measured {
        let scores = Method::ALL.iter().map(|method| cell(found(tenant, method)));
        table.row(std::iter::once(tenant.one.tenant.id.clone()).chain(scores));
    }
    table.rule();
    let means = Method::ALL.iter().map(|method| {
        let all: Option<Vec<Quality>> = measured.iter().map(|one| found(one, method)).collect();
        cell(all.and_then(|all| Quality::mean(&all)))
    });
    table.row(std::iter::once("mean".to_owned()).chain(means));
    table
}

/// The mean over tenants, where every tenant has an answer of this method.
#[must_use]
pub fn mean(measured: &[Measured], method: Method) -> Option<Quality> {
    let qualities: Option<Vec<Quality>> = measured
        .iter()
        .map(|one| one.asked.quality.get(&method).copied())
        .collect();
    Quality::mean(&qualities?)
}

/// Three digits are what a few hundred questions can tell.
#[must_use]
pub fn score(value: f64) -> String {
    format!("{value:.3}")
}

/// The tier that served, and why; from the first answer, as nothing changes between two.
#[must_use]
pub fn served_by(asked: &Asked) -> (String, String) {
    let route = asked
        .answers
        .first()
        .and_then(|answer| answer.response.route.as_ref());
    route.map_or_else(Default::default, |route| {
        let tier = route.tier().short_name().to_lowercase();
        (
            tier,
            clip(&route.reason.replace('_', " ").to_lowercase(), 16),
        )
    })
}

fn page(measured: &[Measured], asked: Split) -> String {
    let mut page = format!(
        "Questions of the {} part, asked through the server after everything before it was \
         ingested and trained on; nothing is learned while asking. Anyone in `expert` or `also` \
         counts as right. The mean counts each tenant the same.\n",
        format!("{asked:?}").to_lowercase()
    );
    page.push_str(&format!(
        "\n### What a customer gets\n\n{}",
        routed_table(measured).markdown()
    ));
    for metric in METRICS {
        let table = method_table(measured, metric).markdown();
        page.push_str(&format!("\n### {}\n\n{table}", metric.name));
    }
    if measured.iter().any(|one| one.live.is_some()) {
        page.push_str(
            "\n### Live\n\nThe same questions in five steps: after each, its truth is ingested and the \
             tenant retrained.\n",
        );
        for metric in METRICS {
            let table = table_of(measured, metric, |one| one.live.as_ref()).markdown();
            page.push_str(&format!("\n#### {}, live\n\n{table}", metric.name));
        }
    }
    page
}

/// One tenant, for a program.
#[derive(Serialize)]
struct Record {
    tenant: String,
    vertical: String,
    items: usize,
    questions: usize,
    tier: String,
    reason: String,
    ingest_seconds: f64,
    index_seconds: f64,
    retrain_seconds: f64,
    quality: BTreeMap<&'static str, Quality>,
    live: BTreeMap<&'static str, Quality>,
}

impl Record {
    fn of(measured: &Measured) -> Self {
        let Measured {
            one,
            loaded,
            trained,
            asked,
            live,
        } = measured;
        let qualities = |asked: &Asked| {
            let found = asked.quality.iter();
            found
                .map(|(method, found)| (method.label(), *found))
                .collect()
        };
        let (tier, reason) = served_by(asked);
        Self {
            tenant: one.tenant.id.clone(),
            vertical: one.tenant.vertical.clone(),
            items: one.tenant.items.len(),
            questions: one.tenant.questions.len(),
            tier,
            reason,
            ingest_seconds: loaded.ingested.took.as_secs_f64(),
            index_seconds: loaded.indexed_after.as_secs_f64(),
            retrain_seconds: trained.took.as_secs_f64(),
            quality: qualities(asked),
            live: live.as_ref().map(qualities).unwrap_or_default(),
        }
    }
}
