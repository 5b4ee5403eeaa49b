//! What one tenant costs as it grows: to ingest, to ask, to take in one more item, to train, to load again.
//!
//! In the space `none`, so that no embedding is in the figures. The texts are words of the sample in another
//! order each.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::TimeDelta;
use serde::Serialize;

use super::sweep::set_model;
use super::{BenchArgs, TOP_K, load, millis};
use crate::latency::Latencies;
use crate::scenario;
use crate::server::{Programs, data_folder, with_server_in};
use crate::terminal::{LiveLine, Screen, Table, count};
use testkit::ServerProcess;
use testkit::clients::{Backend, Client, Operator, ROUTED};
use testkit::content::{Row, Tenant};

const SPACE: &str = "none";
const EXPERTS: usize = 50;
/// Words of a text.
const WORDS: usize = 10;
const QUESTIONS: usize = 300;
/// Items that come one by one.
const SINGLE: usize = 40;
/// Between two of them: they come to an idle server, as most do.
const PAUSE: Duration = Duration::from_millis(200);
/// A server that has used less of a processor for a second than this share is idle.
const IDLE: f64 = 0.02;
/// Linux counts processor time in hundredths of a second wherever it tells it.
const TICK: f64 = 0.01;
/// The largest may take so many times what the smallest takes.
const BAR_RECOMMEND: f64 = 2.0;
const BAR_RETRAIN: f64 = 3.0;
const BAR_ITEM: f64 = 1.5;

/// A tenant at each size.
#[derive(Debug, Serialize)]
pub struct Report {
    sizes: Vec<Size>,
}

#[derive(Debug, Serialize)]
struct Size {
    items: usize,
    acknowledged_per_second: f64,
    indexed_per_second: f64,
    recommend: Recommend,
    /// Processor time of the server for one more item, in milliseconds; none where it cannot be read.
    item_cpu: Option<f64>,
    retrain_seconds: f64,
    /// The first answer after a restart, in milliseconds.
    cold: f64,
    /// Memory of the server's process before the tenant and with it, in MiB; none where it cannot be read.
    memory: Option<[f64; 2]>,
}

#[derive(Debug, Serialize)]
struct Recommend {
    p50: f64,
    p99: f64,
}

/// Measures each size on a server of its own.
///
/// # Errors
/// The server's, and what keeps it from measuring.
pub async fn measure(screen: Screen, programs: &Programs, args: &BenchArgs) -> Result<Report> {
    let words = words(&programs.workspace)?;
    let mut line = screen.live();
    let mut sizes = Vec::new();
    for &items in &args.sizes {
        ensure!(items > 0, "--sizes: a tenant has at least one item");
        sizes.push(measure_size(programs, &words, items, &mut line).await?);
    }
    line.finish("  grown");
    Ok(Report { sizes })
}

/// The words of the sample.
fn words(workspace: &Path) -> Result<Vec<String>> {
    let (_, tenant) = load::tenant(workspace, None, 4_000)?;
    let texts = tenant.items.iter().map(|row| row.text.as_str());
    let mut words: Vec<String> = texts
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    ensure!(words.len() > EXPERTS, "the sample has too few words");
    Ok(words)
}

/// Evenly spread numbers, the same for the same `number`: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn spread(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn text(words: &[String], number: usize, about: usize) -> String {
    let any = |at: usize| {
        let spread = spread((number * WORDS + at) as u64 + 1);
        words[(spread % words.len() as u64) as usize].as_str()
    };
    let mut chosen = vec![words[about].as_str()];
    chosen.extend((1..WORDS).map(any));
    chosen.join(" ")
}

fn row(words: &[String], number: usize) -> Row {
    let expert = (spread(number as u64) % EXPERTS as u64) as usize;
    Row {
        id: format!("q-{number}"),
        text: text(words, number, expert),
        answer: String::new(),
        area: format!("area-{}", expert % 9),
        expert: format!("e-{expert}"),
        also: Vec::new(),
        at: chrono::DateTime::UNIX_EPOCH + TimeDelta::minutes(number as i64),
        split: None,
    }
}

