//! Opening the databases: pools, pragmas, migrations.

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use domain::FieldViolation;
use migrations::Migrator;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use crate::{Result, StorageConfig, StorageError};

/// How long a caller waits for a connection, and so on SQLite for its turn to write.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long SQLite waits for *another process* that writes to the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two tries to turn WAL on in a file that another process just does the same to.
const LOCKED_PAUSE: Duration = Duration::from_millis(20);
/// Any number, as long as it is always the same: who migrates holds it.
const MIGRATION_LOCK: i64 = 0x7465_6e61_6e74;

/// The connections of a store.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    /// For transactions that only read.
    pub reader: DatabaseConnection,
    /// For transactions that write. On SQLite a pool of one, which is the queue of the writers;
    /// on PostgreSQL the same pool as `reader`.
    pub writer: DatabaseConnection,
}

impl Pools {
    pub(crate) async fn open(config: &StorageConfig) -> Result<Self> {
        let pools = if config.url.starts_with("sqlite:") {
            Self::open_sqlite(config).await?
        } else if config.url.starts_with("postgres:") || config.url.starts_with("postgresql:") {
            Self::open_postgres(config).await?
        } else {
            return Err(bad_url("starts with sqlite:// or postgres://"));
        };
        pools.migrate().await?;
        Ok(pools)
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Postgres
    }

    pub(crate) async fn begin_read(&self) -> Result<DatabaseTransaction> {
        Ok(self.reader.begin().await?)
    }

    pub(crate) async fn begin_write(&self) -> Result<DatabaseTransaction> {
        // SQLite: taking the write lock at once is what keeps a transaction that has read from
        // failing when it comes to write. PostgreSQL ignores the mode.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }

    async fn open_sqlite(config: &StorageConfig) -> Result<Self> {
        let parsed = SqliteConnectOptions::from_str(&config.url)
            .map_err(|_| bad_url("is not of the form sqlite:///path/to/file.db"))?;
        if config.url.contains(":memory:") || config.url.contains("mode=memory") {
            return Err(bad_url(
                "names no file; a store in memory loses what it acknowledged",
            ));
        }
        create_folder_of(parsed.get_filename()).await?;
        // The writer comes first: it makes the file and turns WAL on, which stays on.
        let mut writing = options(&config.url, 1);
        writing.min_connections(1).map_sqlx_sqlite_opts(sqlite);
        let writer = connect_in_turn(writing).await?;
        let mut reading = options(&config.url, config.max_connections.max(1));
        reading.map_sqlx_sqlite_opts(|options| sqlite(options).pragma("query_only", "ON"));
        let reader = Database::connect(reading).await?;
        Ok(Self { reader, writer })
    }

    async fn open_postgres(config: &StorageConfig) -> Result<Self> {
        let mut options = options(&config.url, config.max_connections.max(2));
        options
            .set_application_name("tenantry")
            .test_before_acquire_if_idle_for(ACQUIRE_TIMEOUT);
        let pool = Database::connect(options).await?;
        Ok(Self {
            reader: pool.clone(),
            writer: pool,
        })
    }

    /// Brings the schema up to date, all of it or nothing, one process at a time.
    async fn migrate(&self) -> Result<()> {
        // Looked at first, so that a role without the right to create tables can open a store that
        // is up to date.
        let pending = Migrator::get_pending_migrations_read_only(&self.reader).await?;
        if pending.is_empty() {
            return Ok(());
        }
        let transaction = self.begin_write().await?;
        if self.is_postgres() {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            transaction.execute_unprepared(&lock).await?;
        }
        Migrator::up(&transaction, None).await?;
        transaction.commit().await?;
        tracing::info!(migrations = pending.len(), "the schema is up to date");
        Ok(())
    }
}

/// Connects the writer. Of several processes that turn WAL on in a new file at the same time SQLite
/// refuses all but one at once, without its busy timeout: who is refused tries again.
async fn connect_in_turn(options: ConnectOptions) -> Result<DatabaseConnection> {
    let give_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        match Database::connect(options.clone()).await {
            Err(error) if is_locked(&error) && Instant::now() < give_up => {
                tokio::time::sleep(LOCKED_PAUSE).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// SQLite's `SQLITE_BUSY`, by its text: on the way through the layers the code is lost.
fn is_locked(error: &DbErr) -> bool {
    error.to_string().contains("database is locked")
}

fn bad_url(message: &str) -> StorageError {
    StorageError::Config(FieldViolation::new("url", message))
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

fn sqlite(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL the default of many builds, NORMAL, may lose the last commits with the power.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("temp_store", "MEMORY")
}

async fn create_folder_of(file: &Path) -> Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| StorageError::Unavailable(Box::new(error))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::Statement;

    async fn pragma(db: &DatabaseConnection, name: &str) -> String {
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        db.query_one_raw(statement)
            .await
            .unwrap()
            .unwrap()
            .try_get_by_index(0)
            .unwrap()
    }

    #[tokio::test]
    async fn sqlite_is_durable_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a folder/x.db").display());
        let pools = Pools::open(&StorageConfig {
            url,
            max_connections: 2,
        })
        .await
        .unwrap();
        for db in [&pools.writer, &pools.reader] {
            assert_eq!(pragma(db, "journal_mode").await, "wal");
            assert_eq!(pragma(db, "synchronous").await, "2");
            assert_eq!(pragma(db, "foreign_keys").await, "1");
        }
        let write = "DELETE FROM tenants";
        assert!(pools.reader.execute_unprepared(write).await.is_err());
        assert!(pools.writer.execute_unprepared(write).await.is_ok());
    }
}
