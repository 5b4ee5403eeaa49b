//! How long an embedding may take before the caller's deadline.

use std::time::Duration;

/// The share of the time to the deadline that embedding may take: the rest is for the search, the
/// ranking and the way back.
const PATIENCE: f64 = 0.7;

/// What `embedding` makes; none when it does not come in the time that remains for the caller, where
/// the caller has a deadline.
pub(crate) async fn within<T>(
    remaining: Option<Duration>,
    embedding: impl Future<Output = T>,
) -> Option<T> {
    match remaining {
        Some(left) => tokio::time::timeout(left.mul_f64(PATIENCE), embedding)
            .await
            .ok(),
        None => Some(embedding.await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_embedding_is_waited_for_only_while_there_is_time() {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            7
        };
        assert_eq!(within(None, slow()).await, Some(7));
        assert_eq!(within(Some(Duration::from_secs(60)), slow()).await, Some(7));
        assert_eq!(within(Some(Duration::from_millis(2)), slow()).await, None);
        assert_eq!(within(Some(Duration::ZERO), slow()).await, None);
    }
}