async fn measure_size(
    programs: &Programs,
    words: &[String],
    items: usize,
    line: &mut LiveLine,
) -> Result<Size> {
    // Outlives the servers, whose data it holds.
    let folder = data_folder()?;
    let filled = with_server_in(programs, folder.path(), &[], async |server, operator| {
        fill(server, operator, words, items, line).await
    });
    let (size, key, parent) = filled.await?;
    let restarted = with_server_in(programs, folder.path(), &[], async |server, _| {
        let backend = Backend::connect(&server.endpoint, &key, parent).await?;
        let begin = Instant::now();
        let first = question(words, items, QUESTIONS);
        backend.recommend(&first, TOP_K, ROUTED).await?;
        Ok(millis(begin.elapsed()))
    });
    Ok(Size {
        cold: restarted.await?,
        ..size
    })
}

/// Fills a tenant and measures it, all but a first answer; with its key and its name.
async fn fill(
    server: &ServerProcess,
    operator: &Operator,
    words: &[String],
    items: usize,
    line: &mut LiveLine,
) -> Result<(Size, String, String)> {
    let before = memory(server.id());
    let tenant = Tenant {
        id: "growth".to_owned(),
        display_name: "Growth".to_owned(),
        vertical: "software".to_owned(),
        people: Vec::new(),
        items: (0..items).map(|number| row(words, number)).collect(),
        questions: Vec::new(),
    };
    let one = scenario::welcome(&server.endpoint, operator, tenant, false).await?;
    let client = Client::connect(&server.endpoint, Some(&server.operator_key)).await?;
    set_model(&client, &one.tenant.name(), SPACE).await?;
    let loaded = scenario::load(&one, line).await?;
    let acknowledged = loaded.ingested.took;
    let question = |number: usize| question(words, items, number);
    line.update(&format!("  {} items: asking", count(items)));
    // The first loads the tenant.
    one.backend.recommend(&question(0), TOP_K, ROUTED).await?;
    idle(server.id()).await;
    let recommend = ask(&one.backend, question).await?;
    let with = memory(server.id());
    line.update(&format!("  {} items: one more and one more", count(items)));
    let item_cpu = one_by_one(&one.backend, server.id(), words, items).await?;
    let trained = scenario::train(&one, "growth", line).await?;
    let per_second = |took: Duration| items as f64 / took.as_secs_f64();
    let size = Size {
        items,
        acknowledged_per_second: per_second(acknowledged),
        indexed_per_second: per_second(acknowledged + loaded.indexed_after),
        recommend,
        item_cpu,
        retrain_seconds: trained.took.as_secs_f64(),
        // Known after a restart.
        cold: f64::NAN,
        memory: before.zip(with).map(|(before, with)| [before, with]),
    };
    let name = one.tenant.name();
    Ok((size, one.backend_key, name))
}

/// A question that is none of the items.
fn question(words: &[String], items: usize, number: usize) -> String {
    text(words, items + SINGLE + number, number % EXPERTS)
}

async fn ask(backend: &Backend, question: impl Fn(usize) -> String) -> Result<Recommend> {
    let mut latencies = Latencies::new()?;
    for number in 1..QUESTIONS {
        let answer = backend.recommend(&question(number), TOP_K, ROUTED).await?;
        latencies.record(answer.took);
    }
    Ok(Recommend {
        p50: millis(latencies.at(0.5)),
        p99: millis(latencies.at(0.99)),
    })
}

/// The processor time of an item that comes alone, with all that it causes, in milliseconds.
async fn one_by_one(
    backend: &Backend,
    server: u32,
    words: &[String],
    items: usize,
) -> Result<Option<f64>> {
    idle(server).await;
    let before = processor_seconds(server);
    for number in items..items + SINGLE {
        let row = row(words, number);
        let one = std::slice::from_ref(&row);
        let acknowledged = backend.ingest(&row.id, one, |_| ()).await?;
        ensure!(acknowledged.accepted == 1, "{} was not accepted", row.id);
        tokio::time::sleep(PAUSE).await;
    }
    idle(server).await;
    let used = before.zip(processor_seconds(server));
    Ok(used.map(|(before, after)| (after - before) * 1e3 / SINGLE as f64))
}

