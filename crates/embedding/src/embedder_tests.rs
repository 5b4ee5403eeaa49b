//! The embedder's behaviour with a pretended model: who waits, who is refused, what a panic does.

use std::borrow::Cow;
use std::sync::mpsc;
use std::time::Duration;

use domain::ErrorKind;

use super::*;
use crate::model::{Encoder, Failure, Vector};
use crate::queue::Lane;

/// Says which batch it was given, and finishes it only when told to. A text that holds `panic`
/// panics, one that holds `fail` fails.
struct Pretended {
    seen: mpsc::Sender<Vec<String>>,
    go: mpsc::Receiver<()>,
}

impl Encoder for Pretended {
    fn encode(&mut self, texts: &[Cow<'_, str>]) -> Result<Vec<Vector>, Failure> {
        let owned = texts.iter().map(|text| text.clone().into_owned()).collect();
        let _ = self.seen.send(owned);
        let _ = self.go.recv();
        assert!(
            !texts.iter().any(|text| text.contains("panic")),
            "pretended"
        );
        if texts.iter().any(|text| text.contains("fail")) {
            return Err(Failure::Compute("pretending"));
        }
        let vector = |text: &Cow<'_, str>| Vector {
            values: vec![text.len() as f32],
            tokens: text.len() as u32,
        };
        Ok(texts.iter().map(vector).collect())
    }
}

struct Stage {
    embedder: Embedder,
    seen: mpsc::Receiver<Vec<String>>,
    go: mpsc::Sender<()>,
}

impl Stage {
    fn new(queue: usize) -> Self {
        let (seen_sender, seen) = mpsc::channel();
        let (go, go_receiver) = mpsc::channel();
        let config = EmbeddingConfig {
            queue,
            max_batch_tokens: 512,
            ..EmbeddingConfig::default()
        };
        let encoder: Box<dyn Encoder> = Box::new(Pretended {
            seen: seen_sender,
            go: go_receiver,
        });
        let encoders = vec![(Lane::All, encoder)];
        let sessions = Sessions::start(MODELS[0].max_tokens, &config, encoders, None).unwrap();
        let embedder = Embedder::with(&MODELS[0], Engine::Transformer(sessions), [7; 32]);
        Self { embedder, seen, go }
    }

