//! What metering costs: the same questions to a server that meters and to one that does not.

use anyhow::Result;
use serde::Serialize;

use super::{TOP_K, WARM_UP, millis};
use crate::clients::ROUTED;
use crate::content::Tenant;
use crate::latency::Latencies;
use crate::platform::{Prepared, with_server, with_server_of};
use crate::show::{Screen, bar, count};
use crate::trial::{self, Onboard};

/// A metered call may take this many times an unmetered one, at the median.
const BAR: f64 = 1.02;
const OFF: [(&str, &str); 1] = [("TENANTRY_METERING__ENABLED", "false")];

/// Calls in milliseconds.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Questions to each server.
    questions: usize,
    metered_p50: f64,
    unmetered_p50: f64,
    metered_p90: f64,
    unmetered_p90: f64,
    /// The metered median over the other.
    times: f64,
}

/// Asks both servers in turn, the one and the other first: what the machine does besides favours
/// neither.
///
/// # Errors
/// The servers'.
pub async fn measure(
    screen: Screen,
    prepared: &Prepared,
    tenant: Tenant,
    questions: usize,
) -> Result<Report> {
    let twin = tenant.clone();
    with_server(prepared, async |metering, operator| {
        let metered = trial::welcome(&metering.endpoint, operator, tenant, false).await?;
        trial::load(&metered, &mut screen.live()).await?;
        with_server_of(prepared, &OFF, async |plain, operator| {
            let unmetered = trial::welcome(&plain.endpoint, operator, twin, false).await?;
            trial::load(&unmetered, &mut screen.live()).await?;
            compare(screen, [&metered, &unmetered], questions).await
        })
        .await
    })
    .await
}

async fn compare(screen: Screen, both: [&Onboard; 2], questions: usize) -> Result<Report> {
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
    let [metered, unmetered] = &taken;
    Ok(Report {
        questions,
        metered_p50: millis(metered.at(0.5)),
        unmetered_p50: millis(unmetered.at(0.5)),
        metered_p90: millis(metered.at(0.9)),
        unmetered_p90: millis(unmetered.at(0.9)),
        times: millis(metered.at(0.5)) / millis(unmetered.at(0.5)),
    })
}

impl Report {
    /// Prints it, and returns the bar that was missed, if one was.
    pub fn print(&self, screen: Screen) -> Option<String> {
        screen.heading(
            "What metering costs a recommendation",
            &format!("{} questions to each of two servers", self.questions),
        );
        println!(
            "  metered p50 {:.2} ms, p90 {:.2} ms; unmetered p50 {:.2} ms, p90 {:.2} ms: {:+.1} % at the median",
            self.metered_p50,
            self.metered_p90,
            self.unmetered_p50,
            self.unmetered_p90,
            (self.times - 1.0) * 100.0
        );
        (self.times > BAR).then(|| "metering takes more than 2 % of a call".to_owned())
    }
}
