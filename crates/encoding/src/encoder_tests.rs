//! Encoding with the real model and a store in a temporary folder.

use std::sync::Mutex;

use chrono::DateTime;
use domain::cost::{Meter, Service, UsageEntry};
use domain::{Clock, TenantSettings, VerticalId};
use embedding::EmbeddingConfig;
use metering::usage::{Operation, UsageRecorder, UsageSink};
use storage::{NewTenant, Purpose, StorageConfig};

use super::*;

struct Setup {
    encoder: Encoder,
    ctx: TenantContext,
    recorded: Arc<Recorded>,
    recorder: UsageRecorder,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct Recorded(Mutex<Vec<UsageEntry>>);

impl UsageSink for Recorded {
    fn record(&self, entry: &UsageEntry) {
        self.0.lock().unwrap().push(entry.clone());
    }
}

impl Setup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig {
            url: format!("sqlite://{}", folder.path().join("store.db").display()),
            max_connections: 4,
        };
        let store = Store::open(&config).await.unwrap();
        let id = TenantId::parse("acme").unwrap();
        let tenant = NewTenant {
            id: id.clone(),
            display_name: String::new(),
            vertical: VerticalId::parse("software").unwrap(),
            settings: TenantSettings::default(),
        };
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let platform = store.maintenance(Purpose::StartUp);
        platform.create_tenant(tenant, "ops", now).await.unwrap();
        let embedder = Embedder::open(&EmbeddingConfig::default()).unwrap();
        let recorded = Arc::new(Recorded::default());
        Self {
            encoder: Encoder::new(store, embedder),
            ctx: TenantContext::for_background_work(&id, "test"),
            recorder: UsageRecorder::new(recorded.clone(), Clock::new(move || now)),
            recorded,
            _folder: folder,
        }
    }

    /// Runs an encoding, and says how many tokens it was metered with.
    async fn metered<T>(&self, what: impl Future<Output = T>) -> (T, u64) {
        let scope = self.recorder.begin(Operation {
            service: Service::Router,
            name: "Test".to_owned(),
            cpu: Meter::RequestCpu,
        });
        let made = scope.run(what).await;
        scope.flush();
        let entries = std::mem::take(&mut *self.recorded.0.lock().unwrap());
        let quantities = entries.into_iter().flat_map(|entry| entry.quantities);
        let tokens = quantities.filter(|(meter, _)| *meter == Meter::EmbeddingTokens);
        (made, tokens.map(|(_, quantity)| quantity).sum())
    }
}

#[tokio::test]
async fn a_stored_text_is_embedded_once_and_metered_once() {
    let at = Setup::new().await;
    let (encoder, ctx) = (&at.encoder, &at.ctx);
    let texts = ["Who signs the contract?", "Where is data stored?"];
    let (first, tokens) = at.metered(encoder.encode(ctx, &texts, Lane::Passage)).await;
    let first = first.unwrap();
    assert!(tokens > 0);
    assert_eq!(first[0].len(), encoder.space().dimensions);
    // In another order, with a repeat, and through the other lane: the same vectors, and nothing is computed.
    let again = [texts[1], texts[0], texts[1]];
    let (again, tokens) = at.metered(encoder.encode(ctx, &again, Lane::Query)).await;
    assert_eq!(tokens, 0);
    let again = again.unwrap();
    assert_eq!(
        [&again[0], &again[1], &again[2]],
        [&first[1], &first[0], &first[1]]
    );
}

#[tokio::test]
async fn a_text_that_stands_twice_is_computed_once() {
    let at = Setup::new().await;
    let text = "Do you encrypt backups?";
    let (once, tokens) = at
        .metered(at.encoder.encode(&at.ctx, &[text], Lane::Passage))
        .await;
    let other = "Do you encrypt archives?";
    let (twice, both) = at
        .metered(
            at.encoder
                .encode(&at.ctx, &[other, other], Lane::QueryIfFew),
        )
        .await;
    assert_eq!(once.unwrap().len(), 1);
    let twice = twice.unwrap();
    assert_eq!(twice[0], twice[1]);
    assert!(both < 2 * tokens, "{both} tokens for two, {tokens} for one");
}

