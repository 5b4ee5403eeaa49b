//! Works out the month from time to time, asked or not: the router follows the verdicts on tenants' own
//! models, and operators are told of budgets and jumps.

use std::time::Duration;

use domain::cost::{By, Month};
use server::ServiceError;
use tokio_util::sync::CancellationToken;

use crate::Costs;
use crate::scope::Scope;
use crate::signals::Signals;

/// Works it out every so often, until it is told to stop.
pub async fn keep_watch(costs: Costs, every: Duration, stop: CancellationToken) {
    let mut signals = Signals::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = costs.watch(&mut signals) => done,
        };
        if let Err(error) = done {
            tracing::warn!(
                ?error,
                "the costs of the month were not worked out; trying again"
            );
        }
    }
}

impl Costs {
    /// Works out the current month: keeps the verdicts, and signals what is new.
    pub(crate) async fn watch(&self, signals: &mut Signals) -> Result<(), ServiceError> {
        let month = Month::of(self.clock.now().date_naive());
        let made = self.report(&Scope::All, month, By::None).await?;
        self.signal(&made, signals).await
    }
}
