//! The file of a space: a SQLite database with the points of all tenants.
//!
//! SQLite brings what a store of files has to have: writes that are whole or not there, a log that is
//! replayed after a crash, an error and not a signal on a full disk, and deletion that overwrites
//! (`secure_delete`). A tenant's points lie side by side, so that reading them is one walk.
//!
//! Writes are committed without waiting for the disk (`synchronous = NORMAL`): a killed process loses
//! none of them, a machine that loses power at most those since the last [`SpaceFile::flush`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::TenantId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};

use super::block::{Block, Filling};
use super::direction::{direction, to_bytes};
use crate::VectorError;
use crate::port::{Point, Result, Space, SparseVector};

/// Raised when a file's tables change in a way that the code before could not read.
const FORMAT: i64 = 2;

/// How long a reader may keep a flush waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of the log after which a flush gives it back to the system.
const LOG_BYTES: u64 = 64 << 20;

/// Pages are larger than usual: a point is about a kilobyte, and has to fit into one.
const SETTINGS: &str = "
    PRAGMA page_size = 16384;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA secure_delete = ON;
    PRAGMA foreign_keys = ON;
";

/// `owner` makes an id unique over all tenants.
const TABLES: &str = "
    CREATE TABLE space (dimensions INTEGER NOT NULL) STRICT;
    CREATE TABLE tenants (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE points (
        tenant INTEGER NOT NULL REFERENCES tenants (number),
        id INTEGER NOT NULL,
        direction BLOB NOT NULL,
        words BLOB NOT NULL,
        PRIMARY KEY (tenant, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX owner ON points (id);
";

/// The file of a space, open.
#[derive(Debug)]
pub(super) struct SpaceFile {
    space: Space,
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Connections that nobody reads with at the moment.
    readers: Mutex<Vec<Connection>>,
}

impl SpaceFile {
    /// Opens the file, which is made where it is missing and `make` says so.
    ///
    /// # Errors
    /// [`VectorError::UnknownSpace`], [`VectorError::SpaceMismatch`] and [`VectorError::Corrupt`].
    pub(super) fn open(space: &Space, path: &Path, make: bool) -> Result<Self> {
        let unknown = || VectorError::UnknownSpace {
            space: space.name.clone(),
        };
        if !make && !path.exists() {
            return Err(unknown());
        }
        let failed = |error| failed(space, "opening a space", error);
        let mut writer = connect(path, true).map_err(failed)?;
        let format: i64 = writer
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        match format {
            FORMAT => {}
            // Made by nobody, or by a process that ended before it was done.
            0 if make => create(&mut writer, space).map_err(failed)?,
            0 => return Err(unknown()),
            other => {
                return Err(corrupt(
                    space,
                    format!("its file has format {other}, this version reads {FORMAT}"),
                ));
            }
        }
        let stored: u32 = writer
            .query_row("SELECT dimensions FROM space", [], |row| row.get(0))
            .map_err(failed)?;
        let stored = stored as usize;
        if stored != space.dimensions {
            return Err(VectorError::SpaceMismatch {
                space: space.name.clone(),
                stored,
                asked: space.dimensions,
            });
        }
        Ok(Self {
            space: space.clone(),
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        })
    }

    /// The space.
    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Writes points of a tenant, all or none; returns how many of them are new.
    ///
    /// # Errors
    /// [`VectorError::OwnedByAnother`] when an id is another tenant's.
    pub(super) fn upsert(&self, tenant: &TenantId, points: &[Point]) -> Result<i64> {
        self.write("writing points", |tx| {
            let number = number_or_new(tx, tenant)?;
            let mut owner = tx.prepare_cached("SELECT tenant FROM points WHERE id = ?1")?;
            let (mut count, mut new) = (0, HashSet::new());
            for point in points {
                let found = owner.query_row([point.id.cast_signed()], |row| row.get(0));
                let found: Option<i64> = found.optional()?;
                count += u64::from(found.is_some_and(|owner| owner != number));
                if found.is_none() {
                    new.insert(point.id);
                }
            }
            if count > 0 {
                return Ok(Err(VectorError::OwnedByAnother { count }));
            }
            let mut put = tx.prepare_cached(
                "INSERT INTO points (tenant, id, direction, words) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (tenant, id) DO UPDATE
                 SET direction = excluded.direction, words = excluded.words",
            )?;
            for point in points {
                let direction = to_bytes(&direction(&point.dense));
                let words = words_to_bytes(&point.sparse);
                put.execute(params![number, point.id.cast_signed(), direction, words])?;
            }
            Ok(Ok(new.len() as i64))
        })
    }

    /// Removes a tenant's points of these ids; returns, below zero, how many there were.
    pub(super) fn delete(&self, tenant: &TenantId, ids: &[u64]) -> Result<i64> {
        self.write("removing points", |tx| {
            let mut more = 0;
            if let Some(number) = number(tx, tenant)? {
                let mut delete =
                    tx.prepare_cached("DELETE FROM points WHERE tenant = ?1 AND id = ?2")?;
                for id in ids {
                    more -= delete.execute([number, id.cast_signed()])? as i64;
                }
            }
            Ok(Ok(more))
        })
    }

    /// Removes a tenant with all its points; returns how many there were.
    pub(super) fn delete_tenant(&self, tenant: &TenantId) -> Result<u64> {
        self.write("removing a tenant", |tx| {
            let Some(number) = number(tx, tenant)? else {
                return Ok(Ok(0));
            };
            let removed = tx.execute("DELETE FROM points WHERE tenant = ?1", [number])?;
            tx.execute("DELETE FROM tenants WHERE number = ?1", [number])?;
            Ok(Ok(removed as u64))
        })
    }

    /// Brings all that was written to the disk. With `shrink` nothing of what was removed stays in
    /// the log, and the room that it took is given back.
    pub(super) fn flush(&self, shrink: bool) -> Result<()> {
        let writer = self.writer();
        let failed = |error| failed(&self.space, "flushing a space", error);
        if shrink {
            let mut vacuum = writer
                .prepare("PRAGMA incremental_vacuum")
                .map_err(failed)?;
            let mut pages = vacuum.query([]).map_err(failed)?;
            while pages.next().map_err(failed)?.is_some() {}
        }
        let mode = match shrink || self.log_bytes() > LOG_BYTES {
            true => "TRUNCATE",
            false => "FULL",
        };
        let busy: bool = writer
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                row.get(0)
            })
            .map_err(failed)?;
        if busy {
            return Err(VectorError::Engine {
                doing: "flushing a space",
                source: "readers would not let go of the log".into(),
            });
        }
        Ok(())
    }

    /// The points of a tenant, for memory, and whether they are all: of more than `most` they are those of the
    /// highest ids, as numbers with a sign.
    pub(super) fn read(&self, tenant: &TenantId, most: usize) -> Result<(Block, bool)> {
        if let Some(all) = self.read_above(tenant, None, most)? {
            return Ok((all, true));
        }
        // Of so many points this is asked, and not of each tenant: it walks them.
        let left_out = self.with_reader("reading points", |reader| {
            let mut lowest = reader.prepare_cached(
                "SELECT id FROM points
                 WHERE tenant = (SELECT number FROM tenants WHERE name = ?1)
                 ORDER BY id DESC LIMIT 1 OFFSET ?2",
            )?;
            let asked = (tenant.as_str(), most.cast_signed());
            Ok(Ok(lowest.query_row(asked, |row| row.get(0)).optional()?))
        })?;
        let part = self.read_above(tenant, left_out, usize::MAX)?;
        Ok((
            part.unwrap_or_else(|| Block::new(self.space.dimensions)),
            false,
        ))
    }

    /// The points of a tenant with ids above one; none where there are more than `most`.
    fn read_above(
        &self,
        tenant: &TenantId,
        left_out: Option<i64>,
        most: usize,
    ) -> Result<Option<Block>> {
        let mut block = Filling::new(self.space.dimensions);
        let is_all = self.with_reader("reading points", |reader| {
            let mut select = reader.prepare_cached(
                "SELECT id, direction, words FROM points
                 WHERE tenant = (SELECT number FROM tenants WHERE name = ?1) AND id >= ?2
                 ORDER BY id",
            )?;
            let first = left_out.map_or(i64::MIN, |left_out| left_out + 1);
            let mut rows = select.query((tenant.as_str(), first))?;
            while let Some(row) = rows.next()? {
                if block.len() == most {
                    return Ok(Ok(false));
                }
                let id: i64 = row.get(0)?;
                let direction = row.get_ref(1)?.as_blob()?;
                let words = row.get_ref(2)?.as_blob()?;
                if !block.add(id.cast_unsigned(), direction, words) {
                    let detail = format!("the point {id} is not as long as it should be");
                    return Ok(Err(corrupt(&self.space, detail)));
                }
            }
            Ok(Ok(true))
        })?;
        Ok(is_all.then(|| block.filled()))
    }

    /// The ids of all points of a tenant, ascending.
    pub(super) fn ids(&self, tenant: &TenantId) -> Result<Vec<u64>> {
        self.with_reader("listing points", |reader| {
            let mut select = reader.prepare_cached(
                "SELECT id FROM points WHERE tenant = (SELECT number FROM tenants WHERE name = ?1)",
            )?;
            let ids = select.query_map([tenant.as_str()], |row| row.get::<_, i64>(0))?;
            let ids: rusqlite::Result<Vec<i64>> = ids.collect();
            let mut ids: Vec<u64> = ids?.into_iter().map(i64::cast_unsigned).collect();
            ids.sort_unstable();
            Ok(Ok(ids))
        })
    }

    /// How many points a tenant has.
    pub(super) fn count(&self, tenant: &TenantId) -> Result<u64> {
        self.with_reader("counting points", |reader| {
            let mut count = reader.prepare_cached(
                "SELECT count(*) FROM points
                 WHERE tenant = (SELECT number FROM tenants WHERE name = ?1)",
            )?;
            let count: i64 = count.query_row([tenant.as_str()], |row| row.get(0))?;
            Ok(Ok(count.cast_unsigned()))
        })
    }

    /// Runs a transaction, which is committed when it succeeds.
    fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T>>,
    ) -> Result<T> {
        let mut writer = self.writer();
        let done = || {
            let tx = writer.transaction()?;
            let outcome = work(&tx)?;
            // Dropped without a commit, a transaction is rolled back.
            if outcome.is_ok() {
                tx.commit()?;
            }
            Ok(outcome)
        };
        done().map_err(|error| failed(&self.space, doing, error))?
    }

    fn with_reader<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T>>,
    ) -> Result<T> {
        let idle = self.readers().pop();
        let read = || {
            let reader = match idle {
                Some(reader) => reader,
                None => connect(&self.path, false)?,
            };
            let outcome = work(&reader)?;
            self.readers().push(reader);
            Ok(outcome)
        };
        read().map_err(|error| failed(&self.space, doing, error))?
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_bytes(&self) -> u64 {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
    }
}