    /// Calls in the background, and returns when the call is waiting.
    async fn call(&self, text: &str) -> tokio::task::JoinHandle<Result<Embedded, EmbeddingError>> {
        let (embedder, text) = (self.embedder.clone(), text.to_owned());
        let task = tokio::spawn(async move { embedder.embed_query(text).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        task
    }

    fn batch(&self) -> Vec<String> {
        self.seen.recv_timeout(Duration::from_secs(5)).unwrap()
    }

    fn finish(&self, batches: usize) {
        for _ in 0..batches {
            self.go.send(()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_query_waits_for_no_more_than_the_batch_that_is_running() {
    let stage = Stage::new(100);
    let embedder = stage.embedder.clone();
    // 100 passages of about 250 tokens are 50 batches.
    let passages = vec!["p".repeat(1000); 100];
    let bulk = tokio::spawn(async move { embedder.embed_passages(passages).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(stage.batch().len() <= 2);
    let query = stage.call("query").await;
    stage.finish(100);
    assert_eq!(stage.batch(), ["query"]);
    assert_eq!(query.await.unwrap().unwrap().vector, [5.0]);
    assert_eq!(bulk.await.unwrap().unwrap().len(), 100);
}

#[tokio::test]
async fn passages_come_back_in_their_order_and_need_no_more_places_than_there_are() {
    let stage = Stage::new(3);
    stage.finish(100);
    let texts: Vec<String> = [9, 1, 5, 7, 2, 8, 3]
        .map(|length| "x".repeat(length))
        .into();
    let embedded = stage.embedder.embed_passages(texts).await.unwrap();
    let lengths: Vec<f32> = embedded.iter().map(|one| one.vector[0]).collect();
    assert_eq!(lengths, [9.0, 1.0, 5.0, 7.0, 2.0, 8.0, 3.0]);
    assert!(
        stage
            .embedder
            .embed_passages(Vec::new())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn too_many_queries_are_refused_and_the_waiting_ones_are_answered() {
    let stage = Stage::new(2);
    let running = stage.call("running").await;
    stage.batch();
    let (first, second) = (stage.call("first").await, stage.call("second").await);
    let refused = stage
        .embedder
        .embed_query("third".to_owned())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceExhausted);
    stage.finish(2);
    assert_eq!(stage.batch(), ["first", "second"]);
    for task in [running, first, second] {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn queries_that_come_together_have_each_an_outcome_in_their_order() {
    let stage = Stage::new(3);
    let embedder = stage.embedder.clone();
    let texts = ["the longest", "fail", "mid"].map(str::to_owned);
    let call = tokio::spawn(async move { embedder.embed_queries(texts.into()).await });
    tokio::task::yield_now().await;
    assert_eq!(stage.batch(), ["mid", "fail", "the longest"]);
    // The batch fails, and each of its texts is tried alone.
    stage.finish(4);
    let outcomes = call.await.unwrap();
    let length = |at: usize| outcomes[at].as_ref().unwrap().vector[0];
    assert_eq!((length(0), length(2)), (11.0, 3.0));
    assert!(outcomes[1].is_err());

    let four = vec![String::new(); 4];
    let refused = stage.embedder.embed_queries(four).await;
    assert_eq!(refused.len(), 4);
    assert!(
        refused
            .iter()
            .all(|one| matches!(one, Err(EmbeddingError::Overloaded)))
    );
}

#[tokio::test]
async fn a_caller_who_leaves_costs_nothing() {
    let stage = Stage::new(10);
    let running = stage.call("running").await;
    stage.batch();
    let leaving = stage.call("leaving").await;
    let staying = stage.call("staying").await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    stage.finish(2);
    assert_eq!(stage.batch(), ["staying"]);
    running.await.unwrap().unwrap();
    staying.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_hurts_only_its_own_caller_and_the_thread_goes_on() {
    let stage = Stage::new(10);
    let running = stage.call("running").await;
    let good = stage.call("good").await;
    let bad = stage.call("panic over secret").await;
    let worse = stage.call("fail over secret").await;
    stage.finish(10);
    running.await.unwrap().unwrap();
    assert_eq!(good.await.unwrap().unwrap().vector, [4.0]);
    for (task, expected) in [
        (bad, "the embedding model panicked"),
        (worse, "the embedding model failed while pretending"),
    ] {
        let error = task.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(!format!("{error:?}").contains("secret"));
    }
    assert!(stage.embedder.embed_query("after".to_owned()).await.is_ok());
}

#[tokio::test]
async fn computing_time_is_shared_out_by_tokens() {
    let stage = Stage::new(10);
    let running = stage.call("running").await;
    stage.batch();
    let (one, three) = (stage.call("x").await, stage.call("xxx").await);
    stage.finish(1);
    stage.batch();
    tokio::time::sleep(Duration::from_millis(40)).await;
    stage.finish(1);
    let (one, three) = (one.await.unwrap().unwrap(), three.await.unwrap().unwrap());
    running.await.unwrap().unwrap();
    assert!(
        three.computed >= Duration::from_millis(30),
        "{:?}",
        three.computed
    );
    assert!((three.computed.as_secs_f64() / one.computed.as_secs_f64() - 3.0).abs() < 0.01);
    assert!(one.queued >= three.queued);
}

#[test]
fn a_content_hash_depends_on_text_and_space() {
    let one = Embedder::with(&MODELS[0], Engine::Empty, [1; 32]);
    let two = Embedder::with(&MODELS[0], Engine::Empty, [2; 32]);
    assert_eq!(one.content_hash("text"), one.clone().content_hash("text"));
    assert_ne!(one.content_hash("text"), one.content_hash("Text"));
    assert_ne!(one.content_hash("text"), two.content_hash("text"));
    assert_eq!(one.space().fingerprint.len(), 64);
    assert_ne!(one.space().fingerprint, two.space().fingerprint);
}

#[test]
fn numbers_out_of_range_are_named() {
    let refused = |change: fn(&mut EmbeddingConfig)| {
        let mut config = EmbeddingConfig::default();
        change(&mut config);
        let error = Embedder::open(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        error.to_string()
    };
    assert!(refused(|config| config.queue = 0).contains("embedding.queue"));
    assert!(refused(|config| config.max_batch_tokens = 0).contains("max_batch_tokens"));
    assert!(refused(|config| config.threads = 5000).contains("embedding.threads"));
}
