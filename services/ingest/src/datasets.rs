//! Datasets: pinning the items as they are now.

use std::collections::HashSet;

use domain::{Dataset, ErrorKind, TenantContext};
use learning::describe;
use server::ServiceError;
use storage::NewDataset;

use crate::Ingest;

impl Ingest {
    /// Pins the tenant's items as a dataset; the same content gives the same dataset.
    pub(crate) async fn pin_dataset(&self, ctx: &TenantContext) -> Result<Dataset, ServiceError> {
        let tx = self.begin(ctx).await?;
        let watermark = tx.items().watermark().await?;
        let items = tx.items().at_watermark(watermark).await?;
        if items.is_empty() {
            let message = "there are no items to pin; ingest some first";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NO_ITEMS",
                message,
            ));
        }
        let known: HashSet<_> = tx
            .experts()
            .all()
            .await?
            .into_iter()
            .map(|expert| expert.id)
            .collect();
        let found = describe(&items, &known);
        let dataset = NewDataset {
            watermark,
            content_hash: found.content_hash,
            items: found.items,
            experts: found.experts,
            first_at: found.first_at,
            last_at: found.last_at,
            report: found.report,
        };
        let dataset = tx.datasets().create(dataset, self.clock.now()).await?;
        tx.commit().await?;
        Ok(dataset)
    }
}
