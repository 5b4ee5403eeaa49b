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

/// The places for questionnaires and their questions. Clones share them.
#[derive(Clone)]
pub(crate) struct Places {
    streams: Arc<Mutex<HashMap<TenantId, usize>>>,
    questions: Arc<Semaphore>,
}

/// A tenant's place for one questionnaire; given back when dropped.
pub(crate) struct StreamPlace {
    streams: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self {
            streams: Arc::default(),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// A place for one more questionnaire of the tenant.
    ///
    /// # Errors
    /// `TOO_MANY_STREAMS` when the tenant has as many under way as it may.
    pub(crate) fn stream(&self, tenant: &TenantId) -> Result<StreamPlace, ServiceError> {
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
        Ok(StreamPlace {
            streams: Arc::clone(&self.streams),
            tenant: tenant.clone(),
        })
    }

    /// Waits for the places of so many questions, in the order of those who wait.
    pub(crate) async fn questions(
        &self,
        count: usize,
    ) -> Result<OwnedSemaphorePermit, ServiceError> {
        let count = u32::try_from(count.min(QUESTIONS)).map_err(ServiceError::internal)?;
        let places = Arc::clone(&self.questions).acquire_many_owned(count);
        places.await.map_err(ServiceError::internal)
    }
}

impl Drop for StreamPlace {
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
    fn a_tenant_has_its_places_and_gives_them_back() {
        let places = Places::new();
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let mut taken: Vec<_> = (0..STREAMS_OF_A_TENANT)
            .map(|_| places.stream(&a).unwrap())
            .collect();
        let refused = places.stream(&a).err().unwrap();
        assert_eq!(
            (refused.kind(), refused.reason()),
            (ErrorKind::ResourceExhausted, "TOO_MANY_STREAMS")
        );
        assert!(places.stream(&b).is_ok(), "another tenant has its own");
        taken.pop();
        assert!(places.stream(&a).is_ok());
        drop(taken);
        assert!(places.streams.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn questions_wait_for_their_places() {
        let places = Places::new();
        let all = places.questions(QUESTIONS * 2).await.unwrap();
        let mut next = Box::pin(places.questions(1));
        assert!(futures::poll!(&mut next).is_pending());
        drop(all);
        assert!(next.await.is_ok());
    }
}
