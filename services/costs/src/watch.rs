//! The background loop of costs: it stores the verdicts on tenants' own models, which the router
//! follows, and alerts operators to budgets and jumps.

use std::time::Duration;

use domain::cost::{By, Month};
use server::ServiceError;
use tokio_util::sync::CancellationToken;

use crate::Costs;
use crate::alerts::SentAlerts;

/// Computes the month's costs every so often, until `stop`.
pub async fn watch_loop(costs: Costs, every: Duration, stop: CancellationToken) {
    let mut sent = SentAlerts::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = costs.watch(&mut sent) => done,
        };
        if let Err(error) = done {
            tracing::warn!(
                %error,
                "the costs of the month were not computed; trying again"
            );
        }
    }
}

impl Costs {
    /// Computes the current month: stores the verdicts, and raises the alerts that are new.
    pub(crate) async fn watch(&self, sent: &mut SentAlerts) -> Result<(), ServiceError> {
        let month = Month::of(self.clock.now().date_naive());
        let made = self.report(None, month, By::None).await?;
        for (tenant, earned) in &made.earned {
            self.store_verdict(&made.data, tenant, earned).await;
        }
        self.alert(&made, sent).await
    }
}
