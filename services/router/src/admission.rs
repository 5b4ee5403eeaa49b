//! What questionnaires may take of a server, so that one tenant's do not crowd out the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{ErrorKind, TenantId};
use server::ServiceError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questionnaires of one tenant at a time.
const STREAMS_OF_A_TENANT: usize = 4;
/// Questions of all questionnaires that are embedded at a time. Those who ask one question wait for
/// no more than these.
const QUESTIONS: usize = 64;

/// How many questionnaires, and questions of them, are admitted. Clones share the limits.
#[derive(Clone)]
pub(crate) struct AdmissionLimits {
    streams: Arc<Mutex<HashMap<TenantId, usize>>>,
    questions: Arc<Semaphore>,
}

/// The admission of one questionnaire of a tenant; it ends when this is dropped.
pub(crate) struct StreamPermit {
    streams: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl AdmissionLimits {
    pub(crate) fn new() -> Self {
        Self {
            streams: Arc::default(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// Admits one more questionnaire of the tenant.
    ///
    /// # Errors
    /// `TOO_MANY_STREAMS` when the tenant has as many under way as it may.
    pub(crate) fn stream(&self, tenant: &TenantId) -> Result<StreamPermit, ServiceError> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = streams.entry(tenant.clone()).or_default();
        if *under_way >= STREAMS_OF_A_TENANT {
            let message = format!(
                "the tenant has {STREAMS_OF_A_TENANT} questionnaires under way; send this one when \
                 one of them has ended"
            );
            return Err(ServiceError::new(
                ErrorKind::ResourceExhausted,
                "TOO_MANY_STREAMS",
                message,
            )
            .retry_after(Duration::from_secs(1)));
        }
        *under_way += 1;
        Ok(StreamPermit {
            streams: Arc::clone(&self.streams),
            tenant: tenant.clone(),
        })
    }

    /// Waits until so many questions are admitted, in the order of those who wait.
    pub(crate) async fn questions(
        &self,
        count: usize,
    ) -> Result<OwnedSemaphorePermit, ServiceError> {
        let count = u32::try_from(count.min(QUESTIONS)).map_err(ServiceError::internal)?;
        let permits = Arc::clone(&self.questions).acquire_many_owned(count);
        permits.await.map_err(ServiceError::internal)
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = streams.get_mut(&self.tenant) {
            *under_way -= 1;
            if *under_way == 0 {
                streams.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_so_many_streams_and_frees_them() {
        let limits = AdmissionLimits::new();
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let mut taken: Vec<_> = (0..STREAMS_OF_A_TENANT)
            .map(|_| limits.stream(&a).unwrap())
            .collect();
        let refused = limits.stream(&a).err().unwrap();
        assert_eq!(
            (refused.kind(), refused.reason()),
            (ErrorKind::ResourceExhausted, "TOO_MANY_STREAMS")
        );
        assert!(limits.stream(&b).is_ok(), "another tenant has its own");
        taken.pop();
        assert!(limits.stream(&a).is_ok());
        drop(taken);
        assert!(limits.streams.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn questions_wait_until_others_are_embedded() {
        let limits = AdmissionLimits::new();
        let all = limits.questions(QUESTIONS * 2).await.unwrap();
        let mut next = Box::pin(limits.questions(1));
        assert!(futures::poll!(&mut next).is_pending());
        drop(all);
        assert!(next.await.is_ok());
    }
}
