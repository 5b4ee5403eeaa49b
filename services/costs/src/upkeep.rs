//! Works out the verdicts on tenants' own models from time to time, asked or not: the router follows
//! them.

use std::time::Duration;

use domain::cost::{By, Month};
use server::ServiceError;
use tokio_util::sync::CancellationToken;

use crate::Costs;
use crate::scope::Scope;

/// Works them out every so often, until it is told to stop.
pub async fn keep_verdicts(costs: Costs, every: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = costs.refresh_verdicts() => done,
        };
        if let Err(error) = done {
            tracing::warn!(
                ?error,
                "the verdicts on own models were not worked out; trying again"
            );
        }
    }
}

impl Costs {
    /// Works out the verdicts of the current month, and keeps them.
    pub(crate) async fn refresh_verdicts(&self) -> Result<(), ServiceError> {
        let month = Month::of(self.clock.now().date_naive());
        self.report(&Scope::All, month, By::None).await.map(drop)
    }
}