fn connect(path: &Path, writes: bool) -> rusqlite::Result<Connection> {
    let mode = match writes {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    if writes {
        connection.execute_batch(SETTINGS)?;
    }
    Ok(connection)
}

fn create(writer: &mut Connection, space: &Space) -> rusqlite::Result<()> {
    let tx = writer.transaction()?;
    tx.execute_batch(TABLES)?;
    tx.execute("INSERT INTO space VALUES (?1)", [space.dimensions as i64])?;
    tx.pragma_update(None, "user_version", FORMAT)?;
    tx.commit()
}

fn number(tx: &Transaction<'_>, tenant: &TenantId) -> rusqlite::Result<Option<i64>> {
    tx.prepare_cached("SELECT number FROM tenants WHERE name = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()
}

fn number_or_new(tx: &Transaction<'_>, tenant: &TenantId) -> rusqlite::Result<i64> {
    if let Some(number) = number(tx, tenant)? {
        return Ok(number);
    }
    tx.execute("INSERT INTO tenants (name) VALUES (?1)", [tenant.as_str()])?;
    Ok(tx.last_insert_rowid())
}

pub(super) fn words_to_bytes(words: &SparseVector) -> Vec<u8> {
    let words = words.indices.iter().zip(&words.values);
    words
        .flat_map(|(word, weight)| {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&word.to_le_bytes());
            bytes[4..].copy_from_slice(&weight.to_le_bytes());
            bytes
        })
        .collect()
}

fn corrupt(space: &Space, detail: String) -> VectorError {
    VectorError::Corrupt {
        space: space.name.clone(),
        detail,
    }
}

/// What the caller sees of SQLite's errors.
fn failed(space: &Space, doing: &'static str, error: rusqlite::Error) -> VectorError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            corrupt(space, error.to_string())
        }
        Some(ErrorCode::DiskFull) => VectorError::DiskFull {
            space: space.name.clone(),
            source: Box::new(error),
        },
        _ => VectorError::Engine {
            doing,
            source: Box::new(error),
        },
    }
}
