//! Databases for the contract: on a PostgreSQL server of the test's own, gone with the process.
//!
//! `TENANTRY_TEST_POSTGRES_URL` names a server to use instead; its role must not be a superuser and
//! must be allowed to create databases. Where there is neither, the tests say so and skip.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database};
use testkit::Postgres;

const URL: &str = "TENANTRY_TEST_POSTGRES_URL";

pub struct Cluster {
    /// A database from which others are created, as the role that will own them.
    admin_url: String,
    databases: AtomicU32,
    _server: Option<Postgres>,
}

impl Cluster {
    pub async fn start() -> Option<Self> {
        let (admin_url, server) = match std::env::var(URL) {
            Ok(url) => (url, None),
            Err(_) => {
                // On this thread: the server ends with the one that started it.
                let server = Postgres::start()?;
                (server.url(), Some(server))
            }
        };
        Some(Self {
            admin_url,
            databases: AtomicU32::new(0),
            _server: server,
        })
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("tenantry_test_{}_{number}", std::process::id());
        let db = Database::connect(self.admin_url.as_str()).await.unwrap();
        for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            db.execute_unprepared(&format!("{statement} {name}"))
                .await
                .unwrap();
        }
        db.close().await.unwrap();
        let (server, query) = self
            .admin_url
            .split_once('?')
            .unwrap_or((&self.admin_url, ""));
        let (server, _) = server.rsplit_once('/').unwrap();
        format!("{server}/{name}?{query}")
    }
}