/// Waits until a server does nothing, for two minutes at the most; for a second where that cannot be seen.
async fn idle(server: u32) {
    for _ in 0..120 {
        let before = processor_seconds(server);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = before.zip(processor_seconds(server));
        if used.is_none_or(|(before, after)| after - before <= IDLE) {
            return;
        }
    }
}

/// Processor time that a process has used: the fields `utime` and `stime` of `proc_pid_stat(5)`.
fn processor_seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before may hold anything but ends at the last bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse().ok()?;
    let in_kernel: f64 = fields.next()?.parse().ok()?;
    Some((ticks + in_kernel) * TICK)
}

/// Resident memory of a process in MiB: `VmRSS` of `proc_pid_status(5)`.
fn memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1_024.0)
}

impl Report {
    /// Prints it, and returns the bars that were missed.
    pub fn print(&self, screen: Screen) -> Vec<String> {
        screen.heading(
            "One tenant as it grows",
            &format!("space {SPACE}, {EXPERTS} experts, {WORDS} words a text"),
        );
        let columns = [
            "items",
            "acknowledged/s",
            "indexed/s",
            "recommend p50 ms",
            "p99",
            "one more, CPU ms",
            "retrain s",
            "cold ms",
            "memory MiB",
        ];
        let mut table = Table::new(0, columns);
        let shown =
            |value: Option<f64>| value.map_or("?".to_owned(), |value| format!("{value:.1}"));
        for size in &self.sizes {
            let memory = size.memory.map(|[before, with]| with - before);
            table.row([
                count(size.items),
                format!("{:.0}", size.acknowledged_per_second),
                format!("{:.0}", size.indexed_per_second),
                format!("{:.2}", size.recommend.p50),
                format!("{:.2}", size.recommend.p99),
                shown(size.item_cpu),
                format!("{:.1}", size.retrain_seconds),
                format!("{:.0}", size.cold),
                shown(memory),
            ]);
        }
        print!("{}", table.render(screen));
        self.missed()
    }

    fn missed(&self) -> Vec<String> {
        let (Some(first), Some(last)) = (self.sizes.first(), self.sizes.last()) else {
            return Vec::new();
        };
        let item = first.item_cpu.zip(last.item_cpu);
        let ratios = [
            (
                "a recommend",
                last.recommend.p50 / first.recommend.p50,
                BAR_RECOMMEND,
            ),
            (
                "a retrain",
                last.retrain_seconds / first.retrain_seconds,
                BAR_RETRAIN,
            ),
            (
                "one more item",
                item.map_or(0.0, |(first, last)| last / first),
                BAR_ITEM,
            ),
        ];
        let mut missed = Vec::new();
        for (what, ratio, bar) in ratios {
            let [least, most] = [first, last].map(|size| count(size.items));
            println!(
                "  {what} takes {ratio:.2} times as much at {most} items as at {least} (bar {bar})"
            );
            if ratio > bar {
                missed.push(format!(
                    "{what} takes {ratio:.2} times as much in the largest tenant"
                ));
            }
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_each_time_and_no_two_are_alike() {
        let words: Vec<String> = (0..500).map(|number| format!("w{number}")).collect();
        let rows: Vec<Row> = (0..2_000).map(|number| row(&words, number)).collect();
        let mut texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), rows.len());
        assert_eq!(row(&words, 77).text, rows[77].text);
        let about: Vec<&str> = rows[77].text.split(' ').collect();
        assert_eq!(about.len(), WORDS);
        assert_eq!(format!("e-{}", &about[0][1..]), rows[77].expert);
    }

    #[test]
    fn what_this_process_uses_can_be_read() {
        let this = std::process::id();
        if cfg!(target_os = "linux") {
            assert!(processor_seconds(this).is_some() && memory(this).is_some_and(|one| one > 1.0));
        }
        assert_eq!(
            (processor_seconds(u32::MAX), memory(u32::MAX)),
            (None, None)
        );
    }
}
