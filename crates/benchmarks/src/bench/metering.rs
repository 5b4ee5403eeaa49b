//! What metering costs: the same questions to a server that meters and to one that does not.

use anyhow::Result;
use serde::Serialize;

use super::{TOP_K, WARM_UP, millis};
use crate::latency::Latencies;
use crate::scenario::{self, Onboard};
use crate::server::{Programs, with_server_of};
use crate::terminal::{Screen, bar, count};
use testkit::clients::ROUTED;
use testkit::content::Tenant;

/// A metered call may take this many times an unmetered one, at the median.
const BAR: f64 = 1.02;
const ON: [(&str, &str); 1] = [("TENANTRY_METERING__ENABLED", "true")];
const OFF: [(&str, &str); 1] = [("TENANTRY_METERING__ENABLED", "false")];

/// Calls in milliseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Questions to each kind of server.
    questions: usize,
    /// Started first, and second.
    metered_p50: [f64; 2],
    /// Started second, and first.
    unmetered_p50: [f64; 2],
    /// The metered median over the other, where the metering server was started first.
    as_first: f64,
    /// And where it was started second.
    as_second: f64,
    /// The geometric mean of the two.
    times: f64,
}

/// Starts the pair of servers twice, the metering one first and second: of two servers that are the same,
/// the one that was started first was some percent slower, and that is not to be told of either.
///
/// # Errors
/// The servers'.
pub async fn measure(
    screen: Screen,
    programs: &Programs,
    tenant: Tenant,
    questions: usize,
) -> Result<Report> {
    let half = questions.div_ceil(2);
    let [metered_first, unmetered_second] =
        pair(screen, programs, [&ON, &OFF], &tenant, half).await?;
    let [unmetered_first, metered_second] =
        pair(screen, programs, [&OFF, &ON], &tenant, half).await?;
    let median = |one: &Latencies| millis(one.at(0.5));
    let as_first = median(&metered_first) / median(&unmetered_second);
    let as_second = median(&metered_second) / median(&unmetered_first);
    Ok(Report {
        questions: half * 2,
        metered_p50: [median(&metered_first), median(&metered_second)],
        unmetered_p50: [median(&unmetered_second), median(&unmetered_first)],
        as_first,
        as_second,
        times: (as_first * as_second).sqrt(),
    })
}

/// What the two servers of a pair took for the same questions.
async fn pair(
    screen: Screen,
    programs: &Programs,
    settings: [&[(&str, &str)]; 2],
    tenant: &Tenant,
    questions: usize,
) -> Result<[Latencies; 2]> {
    let twin = tenant.clone();
    with_server_of(programs, settings[0], async |server, operator| {
        let one = scenario::welcome(&server.endpoint, operator, tenant.clone(), false).await?;
        scenario::load(&one, &mut screen.live()).await?;
        with_server_of(programs, settings[1], async |server, operator| {
            let other = scenario::welcome(&server.endpoint, operator, twin, false).await?;
            scenario::load(&other, &mut screen.live()).await?;
            compare(screen, [&one, &other], questions).await
        })
        .await
    })
    .await
}

/// Asks both in turn, the one and the other first.
async fn compare(screen: Screen, both: [&Onboard; 2], questions: usize) -> Result<[Latencies; 2]> {
    let mut taken = [Latencies::new()?, Latencies::new()?];
    let mut line = screen.live();
    for number in 0..WARM_UP + questions {
        let asked = &both[0].tenant.questions;
        let text = format!("{} (question {number})", asked[number % asked.len()].text);
        for turn in 0..2 {
            let at = (number + turn) % 2;
            let answer = both[at].backend.recommend(&text, TOP_K, ROUTED).await?;
            if number >= WARM_UP {
                taken[at].record(answer.took);
            }
        }
        let done = number.saturating_sub(WARM_UP);
        line.update(&format!(
            "  {} questions to both servers",
            bar(done as f64, questions as f64)
        ));
    }
    line.finish(&format!("  asked {} questions of both", count(questions)));
    Ok(taken)
}

impl Report {
    /// Prints it, and returns the bar that was missed, if one was.
    pub fn print(&self, screen: Screen) -> Option<String> {
        screen.heading(
            "What metering costs a recommendation",
            &format!("{} questions to each of two servers", self.questions),
        );
        let percent = |times: f64| (times - 1.0) * 100.0;
        println!(
            "  metered p50 {:.2} and {:.2} ms, unmetered {:.2} and {:.2} ms: {:+.1} % and {:+.1} %, together {:+.1} %",
            self.metered_p50[0],
            self.metered_p50[1],
            self.unmetered_p50[0],
            self.unmetered_p50[1],
            percent(self.as_first),
            percent(self.as_second),
            percent(self.times)
        );
        (self.times > BAR).then(|| "metering takes more than 2 % of a call".to_owned())
    }
}