#[tokio::test]
async fn a_question_is_remembered_for_its_tenant_alone() {
    let at = Setup::new().await;
    let (a, b) = (at.ctx.tenant().clone(), TenantId::parse("other").unwrap());
    let text = "How long do you keep logs?";
    let (first, tokens) = at.metered(at.encoder.query(&a, text)).await;
    assert!(tokens > 0);
    let (again, none) = at.metered(at.encoder.query(&a, text)).await;
    let (first, again) = (first.unwrap(), again.unwrap());
    assert_eq!(
        (&again.vector, again.computed),
        (&first.vector, Duration::ZERO)
    );
    assert_eq!(none, 0);
    let (_, others) = at.metered(at.encoder.query(&b, text)).await;
    assert_eq!(others, tokens, "another tenant's question is computed anew");
}

#[tokio::test]
async fn many_questions_come_back_in_their_order() {
    let at = Setup::new().await;
    let tenant = at.ctx.tenant().clone();
    let texts = [
        "Who is on call?",
        "What is the price?",
        "Who is on call at night?",
    ];
    let known = at.encoder.query(&tenant, texts[1]).await.unwrap();
    let all = at.encoder.queries(&tenant, &texts).await;
    let all: Vec<EncodedQuery> = all.into_iter().map(std::result::Result::unwrap).collect();
    assert_eq!(all[1], EncodedQuery::cached(known.vector));
    for (text, encoded) in texts.iter().zip(&all) {
        let alone = at.encoder.query(&tenant, text).await.unwrap();
        assert_eq!(alone.vector, encoded.vector, "{text}");
    }
}

#[tokio::test]
async fn a_matrix_has_a_row_a_text_and_stops_where_it_is_told() {
    let at = Setup::new().await;
    let owned: Vec<String> = (0..CHUNK + 2).map(|n| format!("text {n}")).collect();
    let texts: Vec<&str> = owned.iter().map(String::as_str).collect();
    let mut shares = Vec::new();
    let matrix = at.encoder.matrix(&at.ctx, &texts, Lane::Passage, |share| {
        shares.push(share);
        true
    });
    let matrix = matrix.await.unwrap().unwrap();
    assert_eq!(matrix.dim(), (texts.len(), at.encoder.space().dimensions));
    assert_eq!(shares.len(), 2);
    let last = at
        .encoder
        .encode(&at.ctx, &texts[CHUNK + 1..], Lane::Passage)
        .await;
    assert_eq!(matrix.row(CHUNK + 1).to_vec(), last.unwrap()[0]);
    let stopped = at.encoder.matrix(&at.ctx, &texts, Lane::Passage, |_| false);
    assert!(stopped.await.unwrap().is_none());
    let none = at.encoder.matrix(&at.ctx, &[], Lane::Passage, |_| false);
    assert_eq!(none.await.unwrap().unwrap().nrows(), 0);
}

#[tokio::test]
async fn what_the_index_has_not_seen_is_a_row_of_nothing() {
    let at = Setup::new().await;
    let texts = ["Seen.", "Not seen yet."];
    let seen = at.encoder.encode(&at.ctx, &texts[..1], Lane::Passage).await;
    let tx = at.encoder.store.begin(&at.ctx).await.unwrap();
    let rows = at.encoder.cached(&tx, &texts).await.unwrap();
    assert_eq!(rows.row(0).to_vec(), seen.unwrap()[0]);
    assert!(rows.row(1).iter().all(|value| value.is_nan()));
}

#[tokio::test]
async fn in_steps_nothing_is_computed_twice_and_what_was_not_kept_is_not_known() {
    let at = Setup::new().await;
    let (encoder, texts) = (&at.encoder, ["Written while others wait."]);
    let step = async |keep: bool| {
        let tx = encoder.store.begin(&at.ctx).await.unwrap();
        let looked = encoder.look(&tx, &texts).await.unwrap();
        let encoded = encoder.encode_looked(&texts, looked, Lane::Query).await;
        let encoded = encoded.unwrap();
        let computed = encoded.computed.len();
        if keep {
            encoder.keep(&tx, encoded.computed).await.unwrap();
            tx.commit().await.unwrap();
        }
        (encoded.vectors, computed)
    };
    let (first, computed) = step(false).await;
    assert_eq!(computed, 1);
    assert_eq!(step(true).await, (first.clone(), 1));
    assert_eq!(step(true).await, (first.clone(), 0));
    let whole = at.metered(encoder.encode(&at.ctx, &texts, Lane::Passage));
    let (whole, tokens) = whole.await;
    assert_eq!((whole.unwrap(), tokens), (first, 0));
}
