//! SQLite: what was acknowledged is there after `kill -9`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::world::{World, context, item, open};

const CHILD: &str = "TENANTRY_TEST_CRASH_CHILD";

/// Not a test of its own: the process that is killed, when the test below starts it.
#[tokio::test]
async fn child() {
    let Ok(url) = std::env::var(CHILD) else {
        return;
    };
    let store = open(&url).await;
    let ctx = context("acme");
    for batch in 0.. {
        let tx = store.begin(&ctx).await.unwrap();
        let items = (0..20)
            .map(|n| item(&format!("q{batch}-{n}"), "text"))
            .collect();
        let outcome = tx.items().upsert(items, super::world::now()).await.unwrap();
        tx.commit().await.unwrap();
        // The acknowledgement.
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nACK {}", outcome.watermark).unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill() {
    let world = World::sqlite().await;
    let acme = world.tenant("acme").await;
    world.store.close().await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture"])
        .env(CHILD, &world.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0_u64;
    let acks = lines.map_while(Result::ok).filter_map(|line| {
        line.strip_prefix("ACK ")
            .and_then(|number| number.parse().ok())
    });
    for ack in acks.take(30) {
        acknowledged = ack;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(acknowledged, 600, "the child did not get that far");

    let store = open(&world.url).await;
    let tx = store.begin(&acme).await.unwrap();
    let kept = tx.items().watermark().await.unwrap();
    assert!(kept >= acknowledged && kept % 20 == 0, "{kept}");
    assert_eq!(
        tx.items().count().await.unwrap(),
        kept,
        "whole batches or nothing"
    );
}
