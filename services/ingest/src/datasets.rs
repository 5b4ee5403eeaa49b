//! Datasets: pinning the items as they are now.

use domain::{Dataset, ErrorKind, TenantContext};
use registry::dataset::pin;
use server::ServiceError;

use crate::Ingest;

impl Ingest {
    /// Pins the tenant's items as a dataset; the same content gives the same dataset.
    pub(crate) async fn pin_dataset(&self, ctx: &TenantContext) -> Result<Dataset, ServiceError> {
        if self.begin(ctx).await?.items().count().await? == 0 {
            let message = "there are no items to pin; ingest some first";
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "NO_ITEMS",
                message,
            ));
        }
        let pinned = pin(&self.store, ctx, self.clock.now()).await?;
        Ok(pinned.dataset)
    }
}
